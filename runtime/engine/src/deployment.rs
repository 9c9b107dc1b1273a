//! One deployment: the layers put together, from the first look at the world to the verdict.

mod effects;
mod finish;
mod layers;
mod open;
mod resume;
mod steps;
mod undoing;

use std::{future::poll_fn, sync::Arc, task::Poll};

use async_trait::async_trait;

pub use self::open::rollback_open;
use crate::{
    effect::Effect,
    ending::Failures,
    event::{Event, Observer, Verdict},
    executor::{Control, Executor, World},
    failure::{Code, Failure},
    fleet::Fleet,
    halt::Halt,
    interruption::Interruptions,
    journal::{Intent, Journal, Turn},
    operation::{Answer, Operation, Operations, Strategy},
    points::Points,
    recorder::{Abandoned, Recorder},
    replay::Replay,
    rules::{Brief, Point},
    signal::Signal,
    subject::{Name, Timestamp},
    trail::Trail,
};

/// A deployment under way: what its strategy asks passes through here, layer by layer.
///
/// [`Deployment::begin`], then the strategy, then [`Deployment::finish`]; or [`Deployment::run`]
/// for all of it.
pub struct Deployment {
    executor: Box<dyn Executor>,
    recorder: Recorder,
    interruptions: Interruptions,
    fleet: Fleet,
    /// What was found at first; none before that.
    found: Option<World>,
    /// What was found last, where it was looked at again.
    seen: Option<World>,
    points: Points,
    trail: Trail,
    /// The effect that is being done: still there where whoever waited for it did not.
    under_way: Option<Arc<Intent>>,
    failures: Failures,
    /// What the record of another process has to tell still.
    replay: Option<Box<Replay>>,
    /// Why going on stopped, where it did.
    halted: Option<Halt>,
    /// Where it goes.
    way: Turn,
    /// Somebody wants no wait any more.
    promoted: Option<Signal>,
}

/// Why something was not done.
enum Stop {
    /// It failed.
    Failed(Failure),
    /// Nothing may be done any more.
    Abandoned(Failure),
}

impl From<Abandoned> for Stop {
    fn from(Abandoned(failure): Abandoned) -> Self {
        Self::Abandoned(failure)
    }
}

impl Stop {
    fn into_failure(self) -> Failure {
        match self {
            Self::Failed(failure) | Self::Abandoned(failure) => failure,
        }
    }
}

impl Deployment {
    /// Prepares a deployment; nothing is asked or written yet.
    pub fn new(
        brief: impl Into<Arc<Brief>>,
        executor: Box<dyn Executor>,
        journal: Box<dyn Journal>,
        observer: Arc<dyn Observer>,
        control: Arc<dyn Control>,
    ) -> Self {
        Self::with(
            brief.into(),
            executor,
            Recorder::new(journal, observer, 1),
            control,
        )
    }

    /// A deployment that writes on where the recorder stands.
    fn with(
        brief: Arc<Brief>,
        executor: Box<dyn Executor>,
        recorder: Recorder,
        control: Arc<dyn Control>,
    ) -> Self {
        Self {
            executor,
            recorder,
            interruptions: Interruptions::new(control),
            fleet: Fleet::unknown(brief),
            found: None,
            seen: None,
            points: Points::default(),
            trail: Trail::default(),
            under_way: None,
            failures: Failures::default(),
            replay: None,
            halted: None,
            way: Turn::Forth,
            promoted: None,
        }
    }

    /// Looks at the world, decides who is left out, and runs the steps before the deployment.
    /// What it fails with belongs into [`Deployment::finish`].
    pub async fn begin(&mut self) -> Result<(), Failure> {
        self.start().await.map_err(Stop::into_failure)
    }

