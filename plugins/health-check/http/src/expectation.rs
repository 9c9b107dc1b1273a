//! What an answer must look like, and what to say of one that does not.

use std::{borrow::Cow, fmt};

use runtime_sdk::{
    http::Response,
    prelude::*,
    schemars::{Schema, SchemaGenerator, json_schema},
};
use serde::{
    Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use crate::Http;

/// How much of a body is shown, in characters.
const EXCERPT: usize = 120;

/// The statuses of a target that is well: one, or a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statuses(pub Vec<u16>);

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = Statuses;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a status such as 200, or a list of them")
            }

            fn visit_u64<E: Error>(self, status: u64) -> Result<Statuses, E> {
                let status = u16::try_from(status);
                status
                    .map(|status| Statuses(vec![status]))
                    .map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, status: i64) -> Result<Statuses, E> {
                u64::try_from(status)
                    .map_err(E::custom)
                    .and_then(|status| self.visit_u64(status))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Statuses, A::Error> {
                let mut statuses = Vec::new();
                while let Some(status) = list.next_element()? {
                    statuses.push(status);
                }
                Ok(Statuses(statuses))
            }
        }

        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for Statuses {
    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "array"],
            "minimum": 100,
            "maximum": 599,
            "items": { "type": "integer", "minimum": 100, "maximum": 599 },
            "examples": [200, [200, 204]],
        })
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, status) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(" or ")?;
            }
            status.fmt(f)?;
        }
        Ok(())
    }
}

impl Http {
    /// In what the answer is not that of a target that is well; none where it is.
    pub(crate) fn disappointment(&self, response: &Response) -> Option<String> {
        if !self.status.0.contains(&response.status) {
            let body = excerpt(&response.text());
            return Some(format!(
                "answered {}, not {}{body}",
                response.status, self.status
            ));
        }
        for (name, expected) in &self.header {
            match response.header(name) {
                None => return Some(format!("the answer has no header `{name}`")),
                Some(value) if !value.contains(expected) => {
                    return Some(format!("`{name}` is `{value}`, without `{expected}`"));
                }
                Some(_) => {}
            }
        }
        if let Some(expected) = &self.body
            && !response.text().contains(expected)
        {
            let body = excerpt(&response.text());
            return Some(format!("`{expected}` is not in the body{body}"));
        }
        if self.json.is_empty() {
            return None;
        }
        let body: Value = match response.json() {
            Ok(body) => body,
            Err(failure) => {
                let body = excerpt(&response.text());
                return Some(format!("{}{body}", failure.message));
            }
        };
        self.json
            .iter()
            .find_map(|(pointer, expected)| match body.pointer(pointer) {
                Some(value) if value == expected => None,
                Some(value) => Some(format!("`{pointer}` is {value}, not {expected}")),
                None => Some(format!("there is no `{pointer}` in the body")),
            })
    }
}

/// The beginning of a text in one line, to be put after what is said of it.
fn excerpt(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return String::new();
    }
    let beginning: String = text.chars().take(EXCERPT).collect();
    let more = if beginning.len() < text.len() {
        "…"
    } else {
        ""
    };
    format!(": {beginning}{more}")
}
