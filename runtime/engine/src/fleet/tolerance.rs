//! How many targets may be left out, and which of them must be taken out of the traffic.

use std::collections::BTreeMap;

use super::{Distribution, Fleet, Resolution, serving::at_most};
use crate::{
    failure::{Code, Failure},
    guard, phrase,
    subject::Name,
    traffic::Admission,
};

impl Fleet {
    /// Fails where more targets could not be asked at the start than may be left out.
    pub(crate) fn check_reachable(&self) -> Result<(), Failure> {
        let lost: Vec<usize> = self
            .places()
            .filter(|place| self.states[*place].left_out.is_some())
            .collect();
        if lost.len() <= self.tolerated() {
            return Ok(());
        }
        let failures = lost.iter().filter_map(|place| {
            Some((
                self.name(*place).clone(),
                self.states[*place].left_out.clone()?,
            ))
        });
        let failures: BTreeMap<Name, Failure> = failures.collect();
        let mut failure = summary("could not be asked what runs there", &failures);
        failure
            .message
            .push_str(&format!("; nothing was changed{}", self.tolerance_told()));
        Err(failure)
    }

    /// How many targets may be left out in all.
    pub(crate) fn tolerated(&self) -> usize {
        at_most(self.rules().tolerate, self.states.len())
    }

    /// Leaves these out too, where the operator tolerates so many and the traffic can do
    /// without them; none otherwise.
    pub(super) fn leave_out(&mut self, failed: &BTreeMap<usize, Failure>) -> bool {
        let before = self
            .states
            .iter()
            .filter(|state| state.left_out.is_some())
            .count();
        let interrupted = failed
            .values()
            .any(|failure| failure.code == Code::Interrupted);
        if interrupted || before + failed.len() > self.tolerated() || !self.can_miss(failed) {
            return false;
        }
        for (place, failure) in failed {
            self.states[*place].left_out = Some(failure.clone());
        }
        true
    }

    /// Whether every group with a share keeps a ready member without those that are not proven.
    fn can_miss(&self, failed: &BTreeMap<usize, Failure>) -> bool {
        let mut ready = self.ready_members(&self.distribution);
        let mut lost = vec![false; self.groups.len()];
        for place in failed.keys() {
            if !self.states[*place].proven && self.reaches(*place, &self.distribution) {
                let group = self.states[*place].group;
                ready[group] -= 1;
                lost[group] = true;
            }
        }
        lost.iter()
            .zip(&ready)
            .all(|(lost, ready)| !lost || *ready > 0)
    }

    /// The traffic without those that were left out and are not proven, where it is not that
    /// already, and as soon as nobody else who is not proven would get their part.
    pub(crate) fn without_left_out(&self) -> Option<Resolution> {
        if !self.balanced() || self.states.iter().all(|state| state.left_out.is_none()) {
            return None;
        }
        let mut wanted = self.distribution.clone();
        self.keep_out(&mut wanted);
        let new = wanted != self.distribution && guard::unproven(self, &wanted).is_ok();
        new.then(|| self.apply(wanted, self.rules().drain_ms))
    }

    /// Those that were left out and are not proven get nothing.
    pub(super) fn keep_out(&self, wanted: &mut Distribution) {
        for (state, admission) in self.states.iter().zip(&mut wanted.admissions) {
            if state.left_out.is_some() && !state.proven {
                *admission = Admission::Out;
            }
        }
    }

    pub(super) fn tolerance_told(&self) -> String {
        match self.tolerated() {
            0 => String::new(),
            count => format!(" (`tolerate` lets {} be left out)", phrase::targets(count)),
        }
    }
}

/// One failure of them all: `install failed on web01: no route to it; on web02: disk full`.
pub(crate) fn summary(what: &str, failed: &BTreeMap<Name, Failure>) -> Failure {
    /// Past so many, their names must do.
    const REASONS_TOLD: usize = 4;
    let first = failed.values().next();
    let code = first.map_or(Code::Internal, |failure| failure.code.clone());
    let told: Vec<String> = failed
        .iter()
        .take(REASONS_TOLD)
        .map(|(name, failure)| format!("{name}: {failure}"))
        .collect();
    let mut message = format!("{what}: {}", told.join("; "));
    if failed.len() > REASONS_TOLD {
        let others = phrase::names(failed.keys().skip(REASONS_TOLD));
        message.push_str(&format!("; and {others}"));
    }
    let mut failure = Failure::new(code, message);
    failure.retryable = failed.values().all(|failure| failure.retryable);
    failure.details = serde_json::json!({ "targets": failed.keys().collect::<Vec<_>>() });
    if let (1, Some(only)) = (failed.len(), first) {
        failure.details["cause"] = only.details.clone();
    }
    failure
}
