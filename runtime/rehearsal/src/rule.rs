//! What a run shows to be wrong: with the program, where an invariant does not hold; with the
//! strategy, where it asks for what must not be.

use std::fmt;

use engine::{Failure, Operation, invariants::Breach};
use serde::{Deserialize, Serialize};

use crate::{
    random::Random,
    run::{Ending, Look, Run},
};

/// Whose mistake it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// The guard let it happen: a fault of the program.
    Program,
    /// The strategy asked for it, and the guard did not let it happen.
    Strategy,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// By whom.
    pub by: Whose,
    /// Which.
    pub rule: String,
    /// What was seen.
    pub message: String,
}

impl Broken {
    pub(crate) fn strategy(rule: &str, message: impl Into<String>) -> Self {
        Self {
            by: Whose::Strategy,
            rule: rule.to_owned(),
            message: message.into(),
        }
    }

    pub(crate) fn invariant(breach: Breach) -> Self {
        Self {
            by: Whose::Program,
            rule: breach.invariant.as_str().to_owned(),
            message: breach.message,
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.message)
    }
}

/// What the end of the strategy itself shows: it trapped, or was over its bounds.
pub(crate) fn of_the_end(failure: &Failure) -> Option<Broken> {
    let rule = match failure.details["ended"].as_str()? {
        "over-limit" | "timed-out" => "never-ends",
        "trapped" => "traps",
        _ => return None,
    };
    Some(Broken::strategy(rule, failure.message.clone()))
}

/// What the whole of a run shows. What the guard refused counts, whatever went wrong before: a
/// strategy knows what it was told.
pub(crate) fn of_the_run(
    broken: &mut Vec<Broken>,
    refused: &[Failure],
    cause: Option<&Failure>,
    ending: Ending,
    unharmed: bool,
) {
    for failure in refused {
        let rule = failure.details["rule"].as_str().unwrap_or("invalid");
        broken.push(Broken::strategy(rule, failure.message.clone()));
    }
    if let Some(cause) = cause {
        match cause.details["rule"].as_str() {
            Some(rule @ ("incomplete" | "failure-ignored")) => {
                broken.push(Broken::strategy(rule, cause.message.clone()));
            }
            _ if broken.is_empty() && unharmed && ending != Ending::Succeeded => {
                let message = format!("nothing went wrong, and it failed: {}", cause.message);
                broken.push(Broken::strategy("fails-unharmed", message));
            }
            _ => {}
        }
    }
}

/// Begins the run of a strategy that asks for the time at other times, too: whatever the time is,
/// it makes the same calls.
pub(crate) fn clock(mut run: Run, again: impl Fn(Look) -> Vec<Operation>) -> Run {
    /// About as long as a clock takes to come round in every respect.
    const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
    let later_ms = 1 + Random::new(run.seed).below(WEEK_MS);
    let looks = [0, later_ms].map(|later_ms| Look {
        later_ms,
        keeps_calls: true,
        ..Look::default()
    });
    let [now, later] = looks.map(again);
    let differs = now.iter().zip(&later).position(|(one, other)| one != other);
    let place = differs.or((now.len() != later.len()).then(|| now.len().min(later.len())));
    if let Some(place) = place {
        let told = |calls: &[Operation]| match calls.get(place) {
            Some(operation) => format!("asks for {}", name(operation)),
            None => "ends".to_owned(),
        };
        let message = format!(
            "call {} hangs on the time: the strategy {}, and {} where it begins {} minutes later",
            place + 1,
            told(&now),
            told(&later),
            later_ms / 60_000
        );
        run.broken
            .push(Broken::strategy("branches-on-the-clock", message));
    }
    run
}

fn name(operation: &Operation) -> String {
    let value = serde_json::to_value(operation).unwrap_or_default();
    value["call"].as_str().unwrap_or_default().to_owned()
}
