//! The first waist: everything that a strategy can ask for, as one enum.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    failure::Failure,
    subject::{Name, Timestamp},
    traffic::Share,
};

/// One call of a strategy (`wit/rollout.wit`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub enum Operation {
    /// Puts the release beside the one that runs.
    Install {
        /// On these.
        targets: Vec<Name>,
    },
    /// Makes the release the one that runs.
    Activate {
        /// On these.
        targets: Vec<Name>,
    },
    /// What each group gets now.
    ReadTraffic,
    /// Gives each group its share; one not named gets 0.
    Split {
        /// They add up to 100.
        shares: Vec<Share>,
    },
    /// Sends no new requests, and waits for the old ones.
    Drain {
        /// To these.
        targets: Vec<Name>,
        /// Where the operator's limit is not shorter, in milliseconds.
        timeout_ms: Option<u64>,
    },
    /// Lets targets take part in their group's share again.
    Restore {
        /// These.
        targets: Vec<Name>,
    },
    /// Waits until every target is proven.
    AwaitHealthy {
        /// These.
        targets: Vec<Name>,
        /// Where the operator's limit is not shorter, in milliseconds.
        timeout_ms: Option<u64>,
    },
    /// Holds metrics against their limits.
    Watch {
        /// The targets of the new release.
        candidate: Vec<Name>,
        /// The targets it is compared with; none where empty.
        baseline: Vec<Name>,
        /// In milliseconds.
        duration_ms: u64,
    },
    /// Starts a named part of the deployment.
    Begin {
        /// Shown to whoever watches.
        stage: String,
    },
    /// Waits; without end where no duration is given.
    Wait {
        /// In milliseconds.
        duration_ms: Option<u64>,
    },
    /// Waits until enough operators approve.
    Approval {
        /// What they are asked.
        question: String,
        /// In milliseconds.
        timeout_ms: Option<u64>,
    },
    /// The time, as the deployment sees it.
    Now,
}

/// What an operation that did not fail gives back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "value", rename_all = "kebab-case")]
pub enum Answer {
    /// It is done.
    Done,
    /// To [`Operation::ReadTraffic`].
    Traffic(Vec<Share>),
    /// To [`Operation::Watch`]: `passed` or `inconclusive`, and what was seen.
    Verdict {
        /// `passed` or `inconclusive`.
        kind: String,
        /// The measurements.
        details: Value,
    },
    /// To [`Operation::Now`].
    Time(Timestamp),
}

/// What a strategy is given to work with.
#[async_trait]
pub trait Operations: Send {
    /// Passes the operation through every layer down to the executor.
    ///
    /// Fails with what the operation failed with, and with `interrupted` once the deployment
    /// is to end.
    async fn perform(&mut self, operation: Operation) -> Result<Answer, Failure>;

    /// Whether nothing will be answered any more: the strategy went on calling after it was
    /// told to end, or the record can no longer be kept. Whoever runs the strategy stops it;
    /// a call that is made all the same may stay without an answer for ever.
    fn over(&self) -> bool;
}

/// Decides in what order targets get a release, and how traffic follows.
#[async_trait]
pub trait Strategy: Send {
    /// Runs the strategy to its end. Must be deterministic: the same answers, the same calls.
    async fn run(&mut self, operations: &mut dyn Operations) -> Result<(), Failure>;
}
