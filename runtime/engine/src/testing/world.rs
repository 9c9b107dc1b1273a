//! A world in memory: targets, a load balancer, and whatever is to go wrong. It keeps its own
//! account of what is proven and who serves, and says where an effect broke a promise.

mod acts;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{Asked, Fault};
use crate::{
    effect::{Call, Effect, Report},
    executor::{Executor, Installed, TargetState, World},
    failure::{Code, Failure},
    rules::Brief,
    signal::Signal,
    subject::{Name, Target, Timestamp},
    traffic::{Admission, Traffic},
};

/// One effect that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    /// What.
    pub effect: Effect,
    /// In which circumstances.
    pub call: Call,
}

/// When a process dies, by how often it asked for anything, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Nothing of it was done.
    Before(usize),
    /// It was done on the first half of its targets.
    Halfway(usize),
    /// All of it was done.
    After(usize),
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
    /// What is said in the wait of that number.
    said_in_wait: BTreeMap<usize, Vec<Signal>>,
    /// The records of the waits so far: one that is done again has the number that it had.
    waits: Vec<u64>,
    aborts_in_wait: Option<(usize, Asked)>,
    /// How often it was asked for anything.
    asked: usize,
    dies: Option<Death>,
    controls: Option<Asked>,
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
        let states = brief
            .targets
            .iter()
            .map(|target| (target.name.clone(), TargetState::default()));
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
            said_in_wait: BTreeMap::new(),
            waits: Vec::new(),
            aborts_in_wait: None,
            asked: 0,
            dies: None,
            controls: None,
            unreachable: BTreeSet::new(),
            faults: Vec::new(),
            deeds: Vec::new(),
            visited: vec![Traffic::default()],
            violations: Vec::new(),
            now: 1_000,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// The release runs on every target, and the traffic is so; all ready.
    #[must_use]
    pub fn running(self, release: &str, shares: &[(&str, f64)]) -> Self {
        let mut inner = self.lock();
        let release: Name = release.into();
        for state in inner.states.values_mut() {
            state.active = Some(release.clone());
            state.installed = vec![Installed {
                id: release.clone(),
                complete: true,
            }];
        }
        let inner_mut = &mut *inner;
        inner_mut.traffic.shares = shares
            .iter()
            .map(|(group, share)| ((*group).into(), *share))
            .collect();
        for target in &inner_mut.targets {
            inner_mut
                .traffic
                .admissions
                .insert(target.name.clone(), Admission::Ready);
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
            state.installed = release
                .iter()
                .map(|id| Installed {
                    id: (*id).into(),
                    complete: true,
                })
                .collect();
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
        self.lock()
            .ill_in_wait
            .entry(wait)
            .or_default()
            .push((target.into(), release.into()));
    }

    /// The release falls ill on the target now, and whoever relies on its proof is wrong.
    pub fn falls_ill_now(&self, target: &str, release: &str) {
        let mut inner = self.lock();
        inner.ill.insert((target.into(), release.into()));
        inner.proven.remove(target);
    }

    /// Somebody changes by hand whether a target gets its part.
    pub fn admits(&self, target: &str, admission: Admission) {
        let mut inner = self.lock();
        inner.traffic.admissions.insert(target.into(), admission);
    }

    /// Somebody says something in the wait of that number; a pause is one, and so is an
    /// approval.
    pub fn says(&self, wait: usize, signal: Signal) {
        let mut inner = self.lock();
        inner.said_in_wait.entry(wait).or_default().push(signal);
    }

    /// Whoever says `continue` ends the pause there.
    pub fn controls(&self, asked: &Asked) {
        self.lock().controls = Some(asked.clone());
    }

    /// Lets the process die at something that it asks for: it gets no answer.
    pub fn dies(&self, death: Option<Death>) {
        self.lock().dies = death;
    }

    /// How often it was asked for anything.
    pub fn asked(&self) -> usize {
        self.lock().asked
    }

    /// Somebody asks to stop in the wait of that number.
    pub fn aborts(&self, wait: usize, asked: &Asked) {
        self.lock().aborts_in_wait = Some((wait, asked.clone()));
    }

    /// Lets something go wrong.
    pub fn fault(&self, fault: Fault) {
        self.lock().faults.push((fault, 0));
    }

    /// Somebody takes the traffic from whatever runs that release.
    pub fn drain_by_hand(&self, release: &str) {
        let mut inner = self.lock();
        let Inner {
            states, traffic, ..
        } = &mut *inner;
        for (name, state) in states {
            if state
                .active
                .as_ref()
                .is_some_and(|active| *active == release)
            {
                traffic.admissions.insert(name.clone(), Admission::Draining);
            }
        }
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
        if self.lock().meets().is_some() {
            return std::future::pending().await;
        }
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
            targets: found
                .into_iter()
                .map(|(name, state)| (name.clone(), state.clone()))
                .collect(),
            unreachable: lost
                .into_iter()
                .map(|(name, _)| (name.clone(), unreachable()))
                .collect(),
            reading: inner.balanced.then(|| inner.reading()),
        })
    }

    async fn execute(&mut self, effect: &Effect, call: &Call) -> Report {
        let death = self.lock().meets();
        let (report, hangs) = match death {
            Some(Death::Before(_)) => (Report::default(), true),
            Some(Death::Halfway(_)) => self.lock().execute(&half(effect), call),
            Some(Death::After(_)) | None => self.lock().execute(effect, call),
        };
        if hangs || death.is_some() {
            return std::future::pending().await;
        }
        report
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.lock().now)
    }
}

impl Inner {
    /// The death that is met now.
    fn meets(&mut self) -> Option<Death> {
        let number = self.asked;
        self.asked += 1;
        self.dies.filter(|death| {
            let (Death::Before(at) | Death::Halfway(at) | Death::After(at)) = death;
            *at == number
        })
    }
}

/// The effect on the first half of its targets.
fn half(effect: &Effect) -> Effect {
    let mut effect = effect.clone();
    match &mut effect {
        Effect::Install { targets, .. }
        | Effect::Remove { targets, .. }
        | Effect::Deactivate { targets } => {
            let half = targets.len() / 2;
            *targets = std::mem::take(targets).into_iter().take(half).collect();
        }
        Effect::Activate { releases } => {
            let half = releases.len() / 2;
            *releases = std::mem::take(releases).into_iter().take(half).collect();
        }
        _ => {}
    }
    effect
}

fn unreachable() -> Failure {
    Failure::new(Code::Unavailable, "no route to it")
}
