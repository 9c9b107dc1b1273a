//! Posts each event as JSON.

use runtime_sdk::{call, prelude::*};

runtime_sdk::settings! {
    /// Posts each event as JSON.
    struct PluginName {
        /// Where to post.
        url: String,
    }
}

impl Plugin for PluginName {
    const SUMMARY: &'static str = "Posts each event as JSON.";

    // What an operator writes in `url` is granted by having been written.
    fn requests() -> Vec<Request> {
        vec![change("http", "{url}", "to post each event")]
    }

    fn problems(&self) -> Vec<Problem> {
        if self.url.is_empty() {
            return vec![problem("/url", "where to?")];
        }
        Vec::new()
    }
}

impl Notifier for PluginName {
    fn notify(&self, event: &Event) -> Result<()> {
        let text = format!(
            "{} {}: {}",
            event.application, event.release.version, event.message
        );
        http::post(&self.url)
            // A repetition of the same call has the same id, so that nobody is told twice.
            .header("idempotency-key", call::id())
            .json(&json!({ "event": event.kind, "text": text }))?
            .send()?
            .success()?;
        Ok(())
    }
}

runtime_sdk::plugin!(notifier: PluginName);

#[cfg(test)]
mod tests {
    use runtime_sdk::testing::{Fake, event, response};

    use super::*;

    const URL: &str = "https://example.com/hook";

    #[test]
    fn an_event_is_posted() {
        let fake = Fake::new();
        let plugin = PluginName { url: URL.into() };
        plugin.notify(&event("succeeded", "all on 2")).unwrap();
        let request = &fake.requests()[0];
        assert_eq!((&*request.method, &*request.url), ("POST", URL));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["text"], "shop 2: all on 2");
    }

    #[test]
    fn an_answer_that_is_no_success_is_a_failure() {
        let _fake = Fake::new().on_request(|_| Ok(response(503, "later")));
        let plugin = PluginName { url: URL.into() };
        let failure = plugin.notify(&event("started", "x")).unwrap_err();
        assert_eq!(failure.code, "unavailable");
    }
}
