//! What is done to the world: an operation once the fleet's model has worked out what it means
//! for every target, or one step of an undo.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    executor::World,
    failure::Failure,
    rules::Point,
    signal::{Approvers, Signal},
    subject::{Name, Timestamp},
    traffic::{Reading, Traffic},
};

/// One change to the world, or one wait on it. Every effect is safe to repeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum Effect {
    /// Reads every target and the load balancer: a deployment's first record, the last of its
    /// undo, and the first of whoever takes it up again. Done by [`crate::Executor::observe`];
    /// never given to [`crate::Executor::execute`].
    Observe,
    /// Puts a release on targets.
    Install {
        /// Where.
        targets: BTreeSet<Name>,
        /// The id of the release.
        release: Name,
    },
    /// Makes a release the active one.
    Activate {
        /// The release's id by target.
        releases: BTreeMap<Name, Name>,
    },
    /// Leaves nothing of the application running.
    Deactivate {
        /// Where.
        targets: BTreeSet<Name>,
    },
    /// Removes an installed release.
    Remove {
        /// Where.
        targets: BTreeSet<Name>,
        /// The id of the release.
        release: Name,
    },
    /// Reads the load balancer.
    ReadTraffic,
    /// Makes the load balancer do exactly this, and reads it back until it shows it.
    Apply {
        /// What is wanted.
        traffic: Traffic,
        /// These lose their traffic: wait until they have answered what they have.
        drained: BTreeSet<Name>,
        /// These gain traffic: where the balancer checks its members, they join without a
        /// share first.
        joining: BTreeSet<Name>,
        /// How long to wait for the drained, in milliseconds.
        drain_ms: u64,
    },
    /// Waits until each target is proven for its release.
    AwaitHealthy {
        /// The release's id by target.
        releases: BTreeMap<Name, Name>,
        /// In milliseconds.
        timeout_ms: u64,
    },
    /// Holds metrics against their limits.
    Watch {
        /// The targets of the new release.
        candidate: BTreeSet<Name>,
        /// The targets it is compared with.
        baseline: BTreeSet<Name>,
        /// When it began.
        #[serde(default)]
        since: Timestamp,
        /// When it is over.
        until: Timestamp,
    },
    /// Waits; without end where no end is given.
    Wait {
        /// When it began: as long as it was paused since then, it ends later.
        #[serde(default)]
        since: Timestamp,
        /// A deadline, so that a wait that was cut off waits for what is left.
        until: Option<Timestamp>,
    },
    /// Waits until enough operators approve. Done with a report that names them; see
    /// [`Approvers::decision`].
    Approval {
        /// What they are asked.
        question: String,
        /// Who may answer.
        #[serde(default)]
        approvers: Approvers,
        /// When it was asked.
        #[serde(default)]
        since: Timestamp,
        /// When it is too late.
        until: Option<Timestamp>,
    },
    /// Waits until whoever paused the deployment, or somebody else, says `continue`.
    Hold {
        /// Who paused it, and why.
        pause: Signal,
    },
    /// Runs one of the operator's steps.
    Step {
        /// Its place in [`crate::Rules::steps`].
        step: usize,
        /// Where in the deployment.
        point: Point,
        /// The targets concerned.
        targets: BTreeSet<Name>,
    },
    /// Takes one of the operator's steps back.
    UndoStep {
        /// Its place in [`crate::Rules::steps`].
        step: usize,
        /// Where in the deployment it ran.
        point: Point,
        /// The targets it ran with.
        targets: BTreeSet<Name>,
        /// What it returned.
        outcome: Value,
    },
}

/// The circumstances of one effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The record's place in the deployment; with the deployment's id it makes the idempotency
    /// key.
    pub sequence: u64,
    /// 1 the first time.
    pub attempt: u32,
    /// Targets to keep checking while a wait lasts, with the release each should run.
    pub monitored: BTreeMap<Name, Name>,
    /// Whether this takes something back: an abort does not interrupt it.
    pub undoing: bool,
}

/// How an effect went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Targets on which it failed, or, for a wait, which are no longer well.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<Name, Failure>,
    /// What failed as a whole, for example the load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What the load balancer showed, after a change to it or where it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
    /// What was found, by [`Effect::Observe`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<World>,
    /// What a step returned, what a watch saw (`kind`, `details`), what a drain cut off (`cut`).
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
    /// What people outside said that had a part in how it went, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<Signal>,
}

impl Report {
    /// The report of an effect that failed as a whole.
    pub fn failed(failure: Failure) -> Self {
        Self {
            failure: Some(failure),
            ..Self::default()
        }
    }
}
