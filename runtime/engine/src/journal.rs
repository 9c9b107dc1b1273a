//! What a deployment writes down: each intent, with what undoes it, before the effect; each
//! outcome after.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    effect::{Effect, Report},
    failure::Failure,
    operation::{Answer, Operation},
    subject::{Name, Timestamp},
    traffic::Traffic,
};

/// Who wanted an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by", content = "of")]
pub enum Origin {
    /// A call of the strategy.
    Strategy,
    /// One of the operator's steps, at its point.
    Step,
    /// The deployment itself: an observation, or a target that is left out.
    Host,
    /// The undo of the record with this sequence; where it takes several back in one, that of
    /// the oldest.
    Undo(u64),
    /// The deployment takes another way from here on. Nothing is done; the outcome has why.
    Turn(Turn),
}

/// The way that a deployment takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// Everything is taken back.
    Back,
    /// It stays as it stands.
    Freeze,
    /// It was frozen, and goes on: what failed last is tried again.
    Forth,
}

/// What puts back what an effect replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "undo")]
pub enum Undo {
    /// Nothing was changed that lasts.
    Nothing,
    /// Removes the release where it was not before.
    Remove {
        /// From these.
        targets: Vec<Name>,
        /// The release's id.
        release: Name,
    },
    /// Brings back what was active on each target; nothing where nothing was.
    Reactivate {
        /// Target, and the release's id.
        releases: Vec<(Name, Option<Name>)>,
    },
    /// Puts the traffic back.
    Traffic {
        /// As it was.
        before: Traffic,
    },
    /// Takes a step back, with what it returned.
    Step,
    /// Cannot be taken back: past this, a failure freezes the deployment.
    Irreversible,
}

/// Written before an effect starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Counts from 1 within the deployment, without a gap.
    pub sequence: u64,
    /// Who wanted it.
    pub origin: Origin,
    /// What the strategy asked for; none where it was not the strategy.
    pub operation: Option<Operation>,
    /// What is about to be done; none where nothing is (a refusal, the time).
    pub effect: Option<Effect>,
    /// What undoes it.
    pub undo: Undo,
    /// 1 the first time.
    pub attempt: u32,
    /// When.
    pub started: Timestamp,
}

/// Written after an effect ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it went. A strategy got this as its answer, unless one of the steps or the leaving
    /// out that follow it, in records of their own, failed.
    pub result: Result<Answer, Failure>,
    /// What the executor said; none where nothing was done.
    pub report: Option<Report>,
    /// When.
    pub ended: Timestamp,
}

/// One line of a deployment's record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Before.
    pub intent: Intent,
    /// After; none for the effect that was under way when the process ended.
    pub outcome: Option<Outcome>,
}

/// Why something could not be written down. Nothing may be done then.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum JournalError {
    /// Another process holds the deployment's lease.
    #[error("lost the lease of this deployment to {holder}")]
    LeaseLost {
        /// Who has it now, as far as is known.
        holder: String,
    },
    /// This process was asked to leave the deployment to another one: it begins no effect.
    #[error("left to another process")]
    Left,
    /// The store did not take it.
    #[error("the state store did not keep the record: {0}")]
    Store(String),
}

/// Where the record is kept.
#[async_trait]
pub trait Journal: Send {
    /// Makes the intent durable, in one step with the check that this process still holds the
    /// lease. One whose outcome is not known may be begun again, with a greater
    /// [`Intent::attempt`]: the record is this process's from there on.
    async fn begin(&mut self, intent: &Intent) -> Result<(), JournalError>;

    /// Makes the outcome durable.
    async fn end(&mut self, sequence: u64, outcome: &Outcome) -> Result<(), JournalError>;

    /// Both in one, for what has no effect.
    async fn note(&mut self, intent: &Intent, outcome: &Outcome) -> Result<(), JournalError>;

    /// Keeps how the deployment ended, and lets go of nothing else.
    async fn close(&mut self, verdict: &Value, at: Timestamp) -> Result<(), JournalError>;
}
