//! Writes what a deployment does into the audit: who asked for what, and how it ended.

use std::sync::Arc;

use engine::{Effect, Event, Observer, Timestamp, Verdict};
use serde_json::{Value, json};
use store::{AuditEntry, Store};

use crate::system;

/// Listens to a deployment, and keeps each change of the world in the audit. The rows become
/// durable together with the record.
pub(crate) struct Auditor {
    /// Keeps them.
    pub(crate) store: Arc<dyn Store>,
    /// The deployment's id.
    pub(crate) deployment: String,
    /// The application.
    pub(crate) application: String,
    /// The environment.
    pub(crate) environment: String,
    /// Who asked for it.
    pub(crate) actor: String,
}

impl Auditor {
    fn keep(&self, at: Timestamp, action: &str, details: Value) {
        self.store.audit(vec![AuditEntry {
            at,
            deployment: Some(self.deployment.clone()),
            application: self.application.clone(),
            environment: self.environment.clone(),
            action: action.to_owned(),
            actor: self.actor.clone(),
            host: system::host(),
            details,
        }]);
    }
}

impl Observer for Auditor {
    fn event(&self, at: Timestamp, event: &Event<'_>) {
        match event {
            Event::Ended(intent, outcome) => {
                let action = match &intent.effect {
                    Some(effect) => action(effect),
                    None if outcome.result.is_err() => Some("refused"),
                    None => None,
                };
                if let Some(action) = action {
                    let details = json!({
                        "sequence": intent.sequence,
                        "effect": intent.effect,
                        "operation": intent.operation,
                        "result": outcome.result,
                    });
                    self.keep(at, action, details);
                }
            }
            Event::Interrupted(interruption) => {
                self.keep(
                    at,
                    "abort",
                    json!({ "by": interruption.by, "reason": interruption.reason }),
                );
            }
            Event::Resumed { records, drift } => {
                let details = json!({ "records": records, "drift": drift });
                self.keep(at, "resume", details);
            }
            Event::Heeded(signal) => self.keep(at, "signal", json!(signal)),
            Event::Closed(verdict) => self.keep(at, ending(verdict), json!({ "verdict": verdict })),
            _ => {}
        }
    }
}

/// The audit's name of a change; none for what only looks or waits.
fn action(effect: &Effect) -> Option<&'static str> {
    match effect {
        Effect::Install { .. } => Some("install"),
        Effect::Activate { .. } => Some("activate"),
        Effect::Deactivate { .. } => Some("deactivate"),
        Effect::Remove { .. } => Some("remove"),
        Effect::Apply { .. } => Some("traffic_shift"),
        Effect::Approval { .. } => Some("approval"),
        Effect::Step { .. } => Some("step"),
        Effect::UndoStep { .. } => Some("step_undo"),
        _ => None,
    }
}

fn ending(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded { .. } => "deployment_succeeded",
        Verdict::RolledBack { .. } => "deployment_rolled_back",
        Verdict::Stuck { .. } => "deployment_stuck",
        Verdict::Frozen { .. } => "deployment_frozen",
        Verdict::Refused { .. } => "deployment_refused",
        Verdict::Halted { .. } => "deployment_halted",
        Verdict::Left => "deployment_left",
        Verdict::Abandoned { .. } => "deployment_abandoned",
    }
}
