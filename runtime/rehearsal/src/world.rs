//! The world of one run, in virtual time: targets, a load balancer, users, and what goes wrong.
//! Keeps its own account of what is proven and who serves, and judges every effect by it.

mod balancer;
mod health;
mod past;
mod people;
mod targets;
mod toll;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use engine::{
    Call, Code, Effect, Executor, Failure, Intent, Name, Operation, Reading, Report, TargetState,
    Timestamp, Wanted, World,
    invariants::{self, Breach, Invariant, State},
};

pub(crate) use self::toll::Toll;
use crate::{
    change::{Change, Unfit},
    fault::{Fault, Moment},
    ledger::Ledger,
    plight::Plight,
    random::Random,
    scene::Scene,
};

/// When every run begins: a point in time must be some point in time.
pub(crate) const EPOCH_MS: u64 = 1_767_225_600_000;

/// How long it takes to look at everything.
const LOOK_MS: u64 = 300;
/// How long it takes to notice that a target cannot be reached.
const NO_ROUTE_MS: u64 = 10_000;

/// How much of what time is usual everything takes, in percent, where no seed says otherwise.
const USUAL: u64 = 100;

/// Breaches that are kept of one run: the first says what is wrong.
const BREACHES_MAX: usize = 16;

/// One target.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) state: TargetState,
    /// From when on what runs there is well, and until when.
    pub(crate) well_from: u64,
    pub(crate) well_until: u64,
    /// It was seen to be well since something was last activated on it, and not ill since.
    pub(crate) proven: bool,
    /// The deployment's release runs there.
    pub(crate) renewed: bool,
    pub(crate) left_out: bool,
    /// It served when the deployment began.
    pub(crate) served: bool,
}

/// The world, the record and everybody around it: clones share it.
#[derive(Clone)]
pub(crate) struct Model {
    inner: Arc<Mutex<Inner>>,
}

/// What clones share.
pub(crate) struct Inner {
    pub(crate) scene: Arc<Scene>,
    pub(crate) plight: Plight,
    pub(crate) now: u64,
    pub(crate) began: u64,
    pub(crate) sites: Vec<Site>,
    /// What the load balancer shows; what each target gets by that.
    pub(crate) shown: State,
    pub(crate) shown_percents: Vec<f64>,
    /// What each target really gets.
    pub(crate) percents: Vec<f64>,
    /// What it really showed, until something was asked of it.
    pub(crate) untouched: Option<Reading>,
    /// A change that the load balancer makes later.
    pub(crate) late: Option<(u64, State)>,
    pub(crate) visited: Vec<State>,
    /// How much of what time is usual everything takes in this run, in percent.
    pace: u64,
    pub(crate) toll: Toll,
    pub(crate) breaches: Vec<Breach>,
    pub(crate) ledger: Ledger,
    pub(crate) refused: Vec<Failure>,
    pub(crate) calls: u64,
    /// What the strategy asked for, where that is to be kept.
    pub(crate) asked: Option<Vec<Operation>>,
    pub(crate) clock_asked: bool,
    /// What comes first in it was told from a record.
    pub(crate) retold: bool,
    /// What is to be otherwise than in that record, still.
    pub(crate) changes: Vec<Change>,
    /// What was otherwise.
    pub(crate) struck: Vec<Fault>,
    /// What cannot be otherwise where it was to be.
    pub(crate) unfit: Option<Unfit>,
    /// The record at which something is to be otherwise first, until it is asked for.
    pub(crate) expected: Option<Intent>,
    /// What is asked for there instead.
    pub(crate) parted: Option<(u64, Wanted, Wanted)>,
}

impl Model {
    pub(crate) fn new(scene: &Arc<Scene>, faults: &[Fault], seed: u64, later_ms: u64) -> Self {
        let pace = Random::new(!seed).between(70, 150);
        Self::begun(scene, faults, pace, EPOCH_MS + later_ms)
    }

    /// A world at that time, in which everything takes as long as is usual.
    pub(crate) fn usual(scene: &Arc<Scene>, faults: &[Fault], began: u64) -> Self {
        Self::begun(scene, faults, USUAL, began)
    }

