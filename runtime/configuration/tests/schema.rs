//! The schema for editors: takes what is right, refuses what is wrong, and knows the settings of
//! the plugins.

#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::{fs, path::Path};

use configuration::{Kind, PluginSchema, schema};
use jsonschema::Validator;
use serde_json::{Value, json};

fn validator(plugins: &[PluginSchema<'_>]) -> Validator {
    let schema = schema(plugins);
    jsonschema::draft202012::meta::validate(&schema).unwrap_or_else(|error| panic!("{error}"));
    jsonschema::draft202012::new(&schema).unwrap()
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn here(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn what_is_valid_is_valid_for_editors() {
    let validator = validator(&[]);
    let mut count = 0;
    for directory in [here("tests/valid"), here("../../config")] {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // What others extend is no whole configuration; `set` needs its overrides.
            let partial = name == "base.toml" || name.contains(".part.") || name == "set.toml";
            if !name.ends_with(".toml") || partial {
                continue;
            }
            let value = read(&path);
            let errors: Vec<_> = validator
                .iter_errors(&value)
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{name}: {errors:?}");
            count += 1;
        }
    }
    assert!(count >= 8, "only {count} files were found");
}

#[test]
fn mistakes_are_seen_in_editors() {
    let validator = validator(&[]);
    for name in [
        "unknown-section",
        "unknown-key",
        "unknown-key-in-target",
        "missing-application",
        "missing-strategy",
        "wrong-type-number",
        "wrong-type-list",
        "wrong-type-table",
        "wrong-duration",
        "wrong-size",
        "wrong-name",
        "wrong-digest",
        "no-targets",
        "unknown-point",
        "unknown-event",
        "unknown-grant",
        "password-in-the-clear",
        "unknown-key-of-secrets",
        "percent-out-of-range",
    ] {
        let value = read(&here(&format!("tests/invalid/{name}.toml")));
        assert!(!validator.is_valid(&value), "{name}");
    }
}

#[test]
fn the_settings_of_a_plugin_count_where_it_is_used() {
    let canary = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "stages": { "type": "array", "items": { "$ref": "#/$defs/Percent" } },
            "first": { "type": "integer" },
        },
        "required": ["stages"],
        "additionalProperties": false,
        "$defs": { "Percent": { "type": "number", "maximum": 100 } },
    });
    let slack = json!({
        "type": "object",
        "properties": { "webhook-url": { "type": "string" }, "mood": { "enum": ["good", "bad"] } },
        "required": ["webhook-url"],
        "additionalProperties": false,
    });
    let validator = validator(&[
        PluginSchema {
            kind: Kind::Strategy,
            name: "canary",
            settings: &canary,
        },
        PluginSchema {
            kind: Kind::Notifier,
            name: "slack",
            settings: &slack,
        },
    ]);
    let check = |strategy: Value, notifier: Value| {
        let mut value = read(&here("tests/valid/minimal.toml"));
        value["strategy"] = strategy;
        value["notifiers"] = json!([notifier]);
        validator.is_valid(&value)
    };
    let strategy = json!({ "use": "canary", "stages": [10, 50] });
    let notifier = json!({ "use": "slack", "on": ["failed"], "webhook-url": "https://x" });
    let secret = json!({ "use": "slack", "retries": 1, "webhook-url": { "secret": "X" } });
    assert!(check(strategy.clone(), notifier.clone()));
    assert!(check(strategy.clone(), secret));
    assert!(check(
        json!({ "use": "another", "anything": 1 }),
        notifier.clone()
    ));
    for wrong in [
        json!({ "use": "canary", "stages": [10, 500] }),
        json!({ "use": "canary", "stages": 10 }),
        json!({ "use": "canary", "stages": [], "soak": "5s" }),
        json!({ "use": "canary", "stages": [], "first": { "secret": "X" } }),
    ] {
        let shown = wrong.to_string();
        assert!(!check(wrong, notifier.clone()), "{shown}");
    }
    for wrong in [
        json!({ "use": "slack", "webhook-url": "https://x", "mood": "fair" }),
        json!({ "use": "slack", "webhook-url": { "secret": 5 } }),
        json!({ "use": "slack", "webhok-url": "https://x" }),
        json!({ "use": "slack", "on": ["never"] }),
    ] {
        let shown = wrong.to_string();
        assert!(!check(strategy.clone(), wrong), "{shown}");
    }
}
