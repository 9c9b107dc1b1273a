//! The kit that tests plugins: what every plugin must hold to, tried in a world that lies, breaks
//! off and refuses, and that is nowhere but in this process. It knows plugins by the host's typed
//! faces alone; configurations, stores and deployments it does not know.

#![forbid(unsafe_code)]

mod answers;
mod case;
mod deed;
mod harness;
mod hostile;
mod junit;
mod live;
mod machine;
mod manifest;
mod other;
mod rehearsed;
mod repeated;
mod settings;
mod subject;
mod trouble;

use std::io;

use host::{Kind, Plugin};
use serde_json::Value;

pub use self::{
    answers::{Answer, Answers, Said},
    case::{Case, Report, Verdict},
    junit::junit,
    live::live,
    rehearsed::rehearsed,
    subject::targets,
};
use self::{case::Cases, harness::Play};

/// A plugin with what it is tested with.
pub struct Candidate {
    /// The plugin, loaded as one that comes with the program: all that it asks for is granted.
    pub plugin: Plugin,
    /// Its settings; where none are given, some are made up from its schema.
    pub settings: Option<Value>,
    /// What the other side answers where nothing goes wrong.
    pub answers: Answers,
}

/// Tests a plugin of any kind. A strategy's run is not tried here: [`rehearsed`] does that.
///
/// Fails where the kit's own world cannot be made.
pub async fn examine(candidate: &Candidate) -> io::Result<Report> {
    let mut cases = Cases::default();
    let plugin = &candidate.plugin;
    manifest::examine(plugin, &mut cases).await;
    let settings = settings::examine(plugin, candidate.settings.as_ref(), &mut cases).await;
    if let (Some(settings), false) = (settings.clone(), plugin.kind() == Kind::Strategy) {
        let play = Play::new(candidate, settings);
        let used = repeated::examine(&play, &mut cases).await?;
        hostile::examine(&play, &used, &mut cases).await?;
    }
    Ok(cases.report(plugin, settings))
}
