//! Ends a deployment whose operator asked for it: the call under way ends by itself, every
//! later one is answered `interrupted`, and a strategy that goes on calling is stopped.

use std::sync::Arc;

use crate::{
    executor::{Control, Interruption},
    failure::{Code, Failure},
    journal::Outcome,
    signal::Signal,
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

impl Interruptions {
    pub(crate) fn new(control: Arc<dyn Control>) -> Self {
        Self {
            control,
            asked: None,
            calls: 0,
            calls_after: 0,
        }
    }

    /// Looks whether somebody asked to stop; gives it the first time.
    pub(crate) fn look(&mut self) -> Option<&Interruption> {
        if self.asked.is_some() {
            return None;
        }
        self.asked = self.control.interruption();
        self.asked.as_ref()
    }

    /// The failure of a deployment that somebody asked to stop.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.asked.as_ref().map(Interruption::failure)
    }

    /// Takes up what a record tells: somebody had asked to stop.
    pub(crate) fn heard(&mut self, outcome: &Outcome) {
        if self.asked.is_some() {
            return;
        }
        let report = outcome.report.iter();
        let parts = report.flat_map(|report| report.failure.iter().chain(report.failed.values()));
        let mut failures = outcome.result.as_ref().err().into_iter().chain(parts);
        self.asked = failures.find_map(Interruption::told_by);
    }

    /// The pause that is in force.
    pub(crate) fn pause(&self) -> Option<Signal> {
        self.control.pause()
    }

    /// Counts a call of the strategy.
    pub(crate) fn called(&mut self) {
        self.calls += 1;
        if self.asked.is_some() {
            self.calls_after += 1;
        }
    }

    /// What a call is to be answered, where it is not to happen.
    pub(crate) fn refusal(&self) -> Option<Failure> {
        if self.calls > CALLS_MAX {
            return Some(endless());
        }
        self.failure()
    }

    /// Whether the strategy does not take no for an answer.
    pub(crate) fn over(&self) -> bool {
        self.calls_after > CALLS_AFTER_MAX || self.calls > CALLS_MAX
    }

    /// What a strategy that had to be stopped failed with.
    pub(crate) fn stopped(&self) -> Failure {
        if self.calls > CALLS_MAX {
            return endless();
        }
        self.failure()
            .unwrap_or_else(|| Failure::new(Code::Interrupted, "the strategy was stopped"))
    }
}

fn endless() -> Failure {
    let message = format!("the strategy made more than {CALLS_MAX} calls, and was stopped");
    Failure::new(Code::Interrupted, message)
}
