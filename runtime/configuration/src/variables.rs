//! Environment variables in texts: `${NAME}`, `${NAME:-default}`; `$${` stands for `${` itself.

use crate::{problem::Problem, source::Place, tree::Node};

/// Replaces the variables in every text of the value.
pub(crate) fn expand_all(
    node: &mut Node,
    variable: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<Problem>,
) {
    node.each_text(&mut |place, text| {
        if !text.contains("${") {
            return;
        }
        match expand(text, variable) {
            Ok(expanded) => *text = expanded,
            Err(wrong) => problems.push(wrong.problem(place)),
        }
    });
}

/// What is wrong with a text that names variables.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Wrong {
    #[error("the environment variable `{0}` is not set")]
    Missing(String),
    #[error("`{0}` is no name of an environment variable")]
    NoName(String),
    #[error("`${{` is not closed")]
    Open,
}

impl Wrong {
    fn problem(&self, place: &Place) -> Problem {
        let problem = Problem::new("variable", self.to_string()).at(place.clone(), "used here");
        match self {
            Self::Missing(name) => problem.help(format!("set it, or write `${{{name}:-default}}`")),
            Self::NoName(_) | Self::Open => {
                problem.help("write `${NAME}`, `${NAME:-default}`, or `$${` for `${` itself")
            }
        }
    }
}

fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, Wrong> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at - 1]);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let (inside, after) = rest[at + 2..].split_once('}').ok_or(Wrong::Open)?;
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if !is_name(name) {
            return Err(Wrong::NoName(name.into()));
        }
        // As in a shell, `:-` also stands in for a variable that is set and empty.
        let value = variable(name).filter(|value| default.is_none() || !value.is_empty());
        match value.as_deref().or(default) {
            Some(value) => out.push_str(value),
            None => return Err(Wrong::Missing(name.into())),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<String, Wrong> {
        let variable = |name: &str| match name {
            "HOST" => Some("db".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        expand(text, &variable)
    }

    #[test]
    fn variables_are_replaced() {
        for (text, expected) in [
            ("postgres://${HOST}/x", "postgres://db/x"),
            ("${HOST}${HOST}", "dbdb"),
            ("${NONE:-here}", "here"),
            ("${NONE:-}", ""),
            ("${EMPTY}", ""),
            ("${EMPTY:-full}", "full"),
            ("$${HOST} $HOST $", "${HOST} $HOST $"),
            ("$$${HOST}", "$${HOST}"),
        ] {
            assert_eq!(check(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_told() {
        assert_eq!(check("a${NONE}"), Err(Wrong::Missing("NONE".into())));
        assert_eq!(check("${a b}"), Err(Wrong::NoName("a b".into())));
        assert_eq!(check("${HOST"), Err(Wrong::Open));
    }
}
