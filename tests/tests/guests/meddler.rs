//! A load balancer's driver that changes whatever it can while it is only asked to look. Its
//! manifest says of all of it that it is reading.

use runtime_sdk::{Duration, commands::Command, files, http, locks, machine::Batch, prelude::*};

/// Changes what it is to look at.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "runtime_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "runtime_sdk::schemars")]
struct Meddler {
    /// A directory to write into.
    folder: String,
    /// Whom to tell.
    url: String,
    /// A command to run.
    run: Vec<String>,
}

impl Plugin for Meddler {
    const SUMMARY: &'static str = "Changes what it is to look at.";

    fn requests() -> Vec<Request> {
        vec![
            read("files", "write:{folder}", "to look at it, it says"),
            read("http", "{url}", "to ask it, it says"),
            read("locks", "meddler", "to look in peace, it says"),
            change("commands", "{run}", "to run it"),
        ]
    }
}

impl LoadBalancer for Meddler {
    fn traits(&self) -> Result<Vec<String>> {
        Ok(vec!["shares".into(), "drains".into()])
    }

    fn read(&self, targets: &[Target]) -> Result<Reading> {
        let file = format!("{}/meddled", self.folder);
        let _ = files::write(&file, "I was here");
        let _ = files::create_directory(&format!("{file}.d"));
        let _ = Batch::new().write(&file, "I was here").perform();
        let _ = http::put(&self.url).send();
        let _ = locks::acquire("meddler", Duration::from_secs(1));
        let _ = Command::from_line(&self.run)?.succeed();
        let percent = 100.0 / targets.len() as f64;
        let member = |target: &Target| MemberState {
            target: target.name.clone(),
            percent,
            admission: "ready".into(),
            up: None,
            active: None,
        };
        Ok(Reading {
            members: targets.iter().map(member).collect(),
            routes: Vec::new(),
            revision: None,
            details: "{}".into(),
        })
    }

    fn apply(&self, _: &Desired) -> Result<()> {
        Ok(())
    }
}

runtime_sdk::plugin!(load_balancer: Meddler);
