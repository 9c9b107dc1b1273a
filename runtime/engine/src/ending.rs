//! Whether a strategy's `ok` counts: every failure it was told of was made good, and every
//! target that takes part is on the release, proven and ready, with all traffic on it.

use serde_json::json;

use crate::{
    failure::{Code, Failure},
    fleet::Fleet,
    operation::Operation,
    phrase,
    traffic::Admission,
};

/// Failures that a strategy was told of and has not made good.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failures {
    open: Vec<(Operation, Failure)>,
}

impl Failures {
    /// A call was answered. The same call again, with success, makes a failure good; but for
    /// one that was a judgement on the release.
    pub(crate) fn answered(&mut self, operation: &Operation, failure: Option<&Failure>) {
        match failure {
            // One of each is enough to fail by; a strategy that tries for ever adds no more.
            Some(failure) if !self.open.iter().any(|(open, _)| open == operation) => {
                self.open.push((operation.clone(), failure.clone()));
            }
            Some(_) => {}
            None if self.open.is_empty() || judges(operation) => {}
            None => self.open.retain(|(open, _)| open != operation),
        }
    }

    /// The first that was ignored.
    pub(crate) fn ignored(&self) -> Option<Failure> {
        let (_, failure) = self.open.first()?;
        let mut ignored = failure.clone();
        ignored.message = format!("the strategy went on after a failure: {}", failure.message);
        ignored.details = json!({ "rule": "failure-ignored", "cause": ignored.details });
        Some(ignored)
    }
}

fn judges(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::Watch { .. } | Operation::Wait { .. } | Operation::Approval { .. }
    )
}

/// Whether the deployment is at its end.
pub(crate) fn check(fleet: &Fleet) -> Result<(), Failure> {
    let expected: Vec<usize> = fleet
        .places()
        .filter(|place| {
            let group = &fleet.groups()[fleet.state(*place).group].name;
            fleet.state(*place).takes_part() && !fleet.rules().idle.contains(group)
        })
        .collect();
    let wrong = |holds: &dyn Fn(usize) -> bool| -> Vec<usize> {
        expected
            .iter()
            .copied()
            .filter(|place| !holds(*place))
            .collect()
    };
    let told = |places: &[usize]| phrase::names(fleet.names(places));
    let old = wrong(&|place| fleet.renewed(place));
    if !old.is_empty() {
        return early(format!(
            "{} is not active on {}",
            fleet.release(),
            told(&old)
        ));
    }
    let unproven = wrong(&|place| fleet.state(place).proven);
    if !unproven.is_empty() {
        return early(format!(
            "{} not proven healthy",
            is(&told(&unproven), &unproven)
        ));
    }
    if !fleet.balanced() {
        return somewhere(fleet.places().any(|place| fleet.renewed(place)), fleet);
    }
    if fleet.in_doubt() {
        return early("it is not certain what the load balancer does".to_owned());
    }
    // Where a group has no share, a balancer may not tell ready from out, and a share given to
    // it later lets its proven members in.
    let out = wrong(&|place| match fleet.distribution().admissions[place] {
        Admission::Ready => true,
        Admission::Out => fleet.distribution().shares[fleet.state(place).group] <= 0.0,
        Admission::Draining => false,
    });
    if !out.is_empty() {
        return early(format!("{} not ready for traffic", is(&told(&out), &out)));
    }
    let served: Vec<usize> = fleet
        .places()
        .filter(|place| fleet.reaches(*place, fleet.distribution()))
        .collect();
    let ill: Vec<usize> = served
        .iter()
        .copied()
        .filter(|place| !fleet.state(*place).proven)
        .collect();
    if !ill.is_empty() {
        return early(format!(
            "{} traffic without being healthy",
            gets(&told(&ill), &ill)
        ));
    }
    let elsewhere: Vec<usize> = served
        .iter()
        .copied()
        .filter(|place| fleet.state(*place).takes_part() && !fleet.renewed(*place))
        .collect();
    if !elsewhere.is_empty() {
        let gets = gets(&told(&elsewhere), &elsewhere);
        return early(format!("{gets} traffic for another release still"));
    }
    somewhere(served.iter().any(|place| fleet.renewed(*place)), fleet)
}

fn somewhere(any: bool, fleet: &Fleet) -> Result<(), Failure> {
    if any {
        Ok(())
    } else {
        early(format!("nobody gets traffic for {}", fleet.release()))
    }
}

fn is(names: &str, places: &[usize]) -> String {
    format!("{names} {}", if places.len() == 1 { "is" } else { "are" })
}

fn gets(names: &str, places: &[usize]) -> String {
    format!("{names} {}", if places.len() == 1 { "gets" } else { "get" })
}

fn early(what: String) -> Result<(), Failure> {
    let message = format!("the strategy ended before the deployment was complete: {what}");
    let mut failure = Failure::new(Code::Refused, message);
    failure.details = json!({ "rule": "incomplete" });
    Err(failure)
}
