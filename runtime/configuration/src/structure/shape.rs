//! What a JSON Schema says of a value, as far as it is understood here.

use serde_json::Value;

use super::format::Format;
use crate::tree::{Kind, Node};

pub(super) fn format_of(schema: &Value) -> Option<&'static Format> {
    Format::named(schema.get("format")?.as_str()?)
}

/// The ways that a value may be written, without null.
pub(super) fn alternatives(schema: &Value) -> Option<Vec<&Value>> {
    let options = schema
        .get("anyOf")
        .or_else(|| schema.get("oneOf"))?
        .as_array()?;
    let null = |option: &&Value| option.get("type").and_then(Value::as_str) == Some("null");
    Some(options.iter().filter(|option| !null(option)).collect())
}

/// The types that a schema names; none where it leaves them open.
pub(super) fn types(schema: &Value) -> Option<Vec<&str>> {
    match schema.get("type")? {
        Value::String(only) => Some(vec![only]),
        Value::Array(all) => Some(all.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

pub(super) fn has_type(node: &Node, schema: &Value) -> bool {
    let Some(types) = types(schema) else {
        return true;
    };
    types.iter().any(|name| match &node.kind {
        Kind::Text(_) | Kind::Date(_) => *name == "string",
        Kind::Integer(_) => matches!(*name, "integer" | "number"),
        Kind::Float(_) => *name == "number",
        Kind::Boolean(_) => *name == "boolean",
        Kind::List(_) => *name == "array",
        Kind::Table(_) => *name == "object",
    })
}
