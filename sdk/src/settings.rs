//! Settings: from JSON to the plugin's struct, and from the struct to its JSON Schema.

use std::fmt;

use schemars::generate::SchemaSettings;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{Failure, Plugin, Problem, Result};

/// Reads settings that the host has checked already. The first thing that every call does.
pub fn parse<P: Plugin>(settings: &str) -> Result<P> {
    #[cfg(target_arch = "wasm32")]
    tell_panics();
    serde_json::from_str(settings).map_err(|error| {
        Failure::invalid(format!("the settings of the plugin: {}", message(&error)))
    })
}

/// Has a panic say why in the log: without it the host sees an `unreachable` and nothing else.
#[cfg(target_arch = "wasm32")]
fn tell_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            crate::logs::write(crate::logs::Level::Error, &panic.to_string(), &[]);
        }));
    });
}

/// Every problem with the settings.
pub(crate) fn problems<P: Plugin>(settings: &str) -> Vec<Problem> {
    match serde_json::from_str::<P>(settings) {
        Ok(plugin) => plugin.problems(),
        Err(error) => {
            let message = message(&error);
            let pointer = guilty::<P>(settings, &message).unwrap_or_default();
            vec![Problem { pointer, message }]
        }
    }
}

/// The setting without which the problem would not be there.
///
/// The host's check by the schema has found most problems, each with its exact place, before
/// this is asked; a deserializer that keeps track of places would be a third of a plugin.
fn guilty<P: Plugin>(settings: &str, problem: &str) -> Option<String> {
    if problem.starts_with("missing field") {
        return None;
    }
    let Settings(all) = serde_json::from_str(settings).ok()?;
    let is_guilty = |guilty: &usize| {
        let mut others = String::from("{");
        for (_, (name, value)) in all.iter().enumerate().filter(|(place, _)| place != guilty) {
            if others.len() > 1 {
                others.push(',');
            }
            others.push('"');
            others.push_str(name);
            others.push_str("\":");
            others.push_str(value.get());
        }
        others.push('}');
        let without = serde_json::from_str::<P>(&others);
        without.map_or_else(|error| message(&error) != problem, |_| true)
    };
    let (name, _) = all[(0..all.len()).find(is_guilty)?];
    Some(format!("/{}", name.replace('~', "~0").replace('/', "~1")))
}

/// The settings one by one, as they are written. Names with escapes in them do not read.
struct Settings<'a>(Vec<(&'a str, &'a RawValue)>);

impl<'a> Deserialize<'a> for Settings<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'a> Visitor<'a> for Entries {
            type Value = Settings<'a>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("settings")
            }

            fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Settings<'a>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Settings(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// The message without the line and column of a text that the operator never sees.
fn message(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(message, _)| message)
        .to_owned()
}

/// The JSON Schema of the settings, without references to other places in it.
pub(crate) fn schema<P: Plugin>() -> serde_json::Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<P>()
        .to_value()
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde_json::json;

    use super::*;
    use crate::Duration;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    #[expect(dead_code, reason = "only read from JSON")]
    struct Example {
        /// How often.
        max_times: Vec<u32>,
        /// How long.
        how_long: Duration,
    }

    impl Plugin for Example {
        const SUMMARY: &'static str = "An example.";
    }

    #[test]
    fn a_problem_has_its_place() {
        for (settings, pointer, message) in [
            (
                json!({ "how-long": "5m", "max-times": [1, "two"] }),
                "/max-times",
                "invalid type: string \"two\", expected u32",
            ),
            (
                json!({ "how-long": "soon", "max-times": [1] }),
                "/how-long",
                "`soon` is not a span of time; write it like `250ms`, `30s`, `5m` or `1h30m`",
            ),
            (
                json!({ "how-long": "5m", "max-times": [], "a/b": 1 }),
                "/a~1b",
                "unknown field `a/b`, expected `max-times` or `how-long`",
            ),
            (json!({ "how-long": "5m" }), "", "missing field `max-times`"),
        ] {
            let [problem] = &problems::<Example>(&settings.to_string())[..] else {
                panic!("{settings} has one problem")
            };
            assert_eq!((&*problem.pointer, &*problem.message), (pointer, message));
        }
    }

    #[test]
    fn the_schema_has_the_documentation() {
        let schema = schema::<Example>();
        assert_eq!(
            schema["properties"]["max-times"]["description"],
            "How often."
        );
        assert_eq!(schema["additionalProperties"], false);
    }
}
