//! All runs of one rehearsal, on as many threads as there are to be: the same numbers whatever
//! their count.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use engine::Observer;

use crate::{
    fault::{Fault, draw},
    run::{self, Played, Run, Strategies},
    scene::Scene,
    shrink::shrink,
    summary::{Finding, Sample, Summary},
};

/// Runs that broke a rule of which the shortest list of faults is looked for; of more, one learns
/// no more.
const SHRUNK_MAX: usize = 100;

/// After so many runs that a strategy did not bring to an end no more are begun: each takes as
/// long as it was given to compute.
const ENDLESS_MAX: u64 = 3;

/// The seed of the run without faults: the same for all others to be measured by.
const CALM: u64 = 0;

/// How much is rehearsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many runs.
    pub runs: u64,
    /// The seed of the first; each next one has the next.
    pub seed: u64,
}

/// Runs the deployment so often, each time with what goes wrong by its seed. The `others` are the
/// same once more, each for a thread of its own: what threads share, they wait for.
pub fn rehearse(
    scene: &Scene,
    strategies: &dyn Strategies,
    others: &[&dyn Strategies],
    plan: Plan,
) -> Summary {
    let scene = Arc::new(scene.clone());
    let calm = run::run(&scene, strategies, CALM, &[]);
    let work = Work {
        scene: &scene,
        strategies,
        others,
        plan,
        long_ms: long_ms(&calm),
        next: AtomicU64::new(0),
        hopeless: endless(&calm),
        endless: AtomicU64::new(u64::from(endless(&calm))),
        found: Mutex::default(),
    };
    work.on_threads(|strategies| work.explore(strategies));
    let Found {
        mut samples,
        mut broken,
    } = std::mem::take(&mut *work.lock());
    samples.sort_by_key(|sample| sample.seed.wrapping_sub(plan.seed));
    broken.sort_by_key(|run| run.seed.wrapping_sub(plan.seed));
    let findings = work.shrink_all(broken);
    Summary::new(&scene, plan, calm, samples, findings)
}

/// Runs one seed again, as [`rehearse`] did, with somebody who listens.
pub fn repeat(
    scene: &Scene,
    strategies: &dyn Strategies,
    seed: u64,
    listener: Arc<dyn Observer>,
) -> Played {
    let scene = Arc::new(scene.clone());
    let calm = run::run(&scene, strategies, CALM, &[]);
    let faults = draw(seed, &scene, long_ms(&calm));
    run::run_told(&scene, strategies, Some(seed), &faults, listener)
}

/// Runs it once, with exactly these faults; everything else takes as long as is usual.
pub fn play(
    scene: &Scene,
    strategies: &dyn Strategies,
    faults: &[Fault],
    listener: Arc<dyn Observer>,
) -> Played {
    let scene = Arc::new(scene.clone());
    run::run_told(&scene, strategies, None, faults, listener)
}

/// How long a run may be expected to take: what goes wrong at some time goes wrong within it.
fn long_ms(calm: &Run) -> u64 {
    calm.took_ms.max(60_000)
}

#[derive(Default)]
struct Found {
    samples: Vec<Sample>,
    broken: Vec<Run>,
}

struct Work<'a> {
    scene: &'a Arc<Scene>,
    strategies: &'a dyn Strategies,
    others: &'a [&'a dyn Strategies],
    plan: Plan,
    /// How long the run without faults took.
    long_ms: u64,
    /// The strategy comes to no end even with nothing going wrong.
    hopeless: bool,
    next: AtomicU64,
    endless: AtomicU64,
    found: Mutex<Found>,
}

impl Work<'_> {
    fn lock(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn on_threads(&self, work: impl Fn(&dyn Strategies) + Sync) {
        thread::scope(|scope| {
            for other in self.others {
                scope.spawn(|| work(*other));
            }
            work(self.strategies);
        });
    }

    fn explore(&self, strategies: &dyn Strategies) {
        let mut mine = Found::default();
        let scene = Arc::new(self.scene.apart());
        while self.endless.load(Ordering::Relaxed) < ENDLESS_MAX {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.plan.runs {
                break;
            }
            let seed = self.plan.seed.wrapping_add(number);
            let faults = draw(seed, &scene, self.long_ms);
            let run = run::run(&scene, strategies, seed, &faults);
            self.endless
                .fetch_add(u64::from(endless(&run)), Ordering::Relaxed);
            mine.samples.push(Sample::of(&run));
            if !run.broken.is_empty() {
                mine.broken.push(run);
            }
        }
        let mut found = self.lock();
        found.samples.append(&mut mine.samples);
        found.broken.append(&mut mine.broken);
    }

    fn shrink_all(&self, broken: Vec<Run>) -> Vec<Finding> {
        self.next.store(0, Ordering::Relaxed);
        let findings: Mutex<Vec<(usize, Finding)>> = Mutex::default();
        self.on_threads(|strategies| {
            loop {
                let place = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed));
                let Some((place, run)) = place
                    .ok()
                    .and_then(|place| Some((place, broken.get(place)?)))
                else {
                    return;
                };
                let finding = self.shrink_one(strategies, place, run);
                let mut findings = findings.lock().unwrap_or_else(PoisonError::into_inner);
                findings.push((place, finding));
            }
        });
        let mut findings = findings
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        findings.sort_by_key(|(place, _)| *place);
        findings.into_iter().map(|(_, finding)| finding).collect()
    }

    fn shrink_one(&self, strategies: &dyn Strategies, place: usize, run: &Run) -> Finding {
        let mut least = run.clone();
        if self.hopeless && endless(run) {
            // It comes to no end with nothing going wrong, and to try it is what takes long.
            least.faults.clear();
        } else if place < SHRUNK_MAX && !endless(run) {
            let again = |faults: &[_]| run::run(self.scene, strategies, run.seed, faults);
            least = shrink(least, again);
        }
        Finding {
            seed: run.seed,
            ending: run.ending,
            broken: least.broken,
            faults: least.faults,
            of: run.faults.len(),
        }
    }
}

fn endless(run: &Run) -> bool {
    run.broken.iter().any(|broken| broken.rule == "never-ends")
}
