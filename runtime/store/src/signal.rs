//! Signals: what somebody wants of a deployment that another process runs.

use engine::Timestamp;
use serde_json::Value;

/// Something that is wanted of a deployment, by whom and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// What, for example `pause` or `abort`. The store knows no kinds.
    pub kind: String,
    /// Anything else.
    pub details: Value,
    /// The person or the service.
    pub actor: String,
    /// The machine that the actor is on.
    pub host: String,
    /// Why, in the actor's words.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A signal that was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct SentSignal {
    /// Counts from 1 within the deployment, without a gap.
    pub number: u64,
    /// What is wanted.
    pub signal: Signal,
    /// When somebody acted on it; none while nobody has.
    pub taken: Option<Timestamp>,
}
