//! Secrets in settings. A plugin sees a placeholder, which no one else can guess; the value is put
//! in on the way out, and taken out of everything that comes back or is written down.

mod put;
mod redact;

use std::sync::{PoisonError, RwLock};

use engine::{Code, Failure};
use serde_json::Value;
use url::Url;

pub(crate) use put::Writing;
use redact::Redactor;

use crate::{audit::escaped_lines, cache::hex, services::Secrets};

/// Characters of a failure's message that are kept: what a program complains in, at length.
const MESSAGE_MAX: usize = 16_000;

/// The longest value of a secret: a private key with its chain is shorter.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// Where a secret's value may go besides requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    pub(crate) file: bool,
    pub(crate) environment: bool,
}

/// A secret that settings name.
pub(crate) struct Secret {
    pub(crate) name: String,
    pub(crate) placeholder: String,
    pub(crate) value: String,
    pub(crate) uses: Uses,
}

impl Secret {
    /// The URL that the value is, where it is one: then it goes to that origin alone.
    pub(crate) fn url(&self) -> Option<Url> {
        Url::parse(&self.value)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
    }
}

/// Settings as a plugin gets them, and what it does not get.
pub(crate) struct Sealed {
    /// With placeholders.
    pub(crate) settings: Value,
    /// The same, as text.
    pub(crate) text: String,
    /// With values, for working out grants.
    pub(crate) revealed: Value,
    /// Every secret once.
    pub(crate) secrets: Vec<Secret>,
    redactor: Redactor,
    /// For the secrets whose values the plugin was shown.
    shown: RwLock<(Vec<Secret>, Redactor)>,
}

impl Sealed {
    /// Fetches every secret that the settings name.
    pub(crate) async fn new(settings: &Value, source: &dyn Secrets) -> Result<Self, Failure> {
        let mut named = Vec::new();
        visit(
            settings,
            &mut |name, uses| match named.iter_mut().find(|(n, _)| n == name) {
                Some((_, known)) => merge(known, uses),
                None => named.push((name.to_owned(), uses)),
            },
        );
        let mut secrets = Vec::with_capacity(named.len());
        for (name, uses) in named {
            let value = source.value(&name).await?;
            if value.len() > VALUE_BYTES_MAX {
                let text = format!("the secret `{name}` is longer than {VALUE_BYTES_MAX} bytes");
                return Err(Failure::new(Code::Invalid, text));
            }
            let placeholder = placeholder(&name, &random()?);
            secrets.push(Secret {
                name,
                placeholder,
                value,
                uses,
            });
        }
        let of = |name: &str| secrets.iter().find(|secret| secret.name == name);
        let sealed = replace(settings, &|name| {
            of(name).map(|secret| secret.placeholder.clone())
        });
        let revealed = replace(settings, &|name| {
            of(name).map(|secret| secret.value.clone())
        });
        let redactor = Redactor::new(&secrets);
        Ok(Self {
            text: sealed.to_string(),
            settings: sealed,
            revealed,
            secrets,
            redactor,
            shown: RwLock::default(),
        })
    }

    /// From here on the value is taken out of what is written down, too.
    pub(crate) fn show(&self, name: &str, value: &str) {
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        if shown.0.iter().any(|secret| secret.value == value) {
            return;
        }
        shown.0.push(Secret {
            name: name.to_owned(),
            placeholder: String::new(),
            value: value.to_owned(),
            uses: Uses::default(),
        });
        shown.1 = Redactor::new(&shown.0);
    }

    /// A text for people and programs other than the plugin.
    pub(crate) fn redact(&self, text: String) -> String {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        shown.1.text(self.redactor.text(text))
    }

    /// A failure for people and programs other than the plugin.
    pub(crate) fn redact_failure(&self, mut failure: Failure) -> Failure {
        failure.message = escaped_lines(&self.redact(failure.message), MESSAGE_MAX);
        if !failure.details.is_null() {
            let text = self.redact(failure.details.to_string());
            failure.details = serde_json::from_str(&text).unwrap_or(Value::String(text));
        }
        failure
    }

    /// A text that goes to the plugin.
    pub(crate) fn answer(&self, text: String) -> String {
        self.redactor.answer(text)
    }

    /// Bytes that go to the plugin.
    pub(crate) fn answer_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.redactor.bytes(bytes)
    }
}

/// The random part of placeholders that stand for no value.
const NOTHING: &str = "0000000000000000";

/// The settings with a placeholder that stands for no value, the same in every run.
pub(crate) fn with_placeholders(settings: &Value) -> Value {
    replace(settings, &|name| Some(placeholder(name, NOTHING)))
}

/// Whether a text is what [`with_placeholders`] puts in a secret's place.
pub(crate) fn is_placeholder(text: &str) -> bool {
    text.starts_with("secret-") && text.ends_with(NOTHING)
}

/// Only what passes through URLs, headers and file names as it is.
fn placeholder(name: &str, random: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(plain).collect();
    format!("secret-{name}-{random}")
}

fn random() -> Result<String, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(
            Code::Internal,
            format!("the system gives no randomness: {error}"),
        )
    })?;
    Ok(hex(&bytes))
}

/// The name and the uses, where the value is a secret's reference.
fn reference(value: &Value) -> Option<(&str, Uses)> {
    let entries = value.as_object()?;
    let name = entries.get("secret")?.as_str()?;
    if entries.keys().any(|key| key != "secret" && key != "use") {
        return None;
    }
    let listed = entries.get("use").and_then(Value::as_array);
    let has = |wanted: &str| {
        listed.is_some_and(|uses| uses.iter().any(|each| each.as_str() == Some(wanted)))
    };
    Some((
        name,
        Uses {
            file: has("file"),
            environment: has("environment"),
        },
    ))
}

fn merge(known: &mut Uses, uses: Uses) {
    known.file |= uses.file;
    known.environment |= uses.environment;
}

fn visit(value: &Value, found: &mut impl FnMut(&str, Uses)) {
    if let Some((name, uses)) = reference(value) {
        found(name, uses);
        return;
    }
    match value {
        Value::Object(entries) => entries.values().for_each(|value| visit(value, found)),
        Value::Array(items) => items.iter().for_each(|value| visit(value, found)),
        _ => {}
    }
}

fn replace(value: &Value, by: &impl Fn(&str) -> Option<String>) -> Value {
    if let Some(text) = reference(value).and_then(|(name, _)| by(name)) {
        return Value::String(text);
    }
    match value {
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| (key.clone(), replace(value, by)))
            .collect(),
        Value::Array(items) => items.iter().map(|value| replace(value, by)).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
