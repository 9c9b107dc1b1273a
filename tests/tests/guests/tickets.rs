//! Opens a ticket for each deployment that begins or ends.

use runtime_sdk::prelude::*;

runtime_sdk::settings! {
    struct Tickets {
        /// Where tickets are posted.
        url: String,
        /// The project that they belong to.
        project: String,
    }
}

impl Plugin for Tickets {
    const SUMMARY: &'static str = "Opens tickets.";

    fn requests() -> Vec<Request> {
        vec![change("http", "{url}", "posts tickets")]
    }
}

impl Notifier for Tickets {
    fn notify(&self, event: &Event) -> Result<()> {
        let ticket = json!({ "project": self.project, "event": event.kind, "text": event.message });
        http::post(&self.url).json(&ticket)?.send()?.success()?;
        Ok(())
    }
}

runtime_sdk::plugin!(notifier: Tickets);
