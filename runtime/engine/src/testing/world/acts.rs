//! What each effect does to a world in memory, and which promises it must keep.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Deed, Inner, unreachable};
use crate::{
    effect::{Call, Effect, Report},
    executor::{Installed, Interruption},
    failure::{Code, Failure},
    signal::{Signal, Wish},
    subject::Name,
    testing::fault::{Fault, kind, named},
    traffic::{MemberState, Reading, Traffic},
};

impl Inner {
    /// The report, and whether it is ever given.
    pub(super) fn execute(&mut self, effect: &Effect, call: &Call) -> (Report, bool) {
        self.now += 10;
        self.deeds.push(Deed {
            effect: effect.clone(),
            call: call.clone(),
        });
        if matches!(effect, Effect::Activate { .. } | Effect::Deactivate { .. }) {
            // Also where it fails: nobody knows what runs there then.
            for name in named(effect) {
                self.proven.remove(name);
            }
        }
        let mut report = Report::default();
        let mut spared: BTreeSet<Name> = BTreeSet::new();
        let mut hangs = false;
        for fault in self.broken(effect) {
            hangs |= fault.hangs;
            if fault.targets.is_empty() {
                report.failure = Some(fault.failure.clone());
                if !fault.happens {
                    return (report, hangs);
                }
            }
            for target in fault.targets {
                report.failed.insert(target.clone(), fault.failure.clone());
                if !fault.happens {
                    spared.insert(target);
                }
            }
        }
        for name in named(effect) {
            if self.unreachable.contains(name) {
                report.failed.insert(name.clone(), unreachable());
                spared.insert(name.clone());
            }
        }
        self.act(effect, call, &spared, &mut report);
        // A fault on targets that the effect is not about is none.
        let about: BTreeSet<&Name> = named(effect).into_iter().collect();
        report
            .failed
            .retain(|name, _| about.is_empty() || about.contains(name));
        (report, hangs)
    }

    fn act(&mut self, effect: &Effect, call: &Call, spared: &BTreeSet<Name>, report: &mut Report) {
        match effect {
            Effect::Install { targets, release } => {
                for name in targets {
                    self.lay(name, release, !spared.contains(name));
                }
            }
            Effect::Remove { targets, release } => {
                for name in targets.iter().filter(|name| !spared.contains(*name)) {
                    self.remove(name, release);
                }
            }
            Effect::Activate { releases } => {
                for (name, release) in releases.iter().filter(|(name, _)| !spared.contains(*name)) {
                    self.switch(name, Some(release));
                }
            }
            Effect::Deactivate { targets } => {
                for name in targets.iter().filter(|name| !spared.contains(*name)) {
                    self.switch(name, None);
                }
            }
            Effect::ReadTraffic => report.reading = Some(self.reading()),
            Effect::Apply { traffic, .. } => {
                self.apply(traffic);
                report.reading = Some(self.reading());
            }
            Effect::AwaitHealthy { releases, .. } => {
                for (name, release) in releases {
                    self.check(name, release, report);
                }
            }
            Effect::Watch { .. }
            | Effect::Wait { .. }
            | Effect::Approval { .. }
            | Effect::Hold { .. } => {
                self.wait(effect, call, report);
            }
            Effect::Step { step, .. } => report.value = json!({ "ran": step }),
            Effect::UndoStep { .. } | Effect::Observe => {}
        }
    }

    /// The faults that this effect meets.
    pub(super) fn broken(&mut self, effect: &Effect) -> Vec<Fault> {
        let kind = kind(effect);
        let about = named(effect);
        let mut broken = Vec::new();
        for (fault, seen) in self
            .faults
            .iter_mut()
            .filter(|(fault, _)| fault.kind == kind)
        {
            let hits = fault.targets.is_empty()
                || about.is_empty()
                || fault.targets.iter().any(|name| about.contains(&name));
            if !hits {
                continue;
            }
            *seen += 1;
            if *seen > fault.after && *seen - fault.after <= fault.times {
                broken.push(fault.clone());
            }
        }
        broken
    }

    fn lay(&mut self, name: &Name, release: &Name, complete: bool) {
        let Some(state) = self.states.get_mut(name) else {
            return;
        };
        match state.installed.iter_mut().find(|each| each.id == *release) {
            Some(installed) => installed.complete |= complete,
            None => state.installed.push(Installed {
                id: release.clone(),
                complete,
            }),
        }
    }

    fn remove(&mut self, name: &Name, release: &Name) {
        let Some(state) = self.states.get_mut(name) else {
            return;
        };
        if state.active.as_ref() == Some(release) {
            self.violations
                .push(format!("removed {release} from under {name}"));
        }
        state.installed.retain(|each| each.id != *release);
    }

