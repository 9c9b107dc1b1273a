//! What an effect's report says of every target. Pure: the same reports, in the same order,
//! give the same model, whether they come from an executor or from a record.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Fleet, Presence, tolerance::summary};
use crate::{
    agreement,
    effect::{Effect, Report},
    failure::{Code, Failure},
    operation::Answer,
    subject::Name,
    traffic::{Reading, Share, Traffic},
};

/// Whether targets that fail may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The strategy's own: as many may fail as the operator tolerates.
    Tolerant,
    /// Anything else.
    Strict,
}

/// How an effect went, and what that changed about the targets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settled {
    pub(crate) result: Result<Answer, Failure>,
    /// Targets that were proven, or lost their proof.
    pub(crate) health: Vec<(usize, bool)>,
    /// Targets that are left out from here on.
    pub(crate) left_out: Vec<usize>,
}

impl Settled {
    /// Nothing changed.
    pub(crate) fn nothing() -> Self {
        Self {
            result: Ok(Answer::Done),
            health: Vec::new(),
            left_out: Vec::new(),
        }
    }
}

impl Fleet {
    /// Follows what was done.
    pub(crate) fn settle(&mut self, effect: &Effect, report: &Report, mode: Mode) -> Settled {
        let proven: Vec<bool> = self.states.iter().map(|state| state.proven).collect();
        let result = self.follow(effect, report);
        let mut settled = Settled::nothing();
        settled.result = match result {
            Ok(answer) => Ok(answer),
            Err(Trouble::Whole(failure)) => Err(failure),
            Err(Trouble::Targets(failed)) if mode == Mode::Tolerant && self.leave_out(&failed) => {
                settled.left_out = failed.keys().copied().collect();
                Ok(Answer::Done)
            }
            Err(Trouble::Targets(failed)) => Err(self.failed(effect, failed, mode)),
        };
        let changed = self.states.iter().zip(proven).enumerate();
        settled.health = changed
            .filter(|(_, (state, before))| state.proven != *before)
            .map(|(place, (state, _))| (place, state.proven))
            .collect();
        settled
    }

    fn follow(&mut self, effect: &Effect, report: &Report) -> Result<Answer, Trouble> {
        match effect {
            Effect::Observe => self.observed(report),
            Effect::Install { targets, release } => {
                self.laid(targets, release, report, Presence::Complete)
            }
            Effect::Remove { targets, release } => {
                self.laid(targets, release, report, Presence::Absent)
            }
            Effect::Activate { releases } => {
                let unchecked = self.rules().health.unchecked;
                let each = releases.iter().map(|(name, release)| (name, Some(release)));
                self.switched(each, report, unchecked)
            }
            Effect::Deactivate { targets } => {
                self.switched(targets.iter().map(|name| (name, None)), report, false)
            }
            Effect::ReadTraffic => self.traffic_read(report),
            Effect::Apply { .. } => self.applied(effect, report),
            Effect::AwaitHealthy { releases, .. } => self.checked(releases, report),
            Effect::Watch { .. }
            | Effect::Wait { .. }
            | Effect::Approval { .. }
            | Effect::Hold { .. } => self.waited(effect, report),
            Effect::Step { .. } | Effect::UndoStep { .. } => {
                whole(report)?;
                each_of(self, report, |_| true)
            }
        }
    }

    fn laid(
        &mut self,
        targets: &BTreeSet<Name>,
        release: &Name,
        report: &Report,
        done: Presence,
    ) -> Result<Answer, Trouble> {
        if release == self.release() {
            for name in targets {
                let failed = report.failure.is_some() || report.failed.contains_key(name);
                if let Some(place) = self.place(name.as_str()) {
                    let state = &mut self.states[place];
                    state.installed = match state.installed {
                        // To install what is there, or to remove what is not, changes nothing.
                        before if before == done => done,
                        _ if failed => Presence::Partly,
                        _ => done,
                    };
                }
            }
        }
        whole(report)?;
        each_of(self, report, |name| targets.contains(name))
    }

