//! Settings: that the good are taken and the wrong told at their place, and that none of them
//! breaks the plugin. Where its author gives none, some are made up from its schema.

use host::{Plugin, SettingsProblem};
use serde_json::{Map, Value, json};

use crate::case::Cases;

const GROUP: &str = "settings";

/// A name that no plugin has a setting of.
const UNKNOWN: &str = "no-such-setting-of-the-kit";

/// How deep a schema is followed.
const DEPTH_MAX: usize = 8;

/// Gives back the settings to go on with; none where there are none.
pub(crate) async fn examine(
    plugin: &Plugin,
    given: Option<&Value>,
    cases: &mut Cases,
) -> Option<Value> {
    let schema = &plugin.description().settings_schema;
    let settings = given
        .cloned()
        .unwrap_or_else(|| made_up(schema, schema, "", 0));
    let wrong = match plugin.check(&settings).await {
        Ok(problems) => problems.iter().map(told).collect(),
        Err(failure) => vec![failure.message],
    };
    let accepted = wrong.is_empty();
    match given {
        Some(_) => cases.tried(GROUP, "the settings given are accepted", wrong),
        None if accepted => cases.tried(
            GROUP,
            "settings made up from its schema are accepted",
            wrong,
        ),
        None => {
            let why = format!(
                "it wants others than those made up from its schema ({settings}); give some with \
                 `--settings FILE` or `--set KEY=VALUE`: {}",
                wrong.join("; ")
            );
            cases.skipped(GROUP, "settings made up from its schema are accepted", why);
        }
    }
    unknown(plugin, &settings, cases).await;
    offered(plugin, &settings, cases).await;
    odd(plugin, &settings, cases).await;
    accepted.then_some(settings)
}

fn told(problem: &SettingsProblem) -> String {
    format!("`{}`: {}", problem.pointer, problem.message)
}

async fn unknown(plugin: &Plugin, settings: &Value, cases: &mut Cases) {
    let place = format!("/{UNKNOWN}");
    let wrong = match plugin.check(&with(settings, UNKNOWN, json!(true))).await {
        Ok(problems) if problems.iter().any(|problem| problem.pointer == place) => Vec::new(),
        Ok(_) => vec![
            "it takes any; a schema with `additionalProperties: false` finds slips of the pen"
                .to_owned(),
        ],
        Err(failure) => vec![failure.message],
    };
    cases.tried(
        GROUP,
        "a setting that there is not is told at its place",
        wrong,
    );
}

/// What the schema itself offers as defaults and examples.
async fn offered(plugin: &Plugin, settings: &Value, cases: &mut Cases) {
    let schema = &plugin.description().settings_schema;
    let mut wrong = Vec::new();
    for (name, property) in properties(schema) {
        let default = property.get("default").filter(|default| !default.is_null());
        let examples = property["examples"].as_array().into_iter().flatten();
        for value in default.into_iter().chain(examples) {
            let place = format!("/{name}");
            match plugin.check(&with(settings, name, value.clone())).await {
                Ok(problems) => {
                    let of_it = problems.iter().filter(|problem| problem.pointer == place);
                    wrong.extend(of_it.map(|problem| format!("{value} at {}", told(problem))));
                }
                Err(failure) => wrong.push(failure.message),
            }
        }
    }
    cases.tried(
        GROUP,
        "what its schema offers as default or example is accepted",
        wrong,
    );
}

/// Values that are seldom thought of, in the place of each setting.
async fn odd(plugin: &Plugin, settings: &Value, cases: &mut Cases) {
    let schema = &plugin.description().settings_schema;
    let mut wrong = Vec::new();
    let mut try_out = async |name: &str, settings: &Value| {
        let (one, two) = (plugin.check(settings).await, plugin.check(settings).await);
        match (one, two) {
            (Ok(one), Ok(two)) if one == two => {}
            (Ok(_), Ok(_)) => wrong.push(format!("`/{name}`: not the same said twice")),
            (Err(failure), _) | (_, Err(failure)) => {
                wrong.push(format!("`/{name}`: {}", failure.message));
            }
        }
    };
    for whole in [json!({}), json!(null), json!([]), json!("text")] {
        try_out("", &whole).await;
    }
    for (name, _) in properties(schema) {
        for value in oddities() {
            try_out(name, &with(settings, name, value)).await;
        }
    }
    cases.tried(
        GROUP,
        "odd settings do not break it, and are judged the same each time",
        wrong,
    );
}

