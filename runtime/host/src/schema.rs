//! Settings against a plugin's JSON Schema.

use serde_json::Value;

use crate::plugin::SettingsProblem;

/// Problems that are told at once: more help nobody.
const PROBLEMS_MAX: usize = 50;

/// A compiled schema.
pub(crate) struct Validator(jsonschema::Validator);

impl Validator {
    /// Compiles a schema; the error says what is wrong with it.
    pub(crate) fn new(schema: &Value) -> Result<Self, String> {
        jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(false)
            .build(schema)
            .map(Self)
            .map_err(|error| {
                format!(
                    "its settings schema is no JSON Schema: {error} (at `{}`)",
                    error.instance_path()
                )
            })
    }

    /// What is wrong with these settings, by place.
    pub(crate) fn problems(&self, settings: &Value) -> Vec<SettingsProblem> {
        self.0
            .iter_errors(settings)
            .take(PROBLEMS_MAX)
            .map(|error| SettingsProblem {
                pointer: error.instance_path().to_string(),
                message: error.to_string(),
            })
            .collect()
    }
}