    async fn start(&mut self) -> Result<(), Stop> {
        match &self.replay {
            Some(replay) => {
                if let Some((_, cause)) = replay.turn() {
                    return Err(Stop::Failed(cause.clone()));
                }
            }
            None => self.uninterrupted()?,
        }
        self.observe().await?;
        if self.fleet.balanced() && self.found.iter().all(|world| world.reading.is_none()) {
            let message = "the load balancer did not say what it does; nothing was changed";
            return Err(Stop::Failed(Failure::new(Code::Unavailable, message)));
        }
        self.fleet.check_reachable().map_err(Stop::Failed)?;
        for (name, failure) in self.fleet.left_out() {
            self.tell(&Event::LeftOut {
                target: &name,
                failure: &failure,
            });
        }
        self.take_out().await?;
        loop {
            let due = self.points.at(&self.fleet, Point::BeforeDeploy);
            if !self.run_steps(due, &mut Vec::new()).await? {
                return Ok(());
            }
        }
    }

    /// What is known of the targets; of what runs there nothing, before [`Deployment::begin`].
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// What was found at first; none before [`Deployment::begin`].
    pub fn found(&self) -> Option<&World> {
        self.found.as_ref()
    }

    /// All of it: begins, runs the strategy, finishes. A strategy that goes on calling once
    /// [`Operations::over`] is true is dropped at its next call.
    pub async fn run(&mut self, strategy: &mut dyn Strategy) -> Verdict {
        let result = match self.begin().await {
            Ok(()) => self.run_strategy(strategy).await,
            Err(failure) => Err(failure),
        };
        self.finish(result).await
    }

    async fn run_strategy(&mut self, strategy: &mut dyn Strategy) -> Result<(), Failure> {
        let mut stopped = Stoppable {
            deployment: self,
            stopped: Arc::default(),
        };
        let flag = stopped.stopped.clone();
        let mut running = strategy.run(&mut stopped);
        let ended = poll_fn(|context| match running.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if flag.load(std::sync::atomic::Ordering::Relaxed) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await;
        drop(running);
        ended.unwrap_or_else(|| Err(self.interruptions.stopped()))
    }

    fn uninterrupted(&mut self) -> Result<(), Stop> {
        self.listen();
        self.interruptions
            .failure()
            .map_or(Ok(()), |failure| Err(Stop::Failed(failure)))
    }

    /// Hears whether somebody asked to stop.
    fn listen(&mut self) {
        let now = self.executor.now();
        if let Some(interruption) = self.interruptions.look() {
            self.recorder.tell(now, &Event::Interrupted(interruption));
        }
    }

    fn now(&self) -> Timestamp {
        self.executor.now()
    }

    /// Tells whoever listens; what is told from a record was told before.
    fn tell(&self, event: &Event<'_>) {
        if self.replay.as_ref().is_some_and(|replay| !replay.is_done()) {
            return;
        }
        self.recorder.tell(self.now(), event);
    }
}

#[async_trait]
impl Operations for Deployment {
    async fn perform(&mut self, operation: Operation) -> Result<Answer, Failure> {
        let result = self.pass(&operation).await.map_err(Stop::into_failure);
        self.failures.answered(&operation, result.as_ref().err());
        result
    }

    fn over(&self) -> bool {
        self.interruptions.over() || self.recorder.abandoned().is_some()
    }
}

/// Ends a strategy that goes on calling after everything was over: its call is never answered,
/// and whoever polls it sees the flag.
struct Stoppable<'a> {
    deployment: &'a mut Deployment,
    stopped: Arc<std::sync::atomic::AtomicBool>,
}

#[async_trait]
impl Operations for Stoppable<'_> {
    async fn perform(&mut self, operation: Operation) -> Result<Answer, Failure> {
        if self.over() {
            self.stopped
                .store(true, std::sync::atomic::Ordering::Relaxed);
            return std::future::pending().await;
        }
        self.deployment.perform(operation).await
    }

    fn over(&self) -> bool {
        self.deployment.over()
    }
}

/// The names that an effect is about, where it is about some.
fn concerned(effect: &Effect) -> Vec<&Name> {
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
