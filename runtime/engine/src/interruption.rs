//! Ends a deployment whose operator asked for it: the call under way ends by itself, every
//! later one is answered `interrupted`, and a strategy that goes on calling is stopped.

use std::sync::Arc;

use crate::{
    executor::{Control, Interruption},
    failure::{Code, Failure},
};

/// How many calls a strategy may still make after it was told to end: enough to pass the failure
/// on through whatever cleaning up it does, few enough for the record.
const CALLS_AFTER_MAX: u32 = 16;

/// How many calls one strategy may make: ten times those of one that switches a thousand
/// targets one by one. One that polls would fill the store.
const CALLS_MAX: u32 = 100_000;

/// What people outside asked for, and how the strategy took it.
pub(crate) struct Interruptions {
    control: Arc<dyn Control>,
    asked: Option<Interruption>,
    calls: u32,
    calls_after: u32,
}

/// What is to be answered to a call.
pub(crate) enum Halt {
    /// Whatever it comes to.
    Go,
    /// This failure; where it is for the first time, with who asked.
    Stop(Failure, Option<Interruption>),
}

impl Interruptions {
    pub(crate) fn new(control: Arc<dyn Control>) -> Self {
        Self { control, asked: None, calls: 0, calls_after: 0 }
    }

    /// Counts a call of the strategy.
    pub(crate) fn call(&mut self) -> Halt {
        self.calls += 1;
        if self.calls > CALLS_MAX {
            return Halt::Stop(endless(), None);
        }
        let first = self.asked.is_none();
        match self.pending() {
            None => Halt::Go,
            Some(failure) => {
                self.calls_after += 1;
                Halt::Stop(failure, self.asked.clone().filter(|_| first))
            }
        }
    }

    /// The failure of a deployment that somebody asked to end.
    pub(crate) fn pending(&mut self) -> Option<Failure> {
        if self.asked.is_none() {
            self.asked = self.control.interruption();
        }
        let Interruption { by, reason } = self.asked.as_ref()?;
        let message = format!("{by} asked to stop the deployment: {reason}");
        Some(Failure::new(Code::Interrupted, message))
    }

    /// Whether the strategy does not take no for an answer.
    pub(crate) fn over(&self) -> bool {
        self.calls_after > CALLS_AFTER_MAX || self.calls > CALLS_MAX
    }

    /// What a strategy that had to be stopped failed with.
    pub(crate) fn stopped(&mut self) -> Failure {
        if self.calls > CALLS_MAX {
            return endless();
        }
        let asked = self.pending();
        asked.unwrap_or_else(|| Failure::new(Code::Interrupted, "the strategy was stopped"))
    }
}

fn endless() -> Failure {
    let message = format!("the strategy made more than {CALLS_MAX} calls, and was stopped");
    Failure::new(Code::Interrupted, message)
}