    fn begun(scene: &Arc<Scene>, faults: &[Fault], pace: u64, began: u64) -> Self {
        let percents = match scene.balanced() {
            true => scene.percents(&scene.traffic),
            false => vec![0.0; scene.names.len()],
        };
        let sites = scene.first.iter().map(|state| Site {
            state: state.clone(),
            well_from: 0,
            well_until: u64::MAX,
            proven: false,
            renewed: state.active.as_ref() == Some(&scene.brief.release.id),
            left_out: false,
            served: false,
        });
        let mut inner = Inner {
            plight: Plight::new(scene, faults, began),
            now: began,
            began,
            sites: sites.collect(),
            shown: scene.traffic.clone(),
            shown_percents: percents.clone(),
            percents,
            untouched: scene.reading.clone(),
            late: None,
            visited: vec![scene.traffic.clone()],
            pace,
            toll: Toll::default(),
            breaches: Vec::new(),
            ledger: Ledger::new(faults),
            refused: Vec::new(),
            calls: 0,
            asked: None,
            clock_asked: false,
            retold: false,
            changes: Vec::new(),
            struck: Vec::new(),
            unfit: None,
            expected: None,
            parted: None,
            scene: Arc::clone(scene),
        };
        inner.share_among_running();
        for place in 0..inner.sites.len() {
            let gets = inner.shown_percents[place] > 0.0;
            inner.sites[place].proven = gets;
            inner.sites[place].served = gets;
        }
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    pub(crate) fn broken(&mut self, invariant: Invariant, message: impl Into<String>) {
        self.breached([Breach::new(invariant, message)]);
    }

    pub(crate) fn breached(&mut self, breaches: impl IntoIterator<Item = Breach>) {
        let room = BREACHES_MAX - self.breaches.len();
        self.breaches.extend(breaches.into_iter().take(room));
    }

    /// How long something takes in this run.
    fn paced(&self, usual_ms: u64) -> u64 {
        usual_ms * self.pace / 100
    }

    pub(crate) fn unreachable(&self, place: usize) -> bool {
        self.plight.unreachable_until(place, self.now).is_some()
    }

    /// What an effect does, and what is said of it.
    fn execute(&mut self, effect: &Effect, call: &Call) -> Report {
        self.toll.effects += 1;
        if !self.ledger.allows(call.sequence) {
            let message = format!(
                "record {} was acted on without the lease, or before it was written down",
                call.sequence
            );
            self.broken(Invariant::HoldsLease, message);
        }
        match self.ledger.strikes() {
            Some(Moment::Unwritten | Moment::Before) => Report::default(),
            Some(Moment::Halfway) => self.act(effect, call, 2),
            Some(Moment::After) | None => self.act(effect, call, 1),
        }
    }

    /// Does it, on one in so many of its targets from the first on.
    fn act(&mut self, effect: &Effect, call: &Call, part: usize) -> Report {
        let half = |mut places: Vec<usize>| {
            places.truncate(places.len().div_ceil(part));
            places
        };
        let find = |names| half(self.scene.find(names));
        match effect {
            Effect::Observe => Report::default(),
            Effect::Install { targets, release } => {
                let places = half(self.scene.find(targets.iter()));
                self.install(&places, release)
            }
            Effect::Remove { targets, release } => {
                let places = half(self.scene.find(targets.iter()));
                self.remove(&places, release, call.undoing)
            }
            Effect::Activate { releases } => {
                let places = find(releases.keys());
                let mut report = Report::default();
                // All of them get the same one, but for what is taken back.
                for place in places {
                    let Some(release) = releases.get(&self.scene.names[place]) else {
                        continue;
                    };
                    let failure = self.switch(place, Some(release), call.undoing);
                    self.note(&mut report, place, failure);
                }
                self.spend_on(self.scene.habits.activate_ms, &report);
                self.share_among_running();
                report
            }
            Effect::Deactivate { targets } => {
                let places = half(self.scene.find(targets.iter()));
                let mut report = Report::default();
                for place in places {
                    let failure = self.switch(place, None, call.undoing);
                    self.note(&mut report, place, failure);
                }
                self.spend_on(self.scene.habits.activate_ms, &report);
                self.share_among_running();
                report
            }
            Effect::ReadTraffic => self.read_traffic(),
            Effect::Apply {
                traffic,
                drained,
                drain_ms,
                ..
            } => self.apply(traffic, !drained.is_empty(), *drain_ms, call.undoing),
            Effect::AwaitHealthy {
                releases,
                timeout_ms,
            } => self.await_healthy(releases, *timeout_ms, call.undoing),
            Effect::Watch {
                candidate, until, ..
            } => self.watch(candidate, until.0, call),
            Effect::Wait { until, .. } => self.wait(until.map(|until| until.0), call),
            Effect::Hold { .. } => self.held(call),
            Effect::Approval {
                approvers, until, ..
            } => self.approval(approvers, until.map(|until| until.0), call),
            Effect::Step { step, .. } => self.step(*step),
            Effect::UndoStep { .. } => self.undo_step(),
        }
    }

    fn note(&self, report: &mut Report, place: usize, failure: Option<Failure>) {
        if let Some(failure) = failure {
            report
                .failed
                .insert(self.scene.names[place].clone(), failure);
        }
    }

    /// Lets go by what something took that goes on side by side.
    fn spend_on(&mut self, usual_ms: u64, report: &Report) {
        let lost = report
            .failed
            .values()
            .any(|failure| failure.code == Code::Unavailable);
        let long = self.paced(usual_ms);
        self.advance(self.now + if lost { long.max(NO_ROUTE_MS) } else { long });
    }

    fn step(&mut self, step: usize) -> Report {
        self.advance(self.now + self.paced(self.scene.habits.step_ms));
        if self.plight.step_fails(step) {
            return Report::failed(Failure::new(Code::Rejected, "it ended with exit status 1"));
        }
        Report::default()
    }

    fn undo_step(&mut self) -> Report {
        self.advance(self.now + self.paced(self.scene.habits.step_ms));
        Report::default()
    }

    fn observe(&mut self) -> World {
        self.ledger.strikes();
        self.advance(self.now + LOOK_MS);
        let mut world = World::default();
        let lost: Vec<usize> = (0..self.sites.len())
            .filter(|place| self.unreachable(*place))
            .collect();
        if lost.is_empty() {
            let states = self.scene.names.iter().zip(&self.sites);
            world.targets = states
                .map(|(name, site)| (name.clone(), site.state.clone()))
                .collect();
        } else {
            self.advance(self.now + NO_ROUTE_MS);
            for (place, (name, site)) in self.scene.names.iter().zip(&self.sites).enumerate() {
                if lost.contains(&place) {
                    let known = self.scene.lost.get(name).cloned();
                    world
                        .unreachable
                        .insert(name.clone(), known.unwrap_or_else(no_route));
                } else {
                    world.targets.insert(name.clone(), site.state.clone());
                }
            }
        }
        if self.scene.balanced() {
            world.reading = Some(self.reading());
            self.visit();
        }
        world
    }

    /// Judges the end.
    pub(crate) fn end(&mut self, verdict: &engine::Verdict) {
        let scene = Arc::clone(&self.scene);
        let release = &scene.brief.release.id;
        let balanced = scene.balanced();
        let place = |(at, (state, percent)): (usize, (_, &f64))| {
            let state: &TargetState = state;
            invariants::Place {
                name: &scene.names[at],
                active: state.active.as_ref(),
                lies: state.installed.iter().any(|each| each.id == *release),
                // Without a load balancer nobody shows anything.
                percent: if balanced { *percent } else { 0.0 },
                excused: scene.idle[at] || scene.bystanders[at],
            }
        };
        let percents = scene.percents(&scene.traffic);
        let then: Vec<_> = scene
            .first
            .iter()
            .zip(&percents)
            .enumerate()
            .map(place)
            .collect();
        let states = self.sites.iter().map(|site| &site.state);
        let now: Vec<_> = states
            .zip(&self.shown_percents)
            .enumerate()
            .map(place)
            .collect();
        let traits = scene.brief.rules.balancer.as_ref();
        let tolerance = traits.map_or(0.0, engine::tolerance);
        let breaches = invariants::end(release, verdict, balanced, tolerance, &then, &now);
        self.breached(breaches);
    }
}

pub(crate) fn no_route() -> Failure {
    Failure::new(Code::Unavailable, "no route to it")
}

#[async_trait]
impl Executor for Model {
    async fn observe(&mut self) -> Result<World, Failure> {
        Ok(self.lock().observe())
    }

    async fn execute(&mut self, effect: &Effect, call: &Call) -> Report {
        self.lock().execute(effect, call)
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.lock().now)
    }
}

/// Failures by target.
pub(crate) type Failed = BTreeMap<Name, Failure>;
