//! One run: the deployment with all its layers around the model, from the first look to an end,
//! through as many processes as it takes.

mod told;

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use engine::{
    Code, Deployment, Failure, Halt, Observer, Resume, StepWord, Strategy, Verdict, World,
    rollback_open,
};
use serde::{Deserialize, Serialize};

pub use self::told::{Played, foresee};
pub(crate) use self::told::{carry_on, run_told};
use crate::{
    audience::{People, Watcher},
    fault::{Fault, Way},
    ledger::{Clerk, Gone},
    rule::{self, Broken},
    scene::Scene,
    world::Model,
};

/// How often a deployment is taken up again: more than there are faults that cut it off.
const PROCESSES_MAX: u32 = 16;

/// Makes the strategy that is rehearsed.
pub trait Strategies: Sync {
    /// A fresh one for a deployment that found the world so.
    ///
    /// Fails where it cannot be started.
    fn strategy(&self, found: &World) -> Result<Box<dyn Strategy>, Failure>;
}

impl<F> Strategies for F
where
    F: Fn(&World) -> Result<Box<dyn Strategy>, Failure> + Sync,
{
    fn strategy(&self, found: &World) -> Result<Box<dyn Strategy>, Failure> {
        self(found)
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The release is everywhere.
    Succeeded,
    /// The release is everywhere but on targets that were left out.
    LeftOut,
    /// All is as it was.
    RolledBack,
    /// Nothing was changed.
    Refused,
    /// Not everything could be taken back.
    Stuck,
    /// It stands where it failed.
    Frozen,
    /// It came to no end.
    Unfinished,
}

impl Ending {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Succeeded,
        Self::LeftOut,
        Self::RolledBack,
        Self::Refused,
        Self::Stuck,
        Self::Frozen,
        Self::Unfinished,
    ];

    fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Succeeded { left_out } if left_out.is_empty() => Self::Succeeded,
            Verdict::Succeeded { .. } => Self::LeftOut,
            Verdict::RolledBack { .. } => Self::RolledBack,
            Verdict::Refused { .. } => Self::Refused,
            Verdict::Stuck { .. } => Self::Stuck,
            Verdict::Frozen { .. } => Self::Frozen,
            Verdict::Halted { .. } | Verdict::Left | Verdict::Abandoned { .. } => Self::Unfinished,
        }
    }
}

/// One run, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Run {
    /// Repeats it.
    pub seed: u64,
    /// What went wrong.
    pub faults: Vec<Fault>,
    /// How it ended.
    pub ending: Ending,
    /// Why it did not succeed.
    pub cause: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How many calls the strategy made.
    pub calls: u64,
    /// How many effects there were.
    pub effects: u64,
    /// Whether something was wrong with the release itself.
    pub bad_release: bool,
    /// The part of all requests while it lasted that the release answered, in percent.
    pub met_percent: f64,
    /// The part of them that failed, in percent.
    pub failed_percent: f64,
    /// The time of all traffic that the release had, in milliseconds: times the rate it is
    /// requests.
    pub met_ms: f64,
    /// The same of requests that failed.
    pub failed_ms: f64,
    /// The fewest targets that served at any time.
    pub least_serving: usize,
    /// What did not hold, and by which rule.
    pub broken: Vec<Broken>,
}

/// How a run is looked at.
#[derive(Clone, Default)]
pub(crate) struct Look {
    /// Hears all that is told.
    pub(crate) listener: Option<Arc<dyn Observer>>,
    /// So much later than others it begins, in milliseconds.
    pub(crate) later_ms: u64,
    /// The strategy's calls are kept.
    pub(crate) keeps_calls: bool,
    /// All of the record is kept.
    pub(crate) keeps_records: bool,
}

/// Runs it to an end.
pub(crate) fn run(
    scene: &Arc<Scene>,
    strategies: &dyn Strategies,
    seed: u64,
    faults: &[Fault],
) -> Run {
    let (run, _, model) = carry_through(scene, strategies, seed, faults, &Look::default());
    at_other_times(run, &model, scene, strategies, faults)
}

/// A strategy that asks for the time makes the same calls at another one.
fn at_other_times(
    run: Run,
    model: &Model,
    scene: &Arc<Scene>,
    strategies: &dyn Strategies,
    faults: &[Fault],
) -> Run {
    if !model.lock().clock_asked {
        return run;
    }
    let seed = run.seed;
    rule::clock(run, |look| {
        let (_, _, model) = carry_through(scene, strategies, seed, faults, &look);
        let asked = model.lock().asked.take();
        asked.unwrap_or_default()
    })
}

fn carry_through(
    scene: &Arc<Scene>,
    strategies: &dyn Strategies,
    seed: u64,
    faults: &[Fault],
    look: &Look,
) -> (Run, Verdict, Model) {
    let model = Model::new(scene, faults, seed, look.later_ms);
    lead(scene, strategies, model, seed, faults, look)
}

/// The way of a deployment in that model, through as many processes as it takes.
fn lead(
    scene: &Arc<Scene>,
    strategies: &dyn Strategies,
    model: Model,
    seed: u64,
    faults: &[Fault],
    look: &Look,
) -> (Run, Verdict, Model) {
    model.lock().looked_at(look);
    let (clerk, watcher, people) = attend(&model, look);
    let brief = Arc::clone(&scene.brief);
    let deployment = Deployment::new(brief, Box::new(model.clone()), clerk, watcher, people);
    let (verdict, broken) = to_an_end(deployment, strategies, &model, look);
    let run = model.lock().conclude(seed, faults, &verdict, broken);
    (run, verdict, model)
}