    fn switched<'a>(
        &mut self,
        releases: impl Iterator<Item = (&'a Name, Option<&'a Name>)>,
        report: &Report,
        proven: bool,
    ) -> Result<Answer, Trouble> {
        let mut troubles = BTreeMap::new();
        for (name, release) in releases {
            let Some(place) = self.place(name.as_str()) else {
                continue;
            };
            let trouble = report.failed.get(name);
            let failed = report.failure.is_some() || trouble.is_some();
            let state = &mut self.states[place];
            state.unsure = failed;
            state.proven = proven && !failed;
            if !failed {
                state.active = release.cloned();
            }
            troubles.extend(trouble.map(|failure| (place, failure.clone())));
        }
        whole(report)?;
        none(troubles)
    }

    fn applied(&mut self, effect: &Effect, report: &Report) -> Result<Answer, Trouble> {
        let Effect::Apply { traffic, .. } = effect else {
            return Ok(Answer::Done);
        };
        let wanted = self.of_traffic(traffic);
        let Err(failure) = self.shown(traffic, report) else {
            self.distribution = wanted;
            self.doubt = None;
            self.strangers = false;
            return Ok(Answer::Done);
        };
        for (name, failure) in &report.failed {
            // It was found to be ill before it could get any traffic.
            if let (Code::Unhealthy, Some(place)) = (&failure.code, self.place(name.as_str())) {
                self.states[place].proven = false;
            }
        }
        self.doubt = Some(wanted);
        if let Some(reading) = &report.reading {
            self.resolve_doubt(reading);
        }
        Err(Trouble::Whole(failure))
    }

    /// Fails unless the change was made and the load balancer shows it. Nobody is left out for
    /// it: the traffic is everyone's.
    fn shown(&self, traffic: &Traffic, report: &Report) -> Result<(), Failure> {
        if let Some(failure) = &report.failure {
            return Err(failure.clone());
        }
        if !report.failed.is_empty() {
            return Err(summary("the traffic could not be changed", &report.failed));
        }
        let reading = report.reading.as_ref().ok_or_else(|| {
            let message = "the load balancer did not say what it does after the change";
            Failure::new(Code::Unavailable, message).retryable()
        })?;
        self.agrees(traffic, reading)
    }

    fn agrees(&self, traffic: &Traffic, reading: &Reading) -> Result<(), Failure> {
        let Some(traits) = &self.brief.rules.balancer else {
            return Ok(());
        };
        agreement::agreement(traffic, reading, traits, &self.brief.targets).map_err(|difference| {
            let message = format!("the load balancer does not show the change: {difference}");
            Failure::new(Code::Rejected, message).retryable()
        })
    }

    fn traffic_read(&mut self, report: &Report) -> Result<Answer, Trouble> {
        whole(report)?;
        let Some(reading) = &report.reading else {
            let message = "the load balancer did not say what it does";
            return Err(Trouble::Whole(Failure::new(Code::Unavailable, message)));
        };
        self.resolve_doubt(reading);
        let found = self.of_reading(reading);
        if found.total() <= 0.0 {
            return Ok(Answer::Traffic(Vec::new()));
        }
        let shares = self.groups.iter().zip(&found.shares);
        let share = |(group, share): (&super::Group, &f64)| Share {
            group: group.name.clone(),
            percent: *share,
        };
        Ok(Answer::Traffic(shares.map(share).collect()))
    }

    fn checked(
        &mut self,
        releases: &BTreeMap<Name, Name>,
        report: &Report,
    ) -> Result<Answer, Trouble> {
        for (name, release) in releases {
            let Some(place) = self.place(name.as_str()) else {
                continue;
            };
            let state = &mut self.states[place];
            if report.failed.contains_key(name) {
                state.proven = false;
            } else if report.failure.is_none() {
                state.proven = !state.unsure && state.active.as_ref() == Some(release);
            }
        }
        whole(report)?;
        each_of(self, report, |name| releases.contains_key(name))
    }

    fn waited(&mut self, effect: &Effect, report: &Report) -> Result<Answer, Trouble> {
        let mut ill = BTreeMap::new();
        for (name, failure) in &report.failed {
            if let Some(place) = self.place(name.as_str()) {
                self.states[place].proven = false;
                ill.insert(name.clone(), failure.clone());
            }
        }
        if !ill.is_empty() {
            let mut failure = summary("no longer healthy", &ill);
            failure.code = Code::Unhealthy;
            return Err(Trouble::Whole(failure));
        }
        whole(report)?;
        if let Effect::Approval { approvers, .. } = effect
            && !approvers.satisfied(report)
        {
            let message = "fewer approved than it takes";
            return Err(Trouble::Whole(Failure::new(Code::Rejected, message)));
        }
        Ok(match effect {
            Effect::Watch { .. } => Answer::Verdict {
                kind: report.value["kind"].as_str().unwrap_or("passed").to_owned(),
                details: report.value.get("details").cloned().unwrap_or(Value::Null),
            },
            _ => Answer::Done,
        })
    }

    fn failed(&self, effect: &Effect, failed: BTreeMap<usize, Failure>, mode: Mode) -> Failure {
        let named: BTreeMap<Name, Failure> = failed
            .into_iter()
            .map(|(place, failure)| (self.name(place).clone(), failure))
            .collect();
        let what = match effect {
            Effect::Install { .. } => "installing failed",
            Effect::Activate { .. } => "activating failed",
            Effect::Deactivate { .. } => "deactivating failed",
            Effect::Remove { .. } => "removing failed",
            Effect::AwaitHealthy { .. } => "not healthy",
            Effect::Step { .. } | Effect::UndoStep { .. } => "on targets",
            _ => "failed",
        };
        let mut failure = summary(what, &named);
        if mode == Mode::Tolerant {
            failure.message.push_str(&self.tolerance_told());
        }
        failure
    }
}

/// What failed: everything, or some targets.
pub(super) enum Trouble {
    Whole(Failure),
    Targets(BTreeMap<usize, Failure>),
}

pub(super) fn whole(report: &Report) -> Result<(), Trouble> {
    report
        .failure
        .clone()
        .map_or(Ok(()), |failure| Err(Trouble::Whole(failure)))
}

/// Fails with the targets that failed; one that was not asked for cannot.
fn each_of(
    fleet: &Fleet,
    report: &Report,
    asked: impl Fn(&Name) -> bool,
) -> Result<Answer, Trouble> {
    let failed: BTreeMap<usize, Failure> = report
        .failed
        .iter()
        .filter(|(name, _)| asked(name))
        .filter_map(|(name, failure)| Some((fleet.place(name.as_str())?, failure.clone())))
        .collect();
    none(failed)
}

fn none(failed: BTreeMap<usize, Failure>) -> Result<Answer, Trouble> {
    if failed.is_empty() {
        Ok(Answer::Done)
    } else {
        Err(Trouble::Targets(failed))
    }
}
