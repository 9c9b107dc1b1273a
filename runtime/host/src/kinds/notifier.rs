//! A plugin that tells people and other systems.

use bindings::{Kind, notifying};
use engine::{Failure, Release, Timestamp};
use serde_json::Value;

use crate::{
    convert,
    error::HostError,
    worker::{About, CallContext, Worker},
};

/// Someone, or something, that is told.
#[derive(Clone)]
pub struct Notifier(Worker);

/// What there is to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// `started`, `stage`, `waiting`, `approval-needed`, `succeeded`, `failed`, `rolling-back`,
    /// `rolled-back`, `stuck` or `frozen`.
    pub kind: String,
    /// The deployment's id.
    pub deployment: String,
    /// The application.
    pub application: String,
    /// The environment.
    pub environment: String,
    /// What goes out.
    pub release: Release,
    /// What ran before.
    pub previous: Option<Release>,
    /// The strategy's name.
    pub strategy: String,
    /// Who asked for the deployment.
    pub actor: String,
    /// For a person.
    pub message: String,
    /// When.
    pub at: Timestamp,
    /// Everything else that is known.
    pub details: Value,
}

impl Notifier {
    /// Fails where the plugin is of another kind.
    pub fn new(worker: Worker) -> Result<Self, HostError> {
        worker.plugin().expect(Kind::Notifier)?;
        Ok(Self(worker))
    }

    /// The plugin at work.
    pub fn worker(&self) -> &Worker {
        &self.0
    }

    /// Tells.
    pub async fn notify(&self, notice: &Notice, context: &CallContext) -> Result<(), Failure> {
        let event = notifying::Event {
            kind: notice.kind.clone(),
            deployment: notice.deployment.clone(),
            application: notice.application.clone(),
            environment: notice.environment.clone(),
            release: convert::release(&notice.release),
            previous: notice.previous.as_ref().map(convert::release),
            strategy: notice.strategy.clone(),
            actor: notice.actor.clone(),
            message: notice.message.clone(),
            at: notice.at.0,
            details: convert::json(&notice.details),
        };
        let about = About {
            targets: Vec::new(),
            release: Some(notice.release.clone()),
        };
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked.notify(state, &event, &settings).await
        };
        self.0.call("notify", context, about, call).await
    }
}
