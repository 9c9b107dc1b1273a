//! How one configuration differs from another, in the words of the configuration.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Characters of a value that are told.
const VALUE_MAX: usize = 80;

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Difference {
    /// What, for example `strategy.soak` or `targets.web01.address`.
    pub(crate) what: String,
    /// As it was; none where it was not.
    pub(crate) from: Option<Value>,
    /// As it is; none where it is no longer.
    pub(crate) to: Option<Value>,
}

impl Difference {
    /// Something that became something else.
    pub(super) fn new(what: impl Into<String>, from: Option<Value>, to: Option<Value>) -> Self {
        let what = what.into();
        Self { what, from, to }
    }

    /// How it was, in one short line.
    pub(super) fn before(&self) -> String {
        told(self.from.as_ref())
    }

    /// How it is.
    pub(super) fn after(&self) -> String {
        told(self.to.as_ref())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (None, _) => write!(f, "{} is new: {}", self.what, self.after()),
            (_, None) => write!(f, "{} is gone: it was {}", self.what, self.before()),
            _ => write!(
                f,
                "{} was {}, and is now {}",
                self.what,
                self.before(),
                self.after()
            ),
        }
    }
}

fn told(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "not set".to_owned();
    };
    let text = value.to_string();
    match text.char_indices().nth(VALUE_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Everything in which two configurations differ, each in its canonical form.
pub(super) fn between(before: &Value, after: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    compare("", before, after, &mut differences);
    differences
}

fn compare(what: &str, before: &Value, after: &Value, differences: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => tables(what, before, after, differences),
        (Value::Array(one), Value::Array(other)) => match (named(one), named(other)) {
            (Some(one), Some(other)) => tables(what, &one, &other, differences),
            _ => differences.push(Difference::new(what, some(before), some(after))),
        },
        _ => differences.push(Difference::new(what, some(before), some(after))),
    }
}

fn tables(
    what: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    differences: &mut Vec<Difference>,
) {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let nothing = Value::Null;
        let place = match what {
            "" => key.clone(),
            what => format!("{what}.{key}"),
        };
        let side = |table: &Map<String, Value>| table.get(key).cloned();
        let (one, other) = (side(before), side(after));
        let (one, other) = (
            one.as_ref().unwrap_or(&nothing),
            other.as_ref().unwrap_or(&nothing),
        );
        compare(&place, one, other, differences);
    }
}

fn some(value: &Value) -> Option<Value> {
    Some(value.clone()).filter(|value| !value.is_null())
}

/// A list of tables by their names, or by the plugins they use; none where it is no such list, or
/// has one of them twice.
fn named(list: &[Value]) -> Option<Map<String, Value>> {
    let mut by_name = Map::new();
    for item in list {
        let name = item.get("name").or_else(|| item.get("use"))?.as_str()?;
        if by_name.insert(name.to_owned(), item.clone()).is_some() {
            return None;
        }
    }
    Some(by_name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_have_their_place() {
        let before = json!({
            "application": "shop",
            "strategy": { "use": "canary", "stages": [10, 50], "soak": "2s" },
            "targets": [
                { "name": "one", "address": "10.0.0.1:80" },
                { "name": "two", "address": "10.0.0.2:80" },
            ],
        });
        let after = json!({
            "application": "shop",
            "strategy": { "use": "canary", "stages": [10, 25], "approve": true },
            "targets": [
                { "name": "three", "address": "10.0.0.3:80" },
                { "name": "one", "address": "10.0.0.9:80" },
            ],
        });
        let told: Vec<String> = between(&before, &after)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "strategy.approve is new: true",
                "strategy.soak is gone: it was \"2s\"",
                "strategy.stages was [10,50], and is now [10,25]",
                "targets.one.address was \"10.0.0.1:80\", and is now \"10.0.0.9:80\"",
                "targets.three is new: {\"address\":\"10.0.0.3:80\",\"name\":\"three\"}",
                "targets.two is gone: it was {\"address\":\"10.0.0.2:80\",\"name\":\"two\"}",
            ]
        );
        assert_eq!(between(&after, &after), []);
    }

    #[test]
    fn what_has_no_names_is_compared_as_a_whole() {
        let list = |texts: &[&str]| json!({ "steps": texts });
        let differences = between(&list(&["a"]), &list(&["a", "b"]));
        assert_eq!(differences.len(), 1);
        assert_eq!(differences[0].what, "steps");
        let twice = json!({ "checks": [{ "use": "http" }, { "use": "http" }] });
        let once = json!({ "checks": [{ "use": "http" }] });
        assert_eq!(between(&twice, &once)[0].what, "checks");
    }
}
