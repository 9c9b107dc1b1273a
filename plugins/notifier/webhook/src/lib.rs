//! `webhook`: each event as JSON to a URL, signed where a secret is given.

use std::collections::BTreeMap;

use runtime_sdk::{call, prelude::*};

/// Each event as JSON to a URL.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Webhook {
    /// Where to.
    pub url: String,
    /// The request's method.
    #[serde(default = "method")]
    pub method: String,
    /// More headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Signs the body by HMAC with SHA-256, so that the receiver knows who sent it.
    #[serde(default)]
    pub secret: Option<String>,
    /// The header that carries the signature.
    #[serde(default = "signature_header")]
    pub signature_header: String,
}

fn method() -> String {
    "POST".into()
}

fn signature_header() -> String {
    "X-Signature-256".into()
}

impl Plugin for Webhook {
    const SUMMARY: &'static str = "Each event as JSON to a URL, signed where asked for.";
    const SCHEMA: Option<&'static str> = Some(include_str!("../settings.json"));

    fn requests() -> Vec<Request> {
        vec![change("http", "{url}", "to send each event there")]
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !matches!(&*self.method, "POST" | "PUT" | "PATCH") {
            problems.push(problem(
                "/method",
                "`POST`, `PUT` or `PATCH`: others have no body",
            ));
        }
        if self.signature_header.is_empty() {
            problems.push(problem("/signature-header", "a header has a name"));
        }
        problems
    }
}

impl Notifier for Webhook {
    fn notify(&self, event: &Event) -> Result<()> {
        let mut request = http::Request::new(&self.method, &self.url)
            // The receiver can tell a repetition from another event.
            .header("idempotency-key", call::id())
            .json(&payload(event)?)?;
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(secret) = &self.secret {
            let parameters = [("secret", &**secret), ("header", &*self.signature_header)];
            request = request.signed("hmac-sha256", &parameters);
        }
        request.send()?.success()?;
        Ok(())
    }
}

/// What is sent.
fn payload(event: &Event) -> Result<Value> {
    let release = |release: &Release| {
        json!({
            "id": release.id,
            "version": release.version,
            "digest": release.digest,
            "labels": release.labels.iter().cloned().collect::<BTreeMap<String, String>>(),
        })
    };
    Ok(json!({
        "event": event.kind,
        "deployment": event.deployment,
        "application": event.application,
        "environment": event.environment,
        "strategy": event.strategy,
        "actor": event.actor,
        "message": event.message,
        "timestamp": event.at,
        "release": release(&event.release),
        "previous": event.previous.as_ref().map(release),
        "details": serde_json::from_str::<Value>(&event.details)?,
    }))
}

runtime_sdk::plugin!(notifier: Webhook, "webhook");

#[cfg(test)]
mod tests {
    use runtime_sdk::{
        serde_json::{from_slice, from_value},
        testing::{Fake, check_schema, event, response},
    };

    use super::*;

    fn webhook(settings: Value) -> Webhook {
        from_value(settings).unwrap()
    }

    #[test]
    fn the_schema_is_current() {
        check_schema::<Webhook>(env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn an_event_is_sent_with_all_that_is_known() {
        let fake = Fake::new();
        let settings = json!({
            "url": "https://example.com/hook",
            "headers": { "Authorization": "Bearer secret-TOKEN-00" },
            "secret": "secret-HOOK-00",
        });
        webhook(settings)
            .notify(&event("succeeded", "all on 2"))
            .unwrap();
        let request = &fake.requests()[0];
        assert_eq!(
            (&*request.method, &*request.url),
            ("POST", "https://example.com/hook")
        );
        let names: Vec<&str> = request
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["idempotency-key", "content-type", "Authorization"]);
        let signing = request.signing.as_ref().unwrap();
        assert_eq!(signing.scheme, "hmac-sha256");
        assert_eq!(signing.parameters[0].1, "secret-HOOK-00");
        assert_eq!(signing.parameters[1].1, "X-Signature-256");
        let body: Value = from_slice(&request.body).unwrap();
        assert_eq!(body["event"], "succeeded");
        assert_eq!(body["message"], "all on 2");
        assert_eq!(body["release"]["version"], "2");
        assert_eq!(body["previous"]["id"], "1");
        assert_eq!(body["details"], json!({}));
    }

    #[test]
    fn an_answer_that_is_no_success_is_a_failure() {
        for (status, retryable) in [(500, true), (429, true), (400, false)] {
            let _fake = Fake::new().on_request(move |_| Ok(response(status, "no")));
            let failure = webhook(json!({ "url": "https://example.com" }))
                .notify(&event("started", "x"))
                .unwrap_err();
            assert_eq!(failure.retryable, retryable, "{status}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let settings = json!({ "url": "x", "method": "GET", "signature-header": "" });
        let problems = webhook(settings).problems();
        let places: Vec<&str> = problems
            .iter()
            .map(|problem| problem.pointer.as_str())
            .collect();
        assert_eq!(places, ["/method", "/signature-header"]);
    }
}
