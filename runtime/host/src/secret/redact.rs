//! Takes the values of secrets out of texts: as they are, and as base64, URLs and JSON write them.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::{Engine as _, engine::general_purpose};
use url::form_urlencoded;

use super::Secret;

/// Shorter values are found in every second text, and protect nothing.
const VALUE_BYTES_MIN: usize = 4;

/// Shorter pieces of base64 are found by chance.
const BASE64_BYTES_MIN: usize = 8;

/// Finds the values of secrets.
#[derive(Default)]
pub(crate) struct Redactor {
    patterns: Option<AhoCorasick>,
    /// For each pattern, what the plugin gets in its place.
    placeholders: Vec<String>,
    /// For each pattern, what everybody else gets.
    marks: Vec<String>,
}

impl Redactor {
    pub(crate) fn new(secrets: &[Secret]) -> Self {
        let mut patterns = Vec::new();
        let (mut placeholders, mut marks) = (Vec::new(), Vec::new());
        for secret in secrets
            .iter()
            .filter(|secret| secret.value.len() >= VALUE_BYTES_MIN)
        {
            for form in forms(secret) {
                patterns.push(form);
                placeholders.push(secret.placeholder.clone());
                marks.push(format!("[secret {}]", secret.name));
            }
        }
        if patterns.is_empty() {
            return Self::default();
        }
        // Only too many patterns fail, and settings do not hold millions of secrets.
        let patterns = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(patterns)
            .expect("few patterns");
        Self {
            patterns: Some(patterns),
            placeholders,
            marks,
        }
    }

    /// A text for people and programs other than the plugin.
    pub(crate) fn text(&self, text: String) -> String {
        match &self.patterns {
            Some(patterns) => patterns.replace_all(&text, &self.marks),
            None => text,
        }
    }

    /// A text that goes to the plugin: placeholders stand where values stood, so that what it
    /// wrote reads back as it wrote it.
    pub(crate) fn answer(&self, text: String) -> String {
        match &self.patterns {
            Some(patterns) => patterns.replace_all(&text, &self.placeholders),
            None => text,
        }
    }

    /// Bytes that go to the plugin.
    pub(crate) fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        match &self.patterns {
            Some(patterns) if patterns.is_match(&bytes) => {
                patterns.replace_all_bytes(&bytes, &self.placeholders)
            }
            _ => bytes,
        }
    }
}

/// How a secret's value may be written.
fn forms(secret: &Secret) -> Vec<String> {
    let mut values = vec![Cow::Borrowed(secret.value.as_str())];
    let trimmed = secret.value.trim();
    if trimmed.len() >= VALUE_BYTES_MIN && trimmed != secret.value {
        values.push(Cow::Borrowed(trimmed));
    }
    // Of a URL, the part after the origin is the secret one, and errors often show it alone.
    if let Some(url) = secret.url() {
        let path = url[url::Position::BeforePath..].to_owned();
        if path.len() >= BASE64_BYTES_MIN {
            values.push(Cow::Owned(path));
        }
    }
    let mut forms = Vec::new();
    for value in &values {
        forms.push(value.to_string());
        forms.push(form_urlencoded::byte_serialize(value.as_bytes()).collect());
        forms.push(percent(value, char::to_ascii_uppercase));
        forms.push(percent(value, char::to_ascii_lowercase));
        let json = serde_json::Value::String(value.to_string()).to_string();
        forms.push(json[1..json.len() - 1].to_owned());
        forms.push(json[1..json.len() - 1].replace('/', "\\/"));
        forms.extend(base64(value.as_bytes()));
    }
    forms.sort_unstable();
    forms.dedup();
    forms
}

fn percent(value: &str, case: fn(&char) -> char) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if plain {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.extend(format!("{byte:02X}").chars().map(|c| case(&c)));
        }
    }
    text
}

/// As base64 writes it at each of the three places that it can have in a longer text, without the
/// characters at the ends that depend on what stands beside it.
fn base64(value: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for engine in [
        &general_purpose::STANDARD_NO_PAD,
        &general_purpose::URL_SAFE_NO_PAD,
    ] {
        for before in 0..3 {
            let mut bytes = vec![0; before];
            bytes.extend(value);
            let whole_bits = bytes.len() * 8 / 6;
            let encoded = engine.encode(&bytes);
            let inner = encoded
                .get((before * 8).div_ceil(6)..whole_bits)
                .unwrap_or_default();
            if inner.len() >= BASE64_BYTES_MIN {
                forms.push(inner.to_owned());
            }
        }
    }
    forms
}