/// Through as many processes as it takes.
fn to_an_end(
    mut deployment: Deployment,
    strategies: &dyn Strategies,
    model: &Model,
    look: &Look,
) -> (Verdict, Vec<Broken>) {
    let mut broken = Vec::new();
    let mut verdict = block_on(conduct(&mut deployment, strategies, &mut broken));
    for _ in 0..PROCESSES_MAX {
        let taken_back = match &verdict {
            Verdict::Left | Verdict::Abandoned { .. } => false,
            Verdict::Halted { halt } => {
                if matches!(halt, Halt::Differs { .. }) {
                    broken.push(Broken::strategy("differs", halt.to_string()));
                }
                true
            }
            _ => break,
        };
        verdict = take_up(strategies, model, look, taken_back, &mut broken);
    }
    (verdict, broken)
}

type Around = (Box<Clerk>, Arc<Watcher>, Arc<People>);

fn attend(model: &Model, look: &Look) -> Around {
    let watcher = Watcher {
        model: model.clone(),
        listener: look.listener.clone(),
    };
    (
        Box::new(Clerk(model.clone())),
        Arc::new(watcher),
        Arc::new(People(model.clone())),
    )
}

/// Another process goes on, or takes everything back.
fn take_up(
    strategies: &dyn Strategies,
    model: &Model,
    look: &Look,
    taken_back: bool,
    broken: &mut Vec<Broken>,
) -> Verdict {
    let (brief, gone, records) = {
        let mut inner = model.lock();
        let away = inner.scene.habits.away_ms;
        let (gone, records) = inner.ledger.taken_up();
        if gone != Some(Gone::Fenced) {
            let now = inner.now;
            inner.advance(now + away);
        }
        (Arc::clone(&inner.scene.brief), gone, records)
    };
    let (clerk, watcher, people) = attend(model, look);
    if taken_back || gone == Some(Gone::Killed(Way::TakenBack)) {
        let cause = Failure::new(Code::Interrupted, "the process that ran it is gone");
        return block_on(rollback_open(
            brief,
            records,
            Box::new(model.clone()),
            clerk,
            watcher,
            cause,
        ));
    }
    let resume = Resume {
        records,
        step: Some(StepWord::Again),
        ..Resume::default()
    };
    let mut deployment = Deployment::resume(
        brief,
        resume,
        Box::new(model.clone()),
        clerk,
        watcher,
        people,
    );
    block_on(conduct(&mut deployment, strategies, broken))
}

/// Runs a deployment from its beginning to its end.
pub(crate) async fn conduct(
    deployment: &mut Deployment,
    strategies: &dyn Strategies,
    broken: &mut Vec<Broken>,
) -> Verdict {
    let result = match deployment.begin().await {
        Ok(()) => {
            let nothing = World::default();
            let strategy = strategies.strategy(deployment.found().unwrap_or(&nothing));
            match strategy {
                Ok(mut strategy) => {
                    let result = strategy.run(deployment).await;
                    broken.extend(result.as_ref().err().and_then(rule::of_the_end));
                    result
                }
                Err(failure) => Err(failure),
            }
        }
        Err(failure) => Err(failure),
    };
    deployment.finish(result).await
}

/// Polls until it is done: nothing here waits for anything but itself.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

impl crate::world::Inner {
    fn looked_at(&mut self, look: &Look) {
        if look.keeps_calls {
            self.asked = Some(Vec::new());
        }
        if look.keeps_records {
            self.ledger.keep_all();
        }
    }

    fn conclude(
        &mut self,
        seed: u64,
        faults: &[Fault],
        verdict: &Verdict,
        mut broken: Vec<Broken>,
    ) -> Run {
        self.end(verdict);
        let served = self.sites.iter().filter(|site| site.served).count();
        let ending = Ending::of(verdict);
        let cause = match verdict {
            Verdict::Succeeded { .. } => None,
            Verdict::RolledBack { cause }
            | Verdict::Stuck { cause, .. }
            | Verdict::Frozen { cause, .. }
            | Verdict::Refused { cause }
            | Verdict::Abandoned { cause } => Some(cause),
            Verdict::Halted { .. } | Verdict::Left => None,
        };
        broken.extend(self.breaches.drain(..).map(Broken::invariant));
        // What had gone wrong before is not among the faults of a branch.
        let unharmed = faults.is_empty() && !self.retold;
        rule::of_the_run(&mut broken, &self.refused, cause, ending, unharmed);
        let toll = &self.toll;
        let part = |ms: f64| {
            if toll.traffic_ms > 0.0 {
                100.0 * ms / toll.traffic_ms
            } else {
                0.0
            }
        };
        Run {
            seed,
            faults: faults.to_vec(),
            ending,
            cause: cause.map(|cause| cause.message.clone()),
            took_ms: self.now - self.began,
            calls: self.calls,
            effects: toll.effects,
            bad_release: self.plight.bad_release(),
            met_percent: part(toll.renewed_ms),
            failed_percent: part(toll.failed_ms),
            met_ms: toll.renewed_ms,
            failed_ms: toll.failed_ms,
            least_serving: toll.least.unwrap_or(served),
            broken,
        }
    }
}
