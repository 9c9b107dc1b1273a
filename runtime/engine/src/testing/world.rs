//! A world in memory: targets, a load balancer, and whatever is to go wrong. It keeps its own
//! account of what is proven and who serves, and says where an effect broke a promise.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::Asked;
use crate::{
    effect::{Call, Effect, Report},
    executor::{Executor, Installed, TargetState, World},
    failure::{Code, Failure},
    rules::Brief,
    subject::{Name, Target, Timestamp},
    traffic::{Admission, MemberState, Reading, Traffic},
};

/// The kinds of effect that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the effects are")]
pub enum Kind {
    Observe,
    Install,
    Activate,
    Deactivate,
    Remove,
    ReadTraffic,
    Apply,
    AwaitHealthy,
    Watch,
    Wait,
    Approval,
    Step,
    UndoStep,
}

/// Something that goes wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    /// In effects of this kind.
    pub kind: Kind,
    /// How many such effects go well first.
    pub after: usize,
    /// How many go wrong then.
    pub times: usize,
    /// On these targets; on all of it where empty.
    pub targets: Vec<Name>,
    /// Whether it happens all the same.
    pub happens: bool,
    /// Why.
    pub failure: Failure,
}

impl Fault {
    /// The next effect of that kind fails as a whole, without happening.
    pub fn new(kind: Kind) -> Self {
        let failure = Failure::new(Code::Unavailable, "it broke");
        Self { kind, after: 0, times: 1, targets: Vec::new(), happens: false, failure }
    }

    /// Only on these targets.
    #[must_use]
    pub fn on(mut self, targets: &[&str]) -> Self {
        self.targets = targets.iter().map(|name| (*name).into()).collect();
        self
    }

    /// Every time from then on.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = usize::MAX;
        self
    }

    /// After so many that went well.
    #[must_use]
    pub fn after(mut self, effects: usize) -> Self {
        self.after = effects;
        self
    }

    /// It happens, and only the answer says otherwise.
    #[must_use]
    pub fn happens(mut self) -> Self {
        self.happens = true;
        self
    }
}

/// One effect that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    /// What.
    pub effect: Effect,
    /// In which circumstances.
    pub call: Call,
}

/// A world in memory; clones share it.
#[derive(Clone, Debug)]
pub struct MemoryWorld {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    targets: Vec<Target>,
    states: BTreeMap<Name, TargetState>,
    traffic: Traffic,
    balanced: bool,
    downtime: bool,
    minimum: usize,
    proven: BTreeSet<Name>,
    /// Releases that are not well, on these targets.
    ill: BTreeSet<(Name, Name)>,
    /// What falls ill in the wait of that number.
    ill_in_wait: BTreeMap<usize, Vec<(Name, Name)>>,
    waits: usize,
    aborts_in_wait: Option<(usize, Asked)>,
    unreachable: BTreeSet<Name>,
    faults: Vec<(Fault, usize)>,
    deeds: Vec<Deed>,
    visited: Vec<Traffic>,
    violations: Vec<String>,
    now: u64,
}

