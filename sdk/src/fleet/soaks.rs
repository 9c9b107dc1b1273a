//! How long stages are watched, as an operator writes it.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use crate::Duration;

/// How long each of several stages is watched: one time for all, or one for each.
#[derive(Clone, Debug, PartialEq)]
pub enum Soaks {
    /// The same for all.
    Same(Duration),
    /// One for each; the last for those that come after.
    Each(Vec<Duration>),
}

impl Soaks {
    /// How long the stage at that place is watched.
    pub fn at(&self, stage: usize) -> Duration {
        match self {
            Self::Same(soak) => *soak,
            Self::Each(soaks) => soaks
                .get(stage)
                .or(soaks.last())
                .copied()
                .unwrap_or(Duration::ZERO),
        }
    }
}

impl<'de> Deserialize<'de> for Soaks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = Soaks;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a time such as \"5m\", or a list of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Soaks, E> {
                text.parse().map(Soaks::Same).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Soaks, A::Error> {
                let mut soaks = Vec::new();
                while let Some(soak) = list.next_element()? {
                    soaks.push(soak);
                }
                Ok(Soaks::Each(soaks))
            }
        }

        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for Soaks {
    fn schema_name() -> Cow<'static, str> {
        "Soaks".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = generator.subschema_for::<Duration>();
        schema.insert("type".into(), serde_json::json!(["string", "array"]));
        let each = generator.subschema_for::<Duration>();
        schema.insert("items".into(), each.into());
        schema
    }
}
