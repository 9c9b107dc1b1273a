//! Puts the values of secrets in where a plugin left their placeholders.

use engine::{Code, Failure};
use url::form_urlencoded;

use super::{Sealed, Secret};
use crate::grants::{Destination, Origin};

/// How the text around a placeholder is written, and so how the value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// As it is.
    Plain,
    /// Inside of a JSON text.
    Json,
    /// Inside of a form or a URL's query.
    Form,
}

impl Sealed {
    /// Puts values into a text that goes to an origin; their names are added to `used`. Fails
    /// where a value may not go there.
    pub(crate) fn put_in_request(
        &self,
        text: &str,
        writing: Writing,
        origin: &Origin,
        used: &mut Vec<String>,
    ) -> Result<String, Failure> {
        let mut result = text.to_owned();
        for secret in self.found(text.as_bytes()) {
            own_origin(secret, origin)?;
            result = result.replace(&secret.placeholder, &written(&secret.value, writing));
            used.push(secret.name.clone());
        }
        Ok(result)
    }

    /// The same for a body, which need not be text.
    pub(crate) fn put_in_body(
        &self,
        body: Vec<u8>,
        writing: Writing,
        origin: &Origin,
        used: &mut Vec<String>,
    ) -> Result<Vec<u8>, Failure> {
        let mut result = body;
        for secret in &self.secrets {
            let placeholder = secret.placeholder.as_bytes();
            if contains(&result, placeholder) {
                own_origin(secret, origin)?;
                let value = written(&secret.value, writing);
                result = replaced(&result, placeholder, value.as_bytes());
                used.push(secret.name.clone());
            }
        }
        Ok(result)
    }

    /// A URL with values put in: at its start as it is, further on as a part of it.
    pub(crate) fn put_in_url(&self, text: &str, used: &mut Vec<String>) -> String {
        let mut result = text.to_owned();
        for secret in self.found(text.as_bytes()) {
            if let Some(rest) = result.strip_prefix(&secret.placeholder) {
                result = format!("{}{rest}", secret.value.trim());
            }
            let value = written(&secret.value, Writing::Form).replace('+', "%20");
            result = result.replace(&secret.placeholder, &value);
            used.push(secret.name.clone());
        }
        result
    }

    /// Fails where one of these secrets may not go to that origin.
    pub(crate) fn may_go(&self, used: &[String], origin: &Origin) -> Result<(), Failure> {
        let mut secrets = self
            .secrets
            .iter()
            .filter(|secret| used.contains(&secret.name));
        secrets.try_for_each(|secret| own_origin(secret, origin))
    }

    /// Values into a file, where the operator marked the setting so.
    pub(crate) fn put_in_file(&self, contents: Vec<u8>) -> (Vec<u8>, Vec<String>) {
        self.marked(contents, |secret| secret.uses.file)
    }

    /// Values into what a program reads, where the operator marked the setting so.
    pub(crate) fn put_in_input(&self, input: Vec<u8>) -> (Vec<u8>, Vec<String>) {
        self.marked(input, |secret| secret.uses.environment)
    }

    /// Values into a variable, where the operator marked the setting so.
    pub(crate) fn put_in_environment(&self, value: String) -> (String, Vec<String>) {
        let mut result = value;
        let mut used = Vec::new();
        for secret in &self.secrets {
            if secret.uses.environment && result.contains(&secret.placeholder) {
                result = result.replace(&secret.placeholder, &secret.value);
                used.push(secret.name.clone());
            }
        }
        (result, used)
    }

    fn marked(&self, bytes: Vec<u8>, may: impl Fn(&Secret) -> bool) -> (Vec<u8>, Vec<String>) {
        let mut used = Vec::new();
        let mut result = bytes;
        for secret in self.secrets.iter().filter(|secret| may(secret)) {
            let placeholder = secret.placeholder.as_bytes();
            if contains(&result, placeholder) {
                result = replaced(&result, placeholder, secret.value.as_bytes());
                used.push(secret.name.clone());
            }
        }
        (result, used)
    }

    fn found<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = &'a Secret> {
        self.secrets
            .iter()
            .filter(|secret| contains(text, secret.placeholder.as_bytes()))
    }
}

/// A secret that is a URL goes to that URL's origin, whatever else was granted.
fn own_origin(secret: &Secret, origin: &Origin) -> Result<(), Failure> {
    if secret.url().is_none() {
        return Ok(());
    }
    match Destination::parse(&secret.value) {
        Ok(own) if own.origin == *origin => Ok(()),
        _ => {
            let text = format!("the secret `{}` goes to its own origin alone", secret.name);
            Err(Failure::new(Code::Denied, text))
        }
    }
}

fn written(value: &str, writing: Writing) -> String {
    match writing {
        Writing::Plain => value.to_owned(),
        Writing::Form => form_urlencoded::byte_serialize(value.as_bytes()).collect(),
        Writing::Json => {
            let quoted = serde_json::Value::String(value.to_owned()).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}

fn replaced(text: &[u8], part: &[u8], by: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(part) {
            result.extend_from_slice(by);
            at += part.len();
        } else {
            result.push(text[at]);
            at += 1;
        }
    }
    result
}
