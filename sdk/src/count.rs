//! Parts of a whole as an operator writes them: `25`, `"25%"`, `3`.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

/// A percentage from 0 to 100; in JSON a number, or a text such as `25%`.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Percent(pub f64);

/// So many of something, or so many percent of all; in JSON `3` or `25%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Count {
    /// So many.
    Number(u32),
    /// So many percent.
    Percent(f64),
}

impl Count {
    /// How many of `total` that is, a percentage rounded down; at least one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a part of a count of targets, which is far below 2^52"
    )]
    pub fn of(self, total: usize) -> usize {
        let count = match self {
            Self::Number(number) => number as usize,
            Self::Percent(percent) => (total as f64 * percent / 100.0).floor() as usize,
        };
        count.max(1)
    }
}

fn percentage(text: &str) -> Result<f64, String> {
    let number = text
        .strip_suffix('%')
        .and_then(|number| number.trim().parse().ok());
    within(number.ok_or_else(|| format!("`{text}` is not a percentage; write it like `25%`"))?)
}

fn within(percent: f64) -> Result<f64, String> {
    if (0.0..=100.0).contains(&percent) {
        Ok(percent)
    } else {
        Err(format!("{percent} is not between 0 and 100 percent"))
    }
}

/// Reads what `T` can be made of: a number, or a text.
struct Written<T>(PhantomData<T>);

trait FromWritten: Sized {
    fn number(number: f64) -> Result<Self, String>;
    fn text(text: &str) -> Result<Self, String>;
}

impl FromWritten for Percent {
    fn number(number: f64) -> Result<Self, String> {
        within(number).map(Self)
    }

    fn text(text: &str) -> Result<Self, String> {
        percentage(text).map(Self)
    }
}

impl FromWritten for Count {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number within range"
    )]
    fn number(number: f64) -> Result<Self, String> {
        if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) {
            Ok(Self::Number(number as u32))
        } else {
            Err(format!("{number} is not a whole number from 0"))
        }
    }

    fn text(text: &str) -> Result<Self, String> {
        percentage(text).map(Self::Percent)
    }
}

impl<T: FromWritten> Visitor<'_> for Written<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number, or a percentage such as \"25%\"")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        T::number(number).map_err(E::custom)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "no percentage or count is that large"
    )]
    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_f64(number as f64)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "no percentage or count is that large"
    )]
    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_f64(number as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::text(text).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written(PhantomData))
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => number.serialize(serializer),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
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

const PERCENT: &str = r"^[0-9]+(\.[0-9]+)? *%$";

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["number", "string"],
            "minimum": 0,
            "maximum": 100,
            "pattern": PERCENT,
            "examples": [25, "25%"],
        })
    }
}

impl JsonSchema for Count {
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "minimum": 0,
            "pattern": PERCENT,
            "examples": [1, "25%"],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    #[test]
    fn a_percentage_is_a_number_or_a_text() {
        let read = |value: Value| from_value::<Percent>(value);
        assert_eq!(read(json!(10)).unwrap(), Percent(10.0));
        assert_eq!(read(json!("12.5%")).unwrap(), Percent(12.5));
        for wrong in [json!(101), json!(-1), json!("10"), json!("x%"), json!(null)] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_count_is_a_number_or_a_percentage_of_all() {
        let of = |value: Value, total| from_value::<Count>(value).unwrap().of(total);
        assert_eq!(of(json!(2), 10), 2);
        assert_eq!(of(json!("25%"), 10), 2);
        assert_eq!(of(json!("1%"), 10), 1);
        for wrong in [json!(1.5), json!(-1), json!("101%")] {
            assert!(from_value::<Count>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