impl MemoryWorld {
    /// Nothing runs anywhere yet, and nobody gets traffic.
    pub fn new(brief: &Brief) -> Self {
        let states = brief.targets.iter().map(|target| (target.name.clone(), TargetState::default()));
        let inner = Inner {
            targets: brief.targets.clone(),
            states: states.collect(),
            traffic: Traffic::default(),
            balanced: brief.rules.balancer.is_some(),
            downtime: brief.rules.downtime || !brief.rules.platform.is_empty(),
            minimum: 0,
            proven: BTreeSet::new(),
            ill: BTreeSet::new(),
            ill_in_wait: BTreeMap::new(),
            waits: 0,
            aborts_in_wait: None,
            unreachable: BTreeSet::new(),
            faults: Vec::new(),
            deeds: Vec::new(),
            visited: vec![Traffic::default()],
            violations: Vec::new(),
            now: 1_000,
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// The release runs on every target, and the traffic is so; all ready.
    #[must_use]
    pub fn running(self, release: &str, shares: &[(&str, f64)]) -> Self {
        let mut inner = self.lock();
        let release: Name = release.into();
        for state in inner.states.values_mut() {
            state.active = Some(release.clone());
            state.installed = vec![Installed { id: release.clone(), complete: true }];
        }
        let inner_mut = &mut *inner;
        inner_mut.traffic.shares =
            shares.iter().map(|(group, share)| ((*group).into(), *share)).collect();
        for target in &inner_mut.targets {
            inner_mut.traffic.admissions.insert(target.name.clone(), Admission::Ready);
            if inner_mut.traffic.share(target.group.as_str()) > 0.0 {
                inner_mut.proven.insert(target.name.clone());
            }
        }
        inner_mut.minimum = inner_mut.proven.len().saturating_sub(1);
        inner_mut.visited = vec![inner_mut.traffic.clone()];
        drop(inner);
        self
    }

    /// What runs on one target, where that differs.
    pub fn runs(&self, target: &str, release: Option<&str>) {
        let mut inner = self.lock();
        if let Some(state) = inner.states.get_mut(target) {
            state.active = release.map(Name::from);
            state.installed =
                release.iter().map(|id| Installed { id: (*id).into(), complete: true }).collect();
        }
    }

    /// Fewer may serve than all but one.
    pub fn minimum(&self, minimum: usize) {
        self.lock().minimum = minimum;
    }

    /// The target cannot be reached, or can be again.
    pub fn reachable(&self, target: &str, reachable: bool) {
        let mut inner = self.lock();
        if reachable {
            inner.unreachable.remove(target);
        } else {
            inner.unreachable.insert(target.into());
        }
    }

    /// The release is not well on the target, or is again.
    pub fn ill(&self, target: &str, release: &str, ill: bool) {
        let mut inner = self.lock();
        let pair = (target.into(), release.into());
        if ill {
            inner.ill.insert(pair);
        } else {
            inner.ill.remove(&pair);
        }
    }

    /// The release falls ill on the target in the wait of that number, counted from 0.
    pub fn falls_ill(&self, wait: usize, target: &str, release: &str) {
        self.lock().ill_in_wait.entry(wait).or_default().push((target.into(), release.into()));
    }

    /// Somebody asks to stop in the wait of that number.
    pub fn aborts(&self, wait: usize, asked: &Asked) {
        self.lock().aborts_in_wait = Some((wait, asked.clone()));
    }

    /// Lets something go wrong.
    pub fn fault(&self, fault: Fault) {
        self.lock().faults.push((fault, 0));
    }

    /// Nothing goes wrong any more.
    pub fn mend(&self) {
        let mut inner = self.lock();
        inner.faults.clear();
        inner.ill.clear();
        inner.unreachable.clear();
    }

    /// Every effect so far, oldest first.
    pub fn deeds(&self) -> Vec<Deed> {
        self.lock().deeds.clone()
    }

    /// Every state of the traffic so far, oldest first.
    pub fn visited(&self) -> Vec<Traffic> {
        self.lock().visited.clone()
    }

    /// What the load balancer does.
    pub fn traffic(&self) -> Traffic {
        self.lock().traffic.clone()
    }

    /// What runs and lies on each target.
    pub fn states(&self) -> BTreeMap<Name, TargetState> {
        self.lock().states.clone()
    }

    /// What each target gets of all traffic.
    pub fn percents(&self) -> BTreeMap<Name, f64> {
        let inner = self.lock();
        inner.traffic.percents(&inner.targets)
    }

    /// Promises that an effect broke.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Executor for MemoryWorld {
    async fn observe(&mut self) -> Result<World, Failure> {
        let mut inner = self.lock();
        let broken = inner.broken(&Effect::Observe);
        if let Some(fault) = broken.into_iter().find(|fault| fault.targets.is_empty()) {
            return Err(fault.failure);
        }
        let (lost, found) = inner
            .states
            .iter()
            .partition::<Vec<_>, _>(|(name, _)| inner.unreachable.contains(name.as_str()));
        Ok(World {
            targets: found.into_iter().map(|(name, state)| (name.clone(), state.clone())).collect(),
            unreachable: lost.into_iter().map(|(name, _)| (name.clone(), unreachable())).collect(),
            reading: inner.balanced.then(|| inner.reading()),
        })
    }

    async fn execute(&mut self, effect: &Effect, call: &Call) -> Report {
        self.lock().execute(effect, call)
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.lock().now)
    }
}

impl Inner {
    fn execute(&mut self, effect: &Effect, call: &Call) -> Report {
        self.now += 10;
        self.deeds.push(Deed { effect: effect.clone(), call: call.clone() });
        if matches!(effect, Effect::Activate { .. } | Effect::Deactivate { .. }) {
            // Also where it fails: nobody knows what runs there then.
            for name in named(effect) {
                self.proven.remove(name);
            }
        }
        let mut report = Report::default();
        let mut spared: BTreeSet<Name> = BTreeSet::new();
        for fault in self.broken(effect) {
            if fault.targets.is_empty() {
                report.failure = Some(fault.failure.clone());
                if !fault.happens {
                    return report;
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
        report.failed.retain(|name, _| about.is_empty() || about.contains(name));
        report
    }

    fn act(
        &mut self,
        effect: &Effect,
        call: &Call,
        spared: &BTreeSet<Name>,
        report: &mut Report,
    ) {
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
            Effect::Watch { .. } | Effect::Wait { .. } | Effect::Approval { .. } => {
                self.wait(effect, call, report);
            }
            Effect::Step { step, .. } => report.value = json!({ "ran": step }),
            Effect::UndoStep { .. } | Effect::Observe => {}
        }
    }

    /// The faults that this effect meets.
    fn broken(&mut self, effect: &Effect) -> Vec<Fault> {
        let kind = kind(effect);
        let about = named(effect);
        let mut broken = Vec::new();
        for (fault, seen) in self.faults.iter_mut().filter(|(fault, _)| fault.kind == kind) {
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
        let Some(state) = self.states.get_mut(name) else { return };
        match state.installed.iter_mut().find(|each| each.id == *release) {
            Some(installed) => installed.complete |= complete,
            None => state.installed.push(Installed { id: release.clone(), complete }),
        }
    }

    fn remove(&mut self, name: &Name, release: &Name) {
        let Some(state) = self.states.get_mut(name) else { return };
        if state.active.as_ref() == Some(release) {
            self.violations.push(format!("removed {release} from under {name}"));
        }
        state.installed.retain(|each| each.id != *release);
    }

    fn switch(&mut self, name: &Name, release: Option<&Name>) {
        if self.balanced && !self.downtime && self.gets(name, &self.traffic) {
            self.violations.push(format!("switched {name} while it got traffic"));
        }
        self.proven.remove(name);
        let Some(state) = self.states.get_mut(name) else { return };
        let lies = |id: &Name| state.installed.iter().any(|each| each.id == *id && each.complete);
        if release.is_some_and(|release| !lies(release)) {
            self.violations.push(format!("activated on {name} what does not lie there"));
        }
        state.active = release.cloned();
    }

    fn apply(&mut self, traffic: &Traffic) {
        let total: f64 = traffic.shares.values().sum();
        if total != 0.0 && (total - 100.0).abs() > 0.02 {
            self.violations.push(format!("the shares add up to {total}"));
        }
        let (before, after) =
            (self.traffic.percents(&self.targets), traffic.percents(&self.targets));
        for (name, percent) in &after {
            let had = before.get(name).copied().unwrap_or(0.0);
            if *percent > had + 1e-6 && !self.proven.contains(name) {
                self.violations.push(format!("gave traffic to {name}, which is not proven"));
            }
        }
        let serving = |of: &BTreeMap<Name, f64>| {
            of.iter().filter(|(name, part)| **part > 0.0 && self.proven.contains(*name)).count()
        };
        let (had, has) = (serving(&before), serving(&after));
        if has < self.minimum && has < had {
            self.violations.push(format!("only {has} serve, and {} must", self.minimum));
        }
        self.traffic = traffic.clone();
        self.visited.push(traffic.clone());
    }

    fn check(&mut self, name: &Name, release: &Name, report: &mut Report) {
        if report.failure.is_some() {
            return;
        }
        let runs = self.states.get(name).is_some_and(|state| state.active.as_ref() == Some(release));
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
        let number = self.waits;
        self.waits += 1;
        self.ill.extend(self.ill_in_wait.remove(&number).unwrap_or_default());
        if let Effect::Wait { until: Some(until) } | Effect::Watch { until, .. } = effect {
            self.now = self.now.max(until.0);
        }
        if let Some((_, asked)) = self.aborts_in_wait.take_if(|(wait, _)| *wait == number) {
            asked.abort();
            report.failure = Some(Failure::new(Code::Interrupted, "asked to stop"));
        }
        for (name, release) in &call.monitored {
            if self.ill.contains(&(name.clone(), release.clone())) {
                self.proven.remove(name);
                report.failed.insert(name.clone(), Failure::new(Code::Unhealthy, "answers 500"));
            }
        }
        if matches!(effect, Effect::Watch { .. }) {
            report.value = json!({ "kind": "passed", "details": Value::Null });
        }
    }

    fn gets(&self, name: &Name, traffic: &Traffic) -> bool {
        traffic.percents(&self.targets).get(name).is_some_and(|part| *part > 0.0)
    }

    fn reading(&self) -> Reading {
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

fn unreachable() -> Failure {
    Failure::new(Code::Unavailable, "no route to it")
}

fn kind(effect: &Effect) -> Kind {
    match effect {
        Effect::Observe => Kind::Observe,
        Effect::Install { .. } => Kind::Install,
        Effect::Activate { .. } => Kind::Activate,
        Effect::Deactivate { .. } => Kind::Deactivate,
        Effect::Remove { .. } => Kind::Remove,
        Effect::ReadTraffic => Kind::ReadTraffic,
        Effect::Apply { .. } => Kind::Apply,
        Effect::AwaitHealthy { .. } => Kind::AwaitHealthy,
        Effect::Watch { .. } => Kind::Watch,
        Effect::Wait { .. } => Kind::Wait,
        Effect::Approval { .. } => Kind::Approval,
        Effect::Step { .. } => Kind::Step,
        Effect::UndoStep { .. } => Kind::UndoStep,
    }
}

/// The targets that an effect acts on, one by one.
fn named(effect: &Effect) -> Vec<&Name> {
    match effect {
        Effect::Install { targets, .. }
        | Effect::Deactivate { targets }
        | Effect::Remove { targets, .. } => targets.iter().collect(),
        Effect::Activate { releases } | Effect::AwaitHealthy { releases, .. } => {
            releases.keys().collect()
        }
        _ => Vec::new(),
    }
}
