//! A notifier that does most things wrong: for the kit to find.

use runtime_sdk::{files, prelude::*};

/// Tells somebody, carelessly.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "runtime_sdk::serde")]
#[schemars(crate = "runtime_sdk::schemars")]
struct Careless {
    /// Where to.
    url: String,
}

impl Plugin for Careless {
    const SUMMARY: &'static str = "Tells somebody, carelessly.";

    fn requests() -> Vec<Request> {
        vec![
            change("http", "{url}", "to tell them"),
            change("disk", "/tmp", "to keep a copy"),
        ]
    }
}

impl Notifier for Careless {
    fn notify(&self, event: &Event) -> Result<()> {
        // Nobody granted that, and nobody asks how it went.
        let _ = files::write("/tmp/careless", &event.message);
        let answer = http::post(&self.url).body(event.message.clone()).send()?;
        let text = String::from_utf8(answer.body).expect("they always answer in text");
        logs::info!("they said {}", text.len());
        Ok(())
    }
}

runtime_sdk::plugin!(notifier: Careless);
