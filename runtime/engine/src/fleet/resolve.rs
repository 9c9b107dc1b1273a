//! What an operation means for every target: the effect, and what will put back what it
//! replaces. Pure, and refuses through the guard.

use std::collections::{BTreeMap, BTreeSet};

use super::{Distribution, Fleet, Presence};
use crate::{
    effect::Effect,
    failure::{Code, Failure},
    guard::{self, Change},
    journal::Undo,
    operation::{Answer, Operation},
    subject::{Name, Timestamp},
    traffic::{Admission, Share},
};

/// What is to be done for an operation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Work {
    /// An effect.
    Do(Resolution),
    /// Nothing; this is the answer.
    Answer(Answer),
}

/// An effect and its undo.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resolution {
    pub(crate) effect: Effect,
    pub(crate) undo: Undo,
}

impl Resolution {
    /// An effect that changes nothing that lasts.
    pub(crate) fn passing(effect: Effect) -> Self {
        Self {
            effect,
            undo: Undo::Nothing,
        }
    }
}

impl Fleet {
    /// Works an operation out. Fails where it makes no sense (`invalid`) or where the guard
    /// refuses it (`refused`); nothing happens then.
    pub(crate) fn resolve(&self, operation: &Operation, now: Timestamp) -> Result<Work, Failure> {
        match operation {
            Operation::Install { targets } => self.install(targets),
            Operation::Activate { targets } => self.activate(targets),
            Operation::ReadTraffic if self.balanced() => {
                Ok(Work::Do(Resolution::passing(Effect::ReadTraffic)))
            }
            Operation::ReadTraffic => Ok(Work::Answer(Answer::Traffic(Vec::new()))),
            Operation::Split { shares } => self.split(shares),
            Operation::Drain {
                targets,
                timeout_ms,
            } => self.drain(targets, *timeout_ms),
            Operation::Restore { targets } => self.restore(targets),
            Operation::AwaitHealthy {
                targets,
                timeout_ms,
            } => self.await_healthy(targets, *timeout_ms),
            Operation::Watch {
                candidate,
                baseline,
                duration_ms,
            } => self.watch(candidate, baseline, now, *duration_ms),
            Operation::Wait { duration_ms } => {
                let until = Self::deadline(now, *duration_ms);
                Ok(Work::Do(Resolution::passing(Effect::Wait {
                    since: now,
                    until,
                })))
            }
            Operation::Approval {
                question,
                timeout_ms,
            } => {
                let until = Self::deadline(now, *timeout_ms);
                let approvers = self.rules().approvers.clone();
                if approvers.is_empty() {
                    let message = format!(
                        "nobody can approve \"{question}\"; name who may under `approvals`"
                    );
                    return Err(Failure::new(Code::Invalid, message));
                }
                let question = question.clone();
                Ok(Work::Do(Resolution::passing(Effect::Approval {
                    question,
                    approvers,
                    since: now,
                    until,
                })))
            }
            Operation::Begin { .. } => Ok(Work::Answer(Answer::Done)),
            Operation::Now => Ok(Work::Answer(Answer::Time(now))),
        }
    }

    /// The places of these targets without bystanders and those that were left out.
    fn concerned(&self, names: &[Name]) -> Result<Vec<usize>, Failure> {
        let mut places = self.find(names)?;
        places.retain(|place| self.states[*place].takes_part());
        Ok(places)
    }

    fn install(&self, names: &[Name]) -> Result<Work, Failure> {
        let places = self.concerned(names)?;
        if places.is_empty() {
            return Ok(Work::Answer(Answer::Done));
        }
        let new = |place: &&usize| self.states[**place].installed != Presence::Complete;
        let targets: Vec<Name> = places
            .iter()
            .filter(new)
            .map(|place| self.name(*place).clone())
            .collect();
        let release = self.release().clone();
        let undo = if targets.is_empty() {
            Undo::Nothing
        } else {
            Undo::Remove {
                targets,
                release: release.clone(),
            }
        };
        Ok(Work::Do(Resolution {
            effect: Effect::Install {
                targets: self.set(&places),
                release,
            },
            undo,
        }))
    }

    fn activate(&self, names: &[Name]) -> Result<Work, Failure> {
        let places = self.concerned(names)?;
        if places.is_empty() {
            return Ok(Work::Answer(Answer::Done));
        }
        guard::activation(self, &places)?;
        let release = self.release();
        let releases = places
            .iter()
            .map(|place| (self.name(*place).clone(), release.clone()))
            .collect();
        let before = places
            .iter()
            .map(|place| {
                (
                    self.name(*place).clone(),
                    self.states[*place].active.clone(),
                )
            })
            .collect();
        Ok(Work::Do(Resolution {
            effect: Effect::Activate { releases },
            undo: Undo::Reactivate { releases: before },
        }))
    }

