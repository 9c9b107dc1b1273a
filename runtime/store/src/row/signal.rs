//! A signal's row, and what the audit says about it.

use engine::Timestamp;
use serde_json::json;

use crate::{
    audit::AuditEntry,
    deployment::Deployment,
    error::StoreError,
    place::Place,
    signal::{SentSignal, Signal},
    value::{parse, text},
};

/// Fails where nobody will act on a signal any more.
pub(crate) fn accepted(deployment: &Deployment, signal: &Signal) -> Result<(), StoreError> {
    if deployment.state.is_open() {
        return Ok(());
    }
    Err(StoreError::Conflict(format!(
        "deployment {} has ended ({}); nobody acts on `{}` any more",
        deployment.id, deployment.state, signal.kind
    )))
}

/// A signal's details as they are kept.
pub(crate) fn details(place: &Place, signal: &Signal) -> Result<String, StoreError> {
    text(place, "details of a signal", &signal.details)
}

/// What the audit says when it was sent.
pub(crate) fn sent(deployment: &Deployment, number: u64, signal: &Signal) -> AuditEntry {
    AuditEntry {
        at: signal.at,
        deployment: Some(deployment.id.clone()),
        application: deployment.scope.application.clone(),
        environment: deployment.scope.environment.clone(),
        action: "signal_sent".to_owned(),
        actor: signal.actor.clone(),
        host: signal.host.clone(),
        details: json!({
            "number": number,
            "kind": signal.kind,
            "reason": signal.reason,
            "details": signal.details,
        }),
    }
}

/// A signal whose details were not read yet.
pub(crate) struct SignalRow {
    /// All but the details.
    pub(crate) signal: Signal,
    pub(crate) number: u64,
    pub(crate) details: String,
    pub(crate) taken: Option<Timestamp>,
}

impl SignalRow {
    pub(crate) fn read(self, place: &Place) -> Result<SentSignal, StoreError> {
        let details = parse(place, "details of a signal", &self.details)?;
        Ok(SentSignal {
            number: self.number,
            signal: Signal {
                details,
                ..self.signal
            },
            taken: self.taken,
        })
    }
}

pub(crate) fn missing(deployment: &str, number: u64) -> StoreError {
    StoreError::Missing {
        what: format!("signal {number} of deployment `{deployment}`"),
    }
}
