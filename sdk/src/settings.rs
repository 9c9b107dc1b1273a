//! Settings: from JSON to the plugin's struct, and from the struct to its JSON Schema.

use std::fmt::Write as _;

use schemars::generate::SchemaSettings;
use serde_path_to_error::{Path, Segment};

use crate::{Failure, Plugin, Problem, Result};

/// Reads settings that the host has checked already.
pub fn parse<P: Plugin>(settings: &str) -> Result<P> {
    read(settings).map_err(|problem| {
        Failure::invalid(format!(
            "settings at `{}`: {}",
            problem.pointer, problem.message
        ))
    })
}

/// Every problem with the settings.
pub(crate) fn problems<P: Plugin>(settings: &str) -> Vec<Problem> {
    match read::<P>(settings) {
        Ok(plugin) => plugin.problems(),
        Err(problem) => vec![problem],
    }
}

/// The JSON Schema of the settings, without references to other places in it.
pub(crate) fn schema<P: Plugin>() -> String {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<P>()
        .to_value()
        .to_string()
}

fn read<P: Plugin>(settings: &str) -> Result<P, Problem> {
    let deserializer = &mut serde_json::Deserializer::from_str(settings);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let pointer = pointer(error.path());
        Problem {
            pointer,
            message: without_place(&error.into_inner().to_string()),
        }
    })
}

fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => _ = write!(pointer, "/{index}"),
            Segment::Map { key } => {
                _ = write!(pointer, "/{}", key.replace('~', "~0").replace('/', "~1"));
            }
            // Neither is a place in a JSON text.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// The message without the line and column of a text that the operator never sees.
fn without_place(message: &str) -> String {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(message, _)| message)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    struct Example {
        /// How often.
        #[expect(dead_code, reason = "only read from JSON")]
        max_times: Vec<u32>,
    }

    impl Plugin for Example {
        const SUMMARY: &'static str = "An example.";
    }

    #[test]
    fn a_problem_has_its_place() {
        let settings = json!({ "max-times": [1, "two"] }).to_string();
        let [problem] = &problems::<Example>(&settings)[..] else {
            panic!("one problem")
        };
        assert_eq!(problem.pointer, "/max-times/1");
        assert_eq!(
            problem.message,
            "invalid type: string \"two\", expected u32"
        );
    }

    #[test]
    fn an_unknown_setting_is_a_problem() {
        let settings = json!({ "max-times": [], "min": 1 }).to_string();
        let [problem] = &problems::<Example>(&settings)[..] else {
            panic!("one problem")
        };
        assert_eq!(problem.message, "unknown field `min`, expected `max-times`");
    }

    #[test]
    fn the_schema_has_the_documentation() {
        let schema: Value = serde_json::from_str(&schema::<Example>()).unwrap();
        assert_eq!(
            schema["properties"]["max-times"]["description"],
            "How often."
        );
        assert_eq!(schema["additionalProperties"], false);
    }
}
