//! Brings secrets from a server that keeps them.

use runtime_sdk::prelude::*;

runtime_sdk::settings! {
    /// Brings secrets from a server that keeps them.
    struct PluginName {
        /// Where the server answers.
        url: String,
    }
}

/// What the server answers.
#[derive(Deserialize)]
#[serde(crate = "runtime_sdk::serde")]
struct Answer {
    value: String,
    version: Option<String>,
}

impl Plugin for PluginName {
    const SUMMARY: &'static str = "Brings secrets from a server that keeps them.";

    fn requests() -> Vec<Request> {
        vec![read("http", "{url}", "to fetch secrets")]
    }
}

impl SecretSource for PluginName {
    fn fetch(&self, name: &str) -> Result<Secret> {
        let url = format!("{}/{name}", self.url.trim_end_matches('/'));
        let answer: Answer = http::get(url).send()?.success()?.json()?;
        Ok(Secret {
            value: answer.value.into_bytes(),
            version: answer.version,
            created: None,
            expires: None,
        })
    }
}

runtime_sdk::plugin!(secret_source: PluginName);

#[cfg(test)]
mod tests {
    use runtime_sdk::testing::{Fake, response};

    use super::*;

    fn plugin() -> PluginName {
        PluginName {
            url: "https://example.com/v1/".into(),
        }
    }

    #[test]
    fn a_secret_is_fetched() {
        let fake = Fake::new().on_request(|_| Ok(response(200, r#"{ "value": "s3cret" }"#)));
        assert_eq!(plugin().fetch("DATABASE").unwrap().value, b"s3cret");
        assert_eq!(fake.calls(), ["GET https://example.com/v1/DATABASE"]);
    }

    #[test]
    fn one_that_is_not_there_is_missing() {
        let _fake = Fake::new().on_request(|_| Ok(response(404, "")));
        assert!(plugin().fetch("NONE").unwrap_err().is("missing"));
    }
}