    fn split(&self, shares: &[Share]) -> Result<Work, Failure> {
        let mut wanted = self.distribution.clone();
        wanted.shares = guard::shares(self, shares)?;
        for (state, admission) in self.states.iter().zip(&mut wanted.admissions) {
            // Who was drained comes back by `restore` only; who was never in comes in here.
            let joins = *admission == Admission::Out && wanted.shares[state.group] > 0.0;
            if joins && state.proven && !state.unsure && !state.bystander {
                *admission = Admission::Ready;
            }
        }
        self.change(wanted, Change::Split, self.rules().drain_ms)
    }

    fn drain(&self, names: &[Name], timeout_ms: Option<u64>) -> Result<Work, Failure> {
        let limit = self.rules().drain_ms;
        let drain_ms = timeout_ms.map_or(limit, |timeout| timeout.min(limit));
        self.admit(names, Admission::Draining, Change::Drain, drain_ms)
    }

    fn restore(&self, names: &[Name]) -> Result<Work, Failure> {
        self.admit(
            names,
            Admission::Ready,
            Change::Restore,
            self.rules().drain_ms,
        )
    }

    fn admit(
        &self,
        names: &[Name],
        admission: Admission,
        change: Change,
        drain_ms: u64,
    ) -> Result<Work, Failure> {
        let places = self.concerned(names)?;
        if !self.balanced() {
            return Ok(Work::Answer(Answer::Done));
        }
        let mut wanted = self.distribution.clone();
        for place in places {
            wanted.admissions[place] = admission;
        }
        self.change(wanted, change, drain_ms)
    }

    fn change(
        &self,
        mut wanted: Distribution,
        change: Change,
        drain_ms: u64,
    ) -> Result<Work, Failure> {
        self.keep_out(&mut wanted);
        guard::change(self, &wanted, change)?;
        if wanted == self.distribution && !self.in_doubt() {
            return Ok(Work::Answer(Answer::Done));
        }
        Ok(Work::Do(self.apply(wanted, drain_ms)))
    }

    /// The effect that brings about the distribution; nothing is checked.
    pub(crate) fn apply(&self, wanted: Distribution, drain_ms: u64) -> Resolution {
        let mut drained = BTreeSet::new();
        let mut joining = BTreeSet::new();
        for place in self.places() {
            let after = self.reaches(place, &wanted);
            if !after && self.gets_traffic(place) {
                drained.insert(self.name(place).clone());
            }
            if after && !self.reaches(place, &self.distribution) {
                joining.insert(self.name(place).clone());
            }
        }
        let effect = Effect::Apply {
            traffic: self.to_traffic(&wanted),
            drained,
            joining,
            drain_ms,
        };
        Resolution {
            effect,
            undo: Undo::Traffic {
                before: self.traffic(),
            },
        }
    }

    fn await_healthy(&self, names: &[Name], timeout_ms: Option<u64>) -> Result<Work, Failure> {
        let places = self.concerned(names)?;
        if places.is_empty() {
            return Ok(Work::Answer(Answer::Done));
        }
        let limit = self.rules().health.timeout_ms;
        let mut releases = BTreeMap::new();
        for place in places {
            let state = &self.states[place];
            match &state.active {
                Some(release) if !state.unsure => {
                    releases.insert(self.name(place).clone(), release.clone());
                }
                _ => {
                    let name = self.name(place);
                    return Err(Failure::new(
                        Code::Invalid,
                        format!(
                            "{name} cannot be waited for: it is not certain that any release runs \
                             there; activate one first"
                        ),
                    ));
                }
            }
        }
        let timeout_ms = timeout_ms.map_or(limit, |timeout| timeout.min(limit));
        Ok(Work::Do(Resolution::passing(Effect::AwaitHealthy {
            releases,
            timeout_ms,
        })))
    }

    fn watch(
        &self,
        candidate: &[Name],
        baseline: &[Name],
        since: Timestamp,
        duration_ms: u64,
    ) -> Result<Work, Failure> {
        let candidate = self.set(&self.concerned(candidate)?);
        let baseline = self.set(&self.concerned(baseline)?);
        if candidate.is_empty() {
            return Err(Failure::new(
                Code::Invalid,
                "there is nothing to watch: no target is named that was not left out",
            ));
        }
        Ok(Work::Do(Resolution::passing(Effect::Watch {
            candidate,
            baseline,
            since,
            until: since.after_ms(duration_ms),
        })))
    }

    fn set(&self, places: &[usize]) -> BTreeSet<Name> {
        places
            .iter()
            .map(|place| self.name(*place).clone())
            .collect()
    }
}
