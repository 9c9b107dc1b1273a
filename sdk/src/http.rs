//! HTTP through the host: `http::post(url).json(&body)?.send()?.success()?`.

use std::fmt::Display;

use serde::{Serialize, de::DeserializeOwned};

pub use crate::bindings::imports::http::{Request, Response, Signing};
use crate::{Duration, Failure, Result, imports};

/// How much of an answer's body goes into a failure's message, in characters.
const EXCERPT: usize = 200;

/// A GET request.
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// A POST request.
pub fn post(url: impl Into<String>) -> Request {
    Request::new("POST", url)
}

/// A PUT request.
pub fn put(url: impl Into<String>) -> Request {
    Request::new("PUT", url)
}

impl Request {
    /// A request with any method.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
            signing: None,
            options: Vec::new(),
        }
    }

    /// With one more parameter in the URL's query, which must not end in a fragment.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl Display) -> Self {
        self.url
            .push(if self.url.contains('?') { '&' } else { '?' });
        self.url.push_str(&percent_encoded(name));
        self.url.push('=');
        self.url.push_str(&percent_encoded(&value.to_string()));
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With a body in JSON, and the header that says so.
    pub fn json(self, body: &(impl Serialize + ?Sized)) -> Result<Self> {
        let body = serde_json::to_vec(body).map_err(Failure::internal)?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// Waits no longer than this for the answer.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout.as_ms());
        self
    }

    /// Signed by the host.
    #[must_use]
    pub fn signed(mut self, scheme: &str, parameters: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
        let parameters = parameters.iter().map(own).collect();
        self.signing = Some(Signing {
            scheme: scheme.into(),
            parameters,
        });
        self
    }

    /// With one of the options of `http.request` in `wit/capabilities.wit`.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }

    /// Sends it. Any status is an answer.
    pub fn send(&self) -> Result<Response> {
        imports::http::send(self)
    }
}

/// Everything but the unreserved characters of RFC 3986, section 2.3, as its bytes in hexadecimal.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

impl Response {
    /// The response, if its status is from 200 to 299; else a failure with what it said.
    pub fn success(self) -> Result<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let body: String = self.text().trim().chars().take(EXCERPT).collect();
        let message = format!("the other side answered {}: {body}", self.status);
        Err(match self.status {
            404 => Failure::missing(message),
            408 | 425 | 429 | 500.. => Failure::unavailable(message),
            _ => Failure::rejected(message),
        })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        if self.truncated {
            return Err(Failure::rejected(
                "the answer is longer than the host lets through",
            ));
        }
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(each, _)| each.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_means_what_was_said() {
        let request = get("https://example.com/query")
            .query("q", "sum(rate(x[5m])) > 1 & é")
            .query("step", 60);
        assert_eq!(
            request.url,
            "https://example.com/query?q=sum%28rate%28x%5B5m%5D%29%29%20%3E%201%20%26%20%C3%A9&step=60"
        );
    }
}
