//! A lease's row, what became of a lease, and what the audit says about it.

use engine::Timestamp;
use serde_json::{Value, json};

use crate::{
    audit::AuditEntry,
    lease::{Held, Owner, Scope},
};

/// A scope's row: its last holder, and until when; none where that one has let go.
pub(crate) struct Standing {
    pub(crate) last: Held,
    pub(crate) held: bool,
}

impl Standing {
    /// Who holds it; also one whose time ran out.
    pub(crate) fn holder(self) -> Option<Held> {
        self.held.then_some(self.last)
    }
}

/// What became of the lease with that token, for people; none where it still is that one's.
///
/// With a time, one that ran out is lost, too.
pub(crate) fn whereabouts(
    standing: Option<&Standing>,
    token: u64,
    at: Option<Timestamp>,
) -> Option<String> {
    let Some(Standing { last, held }) = standing else {
        return Some("nobody (the store knows of no such lease)".to_owned());
    };
    match (last.token == token, held) {
        (false, true) => Some(last.owner.to_string()),
        (false, false) => Some(format!("{}, who has let go of it", last.owner)),
        (true, false) => Some("nobody (it was released or broken)".to_owned()),
        (true, true) => at
            .filter(|at| !last.is_live(*at))
            .map(|_| "nobody (it ran out and was not renewed)".to_owned()),
    }
}

/// An owner, as the audit names it.
pub(crate) fn who(owner: &Owner) -> Value {
    json!({
        "actor": owner.actor,
        "host": owner.host,
        "process": owner.process,
        "purpose": owner.purpose,
        "deployment": owner.deployment,
    })
}

/// What somebody did with a lease or with the deployment that it covers.
pub(crate) fn entry(
    scope: &Scope,
    by: &Owner,
    at: Timestamp,
    action: &str,
    details: Value,
) -> AuditEntry {
    AuditEntry {
        at,
        deployment: by.deployment.clone(),
        application: scope.application.clone(),
        environment: scope.environment.clone(),
        action: action.to_owned(),
        actor: by.actor.clone(),
        host: by.host.clone(),
        details,
    }
}
