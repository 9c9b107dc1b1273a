//! Settings against a plugin's JSON Schema, with problems in the words of a configuration.

use jsonschema::{ValidationError, error::ValidationErrorKind};
use serde_json::Value;

use crate::{plugin::SettingsProblem, secret};

/// Problems that are told at once: more help nobody.
const PROBLEMS_MAX: usize = 50;

/// How many slips a name may have in it, for every so many of its letters, to be known still.
const LETTERS_PER_SLIP: usize = 3;

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
                let place = error.instance_path();
                format!("its settings schema is no JSON Schema: {error} (at `{place}`)")
            })
    }

    /// What is wrong with these settings, by place.
    pub(crate) fn problems(&self, schema: &Value, settings: &Value) -> Vec<SettingsProblem> {
        self.0
            .iter_errors(settings)
            .filter(|error| !is_about_a_secret(error))
            .flat_map(|error| told(schema, settings, &error))
            .take(PROBLEMS_MAX)
            .collect()
    }
}

/// A placeholder stands for a value that is not known here; only that it is a text is.
fn is_about_a_secret(error: &ValidationError<'_>) -> bool {
    let placeholder = error
        .instance()
        .as_str()
        .is_some_and(secret::is_placeholder);
    placeholder && !matches!(error.kind(), ValidationErrorKind::Type { .. })
}

fn told(schema: &Value, settings: &Value, error: &ValidationError<'_>) -> Vec<SettingsProblem> {
    let pointer = error.instance_path().to_string();
    let one = |message: String| {
        vec![SettingsProblem {
            pointer: pointer.clone(),
            message,
        }]
    };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let known = known(schema, error);
            let problem = |name: &String| SettingsProblem {
                pointer: format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")),
                message: unknown(name, &known),
            };
            unexpected.iter().map(problem).collect()
        }
        // Where no name at all is known, it is told of the object, without the names.
        ValidationErrorKind::FalseSchema
            if error
                .schema_path()
                .to_string()
                .ends_with("/additionalProperties") =>
        {
            let object = settings.pointer(&pointer).and_then(Value::as_object);
            let names = object.into_iter().flat_map(|object| object.keys());
            let problem = |name: &String| SettingsProblem {
                pointer: format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")),
                message: unknown(name, &[]),
            };
            names.map(problem).collect()
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            one(format!(
                "`{name}` is missing{}",
                described(schema, error, Some(name))
            ))
        }
        ValidationErrorKind::Pattern { .. } => {
            let hint = described(schema, error, None);
            if hint.is_empty() {
                return one(error.to_string());
            }
            one(format!(
                "{} is not what is wanted here{hint}",
                error.instance()
            ))
        }
        ValidationErrorKind::Enum { options } => {
            let options: Vec<String> = options
                .as_array()
                .into_iter()
                .flatten()
                .map(Value::to_string)
                .collect();
            one(format!(
                "{} is none of {}",
                error.instance(),
                options.join(", ")
            ))
        }
        ValidationErrorKind::MinItems { limit: 1 } => one("the list is empty".to_owned()),
        ValidationErrorKind::MinLength { limit: 1 } => one("the text is empty".to_owned()),
        _ => one(error.to_string()),
    }
}

fn unknown(name: &str, known: &[String]) -> String {
    let slips = |each: &&String| strsim::damerau_levenshtein(each, name);
    let nearest = known.iter().min_by_key(slips);
    let slips_max = name.chars().count() / LETTERS_PER_SLIP;
    match nearest.filter(|nearest| slips(nearest) <= slips_max) {
        Some(nearest) => format!("`{name}` is not known here; did you mean `{nearest}`?"),
        None if known.is_empty() => format!("`{name}` is not known here"),
        None => {
            let names: Vec<String> = known.iter().map(|each| format!("`{each}`")).collect();
            format!("`{name}` is not known here; there is {}", names.join(", "))
        }
    }
}

/// The names that an object may have, by the schema around the keyword that complains.
fn known(schema: &Value, error: &ValidationError<'_>) -> Vec<String> {
    let properties = around(schema, error).and_then(|around| around.get("properties")?.as_object());
    properties
        .into_iter()
        .flat_map(|each| each.keys().cloned())
        .collect()
}

/// What the schema says of the value, or of one of its properties: `: ` and its first sentence.
fn described(schema: &Value, error: &ValidationError<'_>, property: Option<&str>) -> String {
    let around = around(schema, error);
    let described = match property {
        Some(name) => around.and_then(|around| around.get("properties")?.get(name)),
        None => around,
    };
    let text = described
        .and_then(|each| each.get("description")?.as_str())
        .unwrap_or_default();
    let first = text
        .split("\n\n")
        .next()
        .unwrap_or_default()
        .replace('\n', " ");
    let first = first
        .split_inclusive(". ")
        .next()
        .unwrap_or_default()
        .trim()
        .trim_end_matches('.');
    if first.is_empty() {
        String::new()
    } else {
        format!(": {first}")
    }
}

fn around<'a>(schema: &'a Value, error: &ValidationError<'_>) -> Option<&'a Value> {
    let path = error.evaluation_path().to_string();
    let direct = error.schema_path().to_string();
    // The first goes through `$ref`, the second to where it leads.
    [direct, path]
        .iter()
        .find_map(|path| schema.pointer(path.rsplit_once('/')?.0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_name_has_its_place_also_where_none_is_known() {
        for schema in [
            json!({ "type": "object", "additionalProperties": false }),
            json!({ "additionalProperties": false, "properties": { "b": {} } }),
        ] {
            let validator = Validator::new(&schema).unwrap();
            let problems = validator.problems(&schema, &json!({ "a/b": 1 }));
            assert_eq!(problems.len(), 1, "{schema}");
            assert_eq!(problems[0].pointer, "/a~1b", "{schema}");
        }
    }
}