    fn switch(&mut self, name: &Name, release: Option<&Name>) {
        if self.balanced && !self.downtime && self.gets(name, &self.traffic) {
            self.violations
                .push(format!("switched {name} while it got traffic"));
        }
        self.proven.remove(name);
        let Some(state) = self.states.get_mut(name) else {
            return;
        };
        let lies = |id: &Name| {
            state
                .installed
                .iter()
                .any(|each| each.id == *id && each.complete)
        };
        if release.is_some_and(|release| !lies(release)) {
            self.violations
                .push(format!("activated on {name} what does not lie there"));
        }
        state.active = release.cloned();
    }

    fn apply(&mut self, traffic: &Traffic) {
        let total: f64 = traffic.shares.values().sum();
        if total != 0.0 && (total - 100.0).abs() > 0.02 {
            self.violations
                .push(format!("the shares add up to {total}"));
        }
        let (before, after) = (
            self.traffic.percents(&self.targets),
            traffic.percents(&self.targets),
        );
        for (name, percent) in &after {
            let had = before.get(name).copied().unwrap_or(0.0);
            if *percent > had + 1e-6 && !self.proven.contains(name) {
                self.violations
                    .push(format!("gave traffic to {name}, which is not proven"));
            }
        }
        let serving = |of: &BTreeMap<Name, f64>| {
            of.iter()
                .filter(|(name, part)| **part > 0.0 && self.proven.contains(*name))
                .count()
        };
        let (had, has) = (serving(&before), serving(&after));
        if has < self.minimum && has < had {
            self.violations
                .push(format!("only {has} serve, and {} must", self.minimum));
        }
        self.traffic = traffic.clone();
        self.visited.push(traffic.clone());
    }

    fn check(&mut self, name: &Name, release: &Name, report: &mut Report) {
        if report.failure.is_some() {
            if report.failed.contains_key(name) {
                self.proven.remove(name);
            }
            return;
        }
        let runs = self
            .states
            .get(name)
            .is_some_and(|state| state.active.as_ref() == Some(release));
        let ill = self.ill.contains(&(name.clone(), release.clone()));
        if !runs || ill || report.failed.contains_key(name) {
            self.proven.remove(name);
            let failure = Failure::new(Code::Unhealthy, "answers 500");
            report.failed.entry(name.clone()).or_insert(failure);
        } else {
            self.proven.insert(name.clone());
        }
    }

    fn wait(&mut self, effect: &Effect, call: &Call, report: &mut Report) {
        let known = self.waits.iter().position(|wait| *wait == call.sequence);
        let number = known.unwrap_or(self.waits.len());
        if known.is_none() {
            self.waits.push(call.sequence);
        }
        self.ill
            .extend(self.ill_in_wait.remove(&number).unwrap_or_default());
        let said = self.said_in_wait.get(&number).cloned().unwrap_or_default();
        self.hear(effect, &said, report);
        if let Some((_, asked)) = self.aborts_in_wait.take_if(|(wait, _)| *wait == number) {
            asked.abort();
            let interruption = Interruption {
                by: "alice".into(),
                reason: "enough".into(),
            };
            report.failure = Some(interruption.failure());
        }
        for (name, release) in &call.monitored {
            if self.ill.contains(&(name.clone(), release.clone())) {
                self.proven.remove(name);
                report
                    .failed
                    .insert(name.clone(), Failure::new(Code::Unhealthy, "answers 500"));
            }
        }
        if matches!(effect, Effect::Watch { .. }) {
            report.value = json!({ "kind": "passed", "details": Value::Null });
        }
    }

    /// What is said in a wait, and how it ends by that.
    fn hear(&mut self, effect: &Effect, said: &[Signal], report: &mut Report) {
        match effect {
            Effect::Approval { approvers, .. } => {
                let late = || Report::failed(Failure::new(Code::Timeout, "nobody said anything"));
                let decision = approvers.decision(said).unwrap_or_else(late);
                report.signals = decision.signals;
                report.failure = report.failure.take().or(decision.failure);
            }
            Effect::Hold { .. } => {
                report.signals.extend(said.iter().cloned());
                if let Some(controls) = &self.controls {
                    controls.pause(None);
                }
            }
            Effect::Wait {
                until: Some(until), ..
            }
            | Effect::Watch { until, .. } => {
                let promoted = |signal: &&Signal| matches!(signal.wish, Wish::Promote { .. });
                match said.iter().find(promoted) {
                    Some(signal) => report.signals.push(signal.clone()),
                    None => self.now = self.now.max(until.0),
                }
            }
            _ => {}
        }
    }

    fn gets(&self, name: &Name, traffic: &Traffic) -> bool {
        traffic
            .percents(&self.targets)
            .get(name)
            .is_some_and(|part| *part > 0.0)
    }

    pub(super) fn reading(&self) -> Reading {
        let percents = self.traffic.percents(&self.targets);
        let member = |(name, percent): (&Name, &f64)| MemberState {
            target: name.clone(),
            percent: *percent,
            admission: self.traffic.admission(name.as_str()),
            up: None,
            active: None,
        };
        Reading {
            members: percents.iter().map(member).collect(),
            revision: None,
            details: Value::Null,
        }
    }
}
