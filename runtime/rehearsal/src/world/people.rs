//! Waiting: for a time, for metrics, for people; with an eye on the targets all the while.

use std::collections::BTreeSet;

use engine::{Approvers, Call, Code, Failure, Name, Report, Signal, Wish};
use serde_json::{Value, json};

use super::Inner;
use crate::fault::Flaw;

/// Errors above this part, in percent, are more than any analysis lets pass.
const ERRORS_PERCENT: f64 = 1.0;
/// How long an analysis looks before it says anything.
const ANALYSIS_MS: u64 = 60_000;
/// By how much late metrics are late.
const LATE_MS: u64 = 5 * 60_000;

impl Inner {
    /// Lets time go by until then, or until somebody aborts or a target falls ill: gives what it
    /// ends with then.
    fn attend(&mut self, until: u64, call: &Call) -> Option<Report> {
        loop {
            // What the load balancer does late may change who is ill.
            let late = self.late.as_ref().map(|(at, _)| *at);
            let end = late.map_or(until, |late| late.min(until)).max(self.now);
            let ill = self.first_ill(&call.monitored, end);
            let abort = self
                .plight
                .abort()
                .filter(|(at, _)| !call.undoing && *at < end);
            match (ill, abort) {
                (Some((at, place)), abort)
                    if abort.as_ref().is_none_or(|(abort, _)| at <= *abort) =>
                {
                    self.advance(at);
                    return Some(self.fell_ill(place));
                }
                (_, Some((at, interruption))) => {
                    self.advance(at.max(self.now));
                    return Some(Report::failed(interruption.failure()));
                }
                _ => self.advance(end),
            }
            if end >= until {
                return None;
            }
        }
    }

    pub(super) fn wait(&mut self, until: Option<u64>, call: &Call) -> Report {
        let end = until.unwrap_or(self.now + self.scene.habits.answer_ms);
        if let Some(report) = self.attend(end, call) {
            return report;
        }
        let promoted = || said(Wish::Promote { full: false }, "operator");
        Report {
            signals: until.is_none().then(promoted).into_iter().collect(),
            value: json!({ "kind": "passed" }),
            ..Report::default()
        }
    }

    /// Nobody pauses a rehearsal; a pause that somebody made ends as soon as they are asked.
    pub(super) fn held(&mut self, call: &Call) -> Report {
        let end = self.now + self.scene.habits.answer_ms;
        self.attend(end, call).unwrap_or_else(|| Report {
            signals: vec![said(Wish::Continue, "operator")],
            ..Report::default()
        })
    }

    pub(super) fn approval(
        &mut self,
        approvers: &Approvers,
        until: Option<u64>,
        call: &Call,
    ) -> Report {
        let answered = self.now + self.scene.habits.answer_ms;
        let end = until.map_or(answered, |until| until.min(answered));
        if let Some(report) = self.attend(end, call) {
            return report;
        }
        if end < answered {
            let text = "nobody decided in time";
            return Report::failed(Failure::new(Code::Timeout, text));
        }
        let approving: Vec<Signal> = approvers
            .by
            .iter()
            .map(|by| said(Wish::Approve, by))
            .collect();
        let open = || Report::failed(Failure::new(Code::Timeout, "too few can approve"));
        approvers.decision(&approving).unwrap_or_else(open)
    }

    /// Holds metrics against a limit, as well as they tell.
    pub(super) fn watch(&mut self, candidate: &BTreeSet<Name>, until: u64, call: &Call) -> Report {
        let places = self.scene.find(candidate.iter());
        let errors = places.iter().map(|place| {
            let site = &self.sites[*place];
            self.plight.errors_percent(site.renewed)
        });
        let errors = errors.fold(0.0, f64::max);
        let flaw = self.plight.metrics();
        let seen = match flaw {
            Some(Flaw::Missing) => None,
            Some(Flaw::Noisy) => Some(self.now + ANALYSIS_MS),
            Some(Flaw::Late) if errors > ERRORS_PERCENT => Some(self.now + ANALYSIS_MS + LATE_MS),
            None if errors > ERRORS_PERCENT => Some(self.now + ANALYSIS_MS),
            _ => None,
        };
        let breach = seen.filter(|at| *at < until);
        if let Some(report) = self.attend(breach.unwrap_or(until), call) {
            return report;
        }
        if breach.is_some() {
            let text = "error rate: more than 1 % of the requests failed";
            return Report::failed(Failure::new(Code::Breached, text));
        }
        let kind = match flaw {
            Some(Flaw::Missing) => "inconclusive",
            _ => "passed",
        };
        Report {
            value: json!({ "kind": kind, "details": Value::Null }),
            ..Report::default()
        }
    }
}

fn said(wish: Wish, by: &str) -> Signal {
    Signal {
        wish,
        by: by.to_owned(),
        reason: "as rehearsed".to_owned(),
    }
}
