//! Opens a change ticket before the release goes on, and closes it where it is taken back.

use runtime_sdk::{call, prelude::*};

runtime_sdk::settings! {
    /// Opens a change ticket.
    struct PluginName {
        /// Where tickets are opened.
        url: String,
    }
}

/// What the other side answers, and what is kept with the deployment.
#[derive(Deserialize, Serialize)]
#[serde(crate = "runtime_sdk::serde")]
struct Ticket {
    id: String,
}

impl Plugin for PluginName {
    const SUMMARY: &'static str = "Opens a change ticket.";

    fn requests() -> Vec<Request> {
        vec![change("http", "{url}", "to open and close tickets")]
    }
}

impl Step for PluginName {
    fn run(&self, occasion: &Occasion) -> Result<Value> {
        let ticket: Ticket = http::post(&self.url)
            // Safe to call again: the other side tells a repetition by its key.
            .header("idempotency-key", call::id())
            .json(&json!({ "application": occasion.application, "version": occasion.release.version }))?
            .send()?
            .success()?
            .json()?;
        Ok(json!(ticket))
    }

    fn undo(&self, _occasion: &Occasion, outcome: &Value) -> Result<()> {
        let id = outcome["id"].as_str().unwrap_or_default();
        let url = format!("{}/{id}", self.url.trim_end_matches('/'));
        match http::Request::new("DELETE", url).send()?.success() {
            // Closed already.
            Err(failure) if failure.is("missing") => Ok(()),
            answered => answered.map(drop),
        }
    }
}

runtime_sdk::plugin!(step: PluginName);

#[cfg(test)]
mod tests {
    use runtime_sdk::testing::{Fake, occasion, response};

    use super::*;

    fn plugin() -> PluginName {
        PluginName {
            url: "https://example.com/tickets".into(),
        }
    }

    #[test]
    fn a_ticket_is_opened_and_closed() {
        let fake = Fake::new().on_request(|_| Ok(response(200, r#"{ "id": "C-1" }"#)));
        let occasion = occasion("before-deploy", &[("web01", "web")]);
        let outcome = Step::run(&plugin(), &occasion).unwrap();
        plugin().undo(&occasion, &outcome).unwrap();
        let calls = [
            "POST https://example.com/tickets",
            "DELETE https://example.com/tickets/C-1",
        ];
        assert_eq!(fake.calls(), calls);
    }

    #[test]
    fn what_is_closed_already_is_closed() {
        let _fake = Fake::new().on_request(|_| Ok(response(404, "")));
        let occasion = occasion("before-deploy", &[("web01", "web")]);
        plugin().undo(&occasion, &json!({ "id": "C-1" })).unwrap();
    }
}
