//! The words for mistakes: what was expected, what was found, what was meant.

use serde_json::{Map, Value};

use super::shape::types;
use crate::{
    nearest::suggestion,
    problem::Problem,
    tree::{Kind, Node},
};

/// What to do where the value is right and only its form is wrong.
pub(super) fn rewritten(node: &Node, schema: &Value, name: &str) -> Option<String> {
    let takes = |name| types(schema).is_some_and(|types| types.contains(&name));
    match &node.kind {
        Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_) if takes("string") => {
            let text = node.place.source.text.get(node.place.span.clone())?;
            Some(format!("write it in quotes: `\"{text}\"`"))
        }
        Kind::Text(text) if takes("object") => {
            schema.get("properties")?.get("use")?;
            Some(format!(
                "write a section `[{name}]` with `use = \"{text}\"`"
            ))
        }
        Kind::Text(text) => {
            let without = (takes("boolean") && text.parse::<bool>().is_ok())
                || (takes("integer") && text.parse::<i64>().is_ok())
                || (takes("number") && text.parse::<f64>().is_ok_and(f64::is_finite));
            without.then(|| format!("write it without quotes: `{text}`"))
        }
        Kind::Table(_) if takes("array") => {
            Some(format!("write `[[{name}]]`: there can be several"))
        }
        Kind::List(_) if takes("object") => {
            Some(format!("write `[{name}]`: there can be one only"))
        }
        _ => None,
    }
}

pub(super) fn unknown_key(
    key: &str,
    section: &str,
    node: &Node,
    properties: Option<&Map<String, Value>>,
) -> Problem {
    let noun = match (section, &node.kind) {
        ("", Kind::Table(_)) => "section",
        _ => "key",
    };
    let problem = Problem::new("unknown-key", format!("unknown {noun} `{key}`"));
    let known: Vec<&str> = properties
        .into_iter()
        .flat_map(Map::keys)
        .map(String::as_str)
        .collect();
    match suggestion(key, &known) {
        Some(help) => problem.help(help),
        None => problem,
    }
}

pub(super) fn type_name(name: &str) -> Option<&'static str> {
    match name {
        "string" => Some("a text"),
        "integer" => Some("a whole number"),
        "number" => Some("a number"),
        "boolean" => Some("true or false"),
        "array" => Some("a list"),
        "object" => Some("a table"),
        _ => None,
    }
}