fn oddities() -> Vec<Value> {
    let deep = (0..64).fold(json!(1), |inner, _| json!([inner]));
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e308),
        json!(0.1),
        json!(""),
        json!(" "),
        json!("\u{0}"),
        json!("\u{202e}\u{1f680}{{{}}} %s $(x) `x` ../.. \r\n"),
        json!("{"),
        json!("99999999999999999999d"),
        json!("/"),
        json!("http://[::1"),
        json!("x".repeat(100_000)),
        json!([]),
        json!([null]),
        json!([""]),
        json!({}),
        json!({ "": null }),
        deep,
    ]
}

fn with(settings: &Value, name: &str, value: Value) -> Value {
    let mut settings = settings.as_object().cloned().unwrap_or_default();
    settings.insert(name.to_owned(), value);
    Value::Object(settings)
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

/// The least settings that a schema allows, with texts that look like what their names say.
fn made_up(root: &Value, schema: &Value, name: &str, depth: usize) -> Value {
    let reference = schema["$ref"]
        .as_str()
        .and_then(|text| text.strip_prefix('#'));
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(known) = reference.and_then(|pointer| root.pointer(pointer)) {
        return made_up(root, known, name, depth + 1);
    }
    let first = |key: &str| schema[key].as_array().and_then(|list| list.first());
    let ready = [schema.get("const"), first("examples"), first("enum")];
    if let Some(value) = ready.into_iter().flatten().next() {
        return value.clone();
    }
    if let Some(one) = first("oneOf").or_else(|| first("anyOf")) {
        return made_up(root, one, name, depth + 1);
    }
    let kind = schema["type"]
        .as_str()
        .or_else(|| first("type").and_then(Value::as_str));
    match kind {
        Some("boolean") => json!(false),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("array") => {
            let item = made_up(root, &schema["items"], name, depth + 1);
            json!([item])
        }
        Some("string") => json!(text(name)),
        _ => {
            let wanted = schema["required"].as_array().into_iter().flatten();
            let names = wanted.filter_map(Value::as_str);
            let of = |name: &str| {
                let value = made_up(root, &schema["properties"][name], name, depth + 1);
                (name.to_owned(), value)
            };
            Value::Object(names.map(of).collect::<Map<_, _>>())
        }
    }
}

fn text(name: &str) -> &'static str {
    let about = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if about(&["url", "uri", "endpoint", "server"]) {
        "https://kit.example.com/hook"
    } else if about(&["file", "path"]) {
        "/srv/kit/file"
    } else if about(&["root", "directory", "folder"]) {
        "/srv/kit"
    } else if about(&["address", "listen"]) {
        "192.0.2.1:8080"
    } else {
        "kit"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_is_made_up() {
        let schema = json!({
            "type": "object",
            "required": ["webhook-url", "level", "run", "mode", "limit"],
            "properties": {
                "webhook-url": { "type": "string" },
                "level": { "type": "integer", "minimum": 3 },
                "run": { "type": "array", "items": { "type": "string" } },
                "mode": { "$ref": "#/$defs/Mode" },
                "limit": { "type": ["string", "null"], "examples": ["5m"] },
                "more": { "type": "string" },
            },
            "$defs": { "Mode": { "oneOf": [{ "const": "fast" }, { "const": "slow" }] } },
        });
        let expected = json!({
            "webhook-url": "https://kit.example.com/hook",
            "level": 3,
            "run": ["kit"],
            "mode": "fast",
            "limit": "5m",
        });
        assert_eq!(made_up(&schema, &schema, "", 0), expected);
    }
}
