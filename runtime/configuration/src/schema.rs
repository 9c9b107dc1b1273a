//! The JSON Schema of the whole file: the one that files are checked against, made from the
//! documented types, and the one for editors, with the settings of the plugins in it.

use std::sync::LazyLock;

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    contents::Contents,
    plugin::Kind,
    secret::{ENVIRONMENT, EnvironmentSecrets, FILE, FileSecrets, SecretReference},
    structure::format::Format,
};

/// The settings of a plugin, for [`schema`].
#[derive(Clone, Copy, Debug)]
pub struct PluginSchema<'a> {
    /// What it is there for.
    pub kind: Kind,
    /// What `use = "…"` says.
    pub name: &'a str,
    /// The JSON Schema of its settings.
    pub settings: &'a Value,
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

/// What files are checked against. Its formats are the host's own.
pub(crate) fn internal() -> &'static Value {
    // Made from types, so always the same; every section of a file is held against it.
    static SCHEMA: LazyLock<Value> =
        LazyLock::new(|| generator().into_root_schema_for::<Contents>().to_value());
    &SCHEMA
}

/// What `{ secret = "NAME" }` is checked against.
pub(crate) fn secret_reference() -> Value {
    generator()
        .into_root_schema_for::<SecretReference>()
        .to_value()
}

/// What the sources of secrets are checked against that come with the program.
pub(crate) fn secret_source(name: &str) -> Option<Value> {
    match name {
        ENVIRONMENT => Some(
            generator()
                .into_root_schema_for::<EnvironmentSecrets>()
                .to_value(),
        ),
        FILE => Some(generator().into_root_schema_for::<FileSecrets>().to_value()),
        _ => None,
    }
}

/// The schema of one item of a section that uses plugins of a kind.
pub(crate) fn section(schema: &Value, kind: Kind) -> Option<&Value> {
    let property = schema.get("properties")?.get(kind.section())?;
    let item = property.get("items").unwrap_or(property);
    let nullable = |options: &'_ Value| -> Option<usize> {
        options
            .as_array()?
            .iter()
            .position(|option| option.get("$ref").is_some())
    };
    let item = match item.get("anyOf") {
        Some(options) => options.get(nullable(options)?)?,
        None => item,
    };
    match item.get("$ref").and_then(Value::as_str) {
        Some(reference) => schema.pointer(reference.strip_prefix('#')?),
        None => Some(item),
    }
}

/// The keys of a section that uses plugins of a kind which are the host's, `use` among them.
pub(crate) fn host_keys(schema: &Value, kind: Kind) -> Vec<&str> {
    let properties = section(schema, kind).and_then(|section| section.get("properties"));
    properties
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::keys)
        .map(String::as_str)
        .collect()
}

