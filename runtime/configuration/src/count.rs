//! So many targets, or so many percent of them: `2`, `"50%"`.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A number of targets, or a part of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Count {
    /// So many.
    Number(u32),
    /// So many percent, from 0 to 100.
    Percent(f64),
}

/// What is wrong with a text that should be a part of a whole.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NotACount {
    /// It is none.
    #[error("`{0}` is not a number of targets: write it like `2` or `\"50%\"`")]
    Unreadable(String),
    /// It is one, and out of range.
    #[error("{0} % is not between 0 and 100 %")]
    OutOfRange(f64),
}

impl Count {
    /// Reads the text form, `"50%"`.
    ///
    /// # Errors
    /// Where it is no percentage, or not between 0 and 100.
    pub fn percent(text: &str) -> Result<Self, NotACount> {
        let number = text.strip_suffix('%').map(str::trim_end);
        let number: Option<f64> = number
            .filter(|number| number.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
            .and_then(|number| number.parse().ok());
        let percent = number.ok_or_else(|| NotACount::Unreadable(text.into()))?;
        if (0.0..=100.0).contains(&percent) {
            Ok(Self::Percent(percent))
        } else {
            Err(NotACount::OutOfRange(percent))
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number, or a percentage such as \"50%\""
)]
enum Written {
    Number(u32),
    Text(String),
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Self::Number(number)),
            Written::Text(text) => Self::percent(&text).map_err(D::Error::custom),
        }
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl JsonSchema for Count {
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"], "format": "count",
            "minimum": 0, "maximum": u32::MAX,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json, to_value};

    use super::*;

    #[test]
    fn a_count_is_a_number_or_a_percentage() {
        let check = |value: Value, count: Count| {
            assert_eq!(from_value::<Count>(value.clone()).unwrap(), count);
            assert_eq!(to_value(count).unwrap(), value);
        };
        check(json!(2), Count::Number(2));
        check(json!("50%"), Count::Percent(50.0));
        check(json!("12.5%"), Count::Percent(12.5));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for wrong in [
            json!(1.5),
            json!(-1),
            json!("101%"),
            json!("-1%"),
            json!("50"),
            json!("nan%"),
            json!(null),
        ] {
            assert!(from_value::<Count>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
