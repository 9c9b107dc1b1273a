//! What listeners hear: the terminal, the log, the audit, notifiers.

use serde::{Deserialize, Serialize};

use crate::{
    effect::Effect,
    executor::Interruption,
    failure::Failure,
    halt::Halt,
    journal::{Intent, Outcome},
    signal::Signal,
    subject::{Name, Timestamp},
    traffic::Traffic,
};

/// How a deployment ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// Every target that was not left out runs the release, with all traffic on it.
    Succeeded {
        /// Targets that were left out, and why.
        left_out: Vec<(Name, Failure)>,
    },
    /// Everything was taken back, and read back.
    RolledBack {
        /// Why.
        cause: Failure,
    },
    /// Taking it back did not work everywhere.
    Stuck {
        /// Why it was taken back.
        cause: Failure,
        /// What is not as it was, each a sentence for a person.
        differences: Vec<String>,
    },
    /// It failed where it must not be taken back by itself.
    Frozen {
        /// Why.
        cause: Failure,
        /// What stands where, each a sentence for a person.
        differences: Vec<String>,
    },
    /// It failed before it changed anything.
    Refused {
        /// Why.
        cause: Failure,
    },
    /// Going on with it stopped before anything was done or written: it is open as it was.
    Halted {
        /// Why.
        halt: Halt,
    },
    /// This process was asked to leave it to another one: it is open, and goes on there.
    Left,
    /// It ended without having a say: the lease or the store was lost.
    Abandoned {
        /// Why.
        cause: Failure,
    },
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// An effect or a refusal is about to be recorded and done.
    Started(&'a Intent),
    /// It is over.
    Ended(&'a Intent, &'a Outcome),
    /// A stage of the strategy began.
    Stage(&'a str),
    /// The load balancer now does this.
    Traffic(&'a Traffic),
    /// A target was proven, or lost its proof.
    Health {
        /// Which.
        target: &'a Name,
        /// Whether it is proven.
        proven: bool,
    },
    /// A wait began.
    Waiting {
        /// What for.
        effect: &'a Effect,
        /// When it ends by itself.
        until: Option<Timestamp>,
    },
    /// A target is passed over from here on.
    LeftOut {
        /// Which.
        target: &'a Name,
        /// Why.
        failure: &'a Failure,
    },
    /// It goes on where another process stopped, after so many records.
    Resumed {
        /// How many there were.
        records: u64,
        /// What somebody changed meanwhile, each a sentence for a person.
        drift: &'a [String],
    },
    /// Somebody paused it, let it go on, promoted, approved or rejected.
    Heeded(&'a Signal),
    /// Someone asked to end it.
    Interrupted(&'a Interruption),
    /// Everything done is about to be taken back.
    Undoing {
        /// Why.
        cause: &'a Failure,
    },
    /// The end.
    Closed(&'a Verdict),
}

/// Hears of everything that happens in a deployment. Must not block for long.
pub trait Observer: Send + Sync {
    /// Called in the order in which things happen.
    fn event(&self, at: Timestamp, event: &Event<'_>);
}