/// The JSON Schema (draft 2020-12) of the whole file, for editors, with the settings of these
/// plugins in the sections that use them.
pub fn schema(plugins: &[PluginSchema<'_>]) -> Value {
    let internal = internal();
    let environment = secret_source(ENVIRONMENT).unwrap_or_default();
    let file = secret_source(FILE).unwrap_or_default();
    let mut plugins = plugins.to_vec();
    for (name, settings) in [(ENVIRONMENT, &environment), (FILE, &file)] {
        plugins.push(PluginSchema {
            kind: Kind::SecretSource,
            name,
            settings,
        });
    }
    let mut schema = internal.clone();
    for kind in Kind::ALL {
        let of_kind: Vec<_> = plugins
            .iter()
            .filter(|plugin| plugin.kind == kind)
            .collect();
        let Some(section) = section(internal, kind) else {
            continue;
        };
        place(&mut schema, kind, with_plugins(section, &of_kind));
    }
    schema["$defs"]["SecretReference"] = secret_reference();
    for plugin in &plugins {
        for (name, definition) in definitions(plugin.settings) {
            let definition = adopt(definition, plugin);
            schema["$defs"][definition_name(plugin, name)] = definition;
        }
    }
    partial(&mut schema);
    for_editors(&mut schema);
    schema
}

/// Puts the schema of a kind's section where the section is.
fn place(schema: &mut Value, kind: Kind, section: Value) {
    let property = &mut schema["properties"][kind.section()];
    if kind == Kind::SecretSource {
        // One table, or a list of them.
        let description = property.get("description").cloned();
        let list = json!({ "type": "array", "items": section });
        *property = json!({ "anyOf": [section, list], "description": description });
    } else if property.get("items").is_some() {
        property["items"] = section;
    } else {
        let description = property.get("description").cloned();
        *property = section;
        if let Some(description) = description {
            property["description"] = description;
        }
    }
}

/// A section's schema with the settings of each plugin, where it is the one in use.
fn with_plugins(section: &Value, plugins: &[&PluginSchema<'_>]) -> Value {
    let mut section = section.clone();
    let names: Vec<_> = plugins.iter().map(|plugin| plugin.name).collect();
    let known = json!([{ "enum": names }, { "type": "string" }]);
    section["properties"]["use"]["anyOf"] = known;
    let own: Map<String, Value> = section["properties"]
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .map(|key| (key.clone(), Value::Bool(true)))
        .collect();
    let cases = plugins.iter().map(|plugin| {
        let mut settings = adopt(plugin.settings, plugin);
        if let Some(settings) = settings.as_object_mut() {
            for key in ["$schema", "$defs", "title", "description", "required"] {
                // What is required may stand in `[sources]`, or in a file that this one extends.
                settings.remove(key);
            }
            let properties = settings.entry("properties").or_insert_with(|| json!({}));
            if let Some(properties) = properties.as_object_mut() {
                properties.extend(own.clone());
            }
        }
        let chosen =
            json!({ "properties": { "use": { "const": plugin.name } }, "required": ["use"] });
        json!({ "if": chosen, "then": settings })
    });
    let cases: Vec<Value> = cases.collect();
    if !cases.is_empty() {
        section["allOf"] = cases.into();
    }
    section
}

fn definitions(settings: &Value) -> impl Iterator<Item = (&String, &Value)> {
    settings
        .get("$defs")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

fn definition_name(plugin: &PluginSchema<'_>, name: &str) -> String {
    format!("{}.{}.{name}", plugin.kind.section(), plugin.name)
}

/// A part of a plugin's schema as it stands in ours: its references lead to its definitions here,
/// and a secret may stand where a text may.
fn adopt(schema: &Value, plugin: &PluginSchema<'_>) -> Value {
    match schema {
        Value::Object(entries) => {
            let mut adopted: Map<String, Value> = entries
                .iter()
                .map(|(key, value)| (key.clone(), adopt(value, plugin)))
                .collect();
            let reference = entries.get("$ref").and_then(Value::as_str);
            if let Some(name) = reference.and_then(|reference| reference.strip_prefix("#/$defs/")) {
                adopted["$ref"] = format!("#/$defs/{}", definition_name(plugin, name)).into();
            }
            let fixed = ["enum", "const"]
                .iter()
                .any(|key| entries.contains_key(*key));
            if entries.get("type").and_then(Value::as_str) == Some("string") && !fixed {
                return text_or_secret(adopted);
            }
            adopted.into()
        }
        Value::Array(items) => items.iter().map(|item| adopt(item, plugin)).collect(),
        other => other.clone(),
    }
}

fn text_or_secret(mut text: Map<String, Value>) -> Value {
    let mut out = Map::new();
    for key in ["title", "description", "default", "examples"] {
        out.extend(text.remove_entry(key));
    }
    out.insert(
        "anyOf".into(),
        json!([text, { "$ref": "#/$defs/SecretReference" }]),
    );
    out.into()
}

/// Lifts what is required of tables: the file that this one extends may have it. Items of lists
/// stay as they are, since a list is replaced as a whole.
fn partial(schema: &mut Value) {
    let required = schema
        .as_object_mut()
        .and_then(|schema| schema.remove("required"));
    schema["anyOf"] = json!([{ "required": ["extends"] }, { "required": required }]);
    let properties = schema["properties"].as_object_mut();
    let tables: Vec<String> = properties
        .into_iter()
        .flat_map(|properties| properties.values_mut())
        .filter_map(|property| {
            let table = property
                .as_object_mut()
                .filter(|table| !table.contains_key("items"))?;
            table.remove("required");
            Some(
                table
                    .get("$ref")?
                    .as_str()?
                    .strip_prefix("#/$defs/")?
                    .to_owned(),
            )
        })
        .collect();
    for name in tables {
        if let Some(definition) = schema["$defs"][name].as_object_mut() {
            definition.remove("required");
        }
    }
}

/// Replaces the host's own formats by patterns, which editors know.
fn for_editors(schema: &mut Value) {
    match schema {
        Value::Object(entries) => {
            let format = entries
                .get("format")
                .and_then(Value::as_str)
                .and_then(Format::named);
            if let Some(format) = format {
                entries.remove("format");
                entries.extend(
                    format
                        .pattern()
                        .map(|pattern| ("pattern".to_owned(), pattern)),
                );
            }
            entries.values_mut().for_each(for_editors);
        }
        Value::Array(items) => items.iter_mut().for_each(for_editors),
        _ => {}
    }
}
