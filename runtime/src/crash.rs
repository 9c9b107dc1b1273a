//! Lets tests end the process where it hurts: before and after each write of the record and each
//! effect. In debug builds only.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use async_trait::async_trait;
use engine::{
    Call, Effect, Executor, Failure, Intent, Journal, JournalError, Origin, Outcome, Report,
    Timestamp, World,
};
use rustix::process::{Signal, getpid, kill_process};
use serde_json::Value;

/// At which point the process ends, counted from 1, or with `undo:` before it from where the
/// deployment turns back; nowhere where it is not set.
const POINT: &str = "RUNTIME_CRASH_AT";
/// Before a number of [`POINT`].
const UNDO: &str = "undo:";

/// Counts the points that are passed.
struct Points {
    counting: AtomicBool,
    passed: AtomicU64,
    last: u64,
}

impl Points {
    /// Those of a value of [`POINT`].
    fn of(value: &str) -> Option<Self> {
        let (counting, last) = match value.strip_prefix(UNDO) {
            Some(last) => (false, last),
            None => (true, value),
        };
        Some(Self {
            counting: AtomicBool::new(counting),
            passed: AtomicU64::new(0),
            last: last.parse().ok()?,
        })
    }

    /// Counts from here on where this belongs to a way back.
    fn follow(&self, intent: &Intent) {
        if matches!(intent.origin, Origin::Turn(_) | Origin::Undo(_)) {
            self.counting.store(true, Ordering::SeqCst);
        }
    }

    fn pass(&self) {
        if !self.counting.load(Ordering::SeqCst) {
            return;
        }
        if self.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.last {
            let _dead = kill_process(getpid(), Signal::KILL);
            // The signal may take a moment, in which nothing further happens.
            std::thread::park();
        }
    }
}

/// The same two, with points before and after whatever they do; as they are where no test wants
/// the process to end.
pub(crate) fn with_points(
    executor: Box<dyn Executor>,
    journal: Box<dyn Journal>,
) -> (Box<dyn Executor>, Box<dyn Journal>) {
    let value = std::env::var(POINT).ok();
    let Some(points) = value.and_then(|value| Points::of(&value)) else {
        return (executor, journal);
    };
    let points = Arc::new(points);
    let acts = Pointed {
        inner: executor,
        points: points.clone(),
    };
    let writes = Pointed {
        inner: journal,
        points,
    };
    (Box::new(acts), Box::new(writes))
}

struct Pointed<T> {
    inner: T,
    points: Arc<Points>,
}

#[async_trait]
impl Executor for Pointed<Box<dyn Executor>> {
    async fn observe(&mut self) -> Result<World, Failure> {
        self.points.pass();
        let result = self.inner.observe().await;
        self.points.pass();
        result
    }

    async fn execute(&mut self, effect: &Effect, call: &Call) -> Report {
        self.points.pass();
        let report = self.inner.execute(effect, call).await;
        self.points.pass();
        report
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }
}

#[async_trait]
impl Journal for Pointed<Box<dyn Journal>> {
    async fn begin(&mut self, intent: &Intent) -> Result<(), JournalError> {
        self.points.follow(intent);
        self.points.pass();
        let result = self.inner.begin(intent).await;
        self.points.pass();
        result
    }

    async fn end(&mut self, sequence: u64, outcome: &Outcome) -> Result<(), JournalError> {
        self.points.pass();
        let result = self.inner.end(sequence, outcome).await;
        self.points.pass();
        result
    }

    async fn note(&mut self, intent: &Intent, outcome: &Outcome) -> Result<(), JournalError> {
        self.points.follow(intent);
        self.points.pass();
        let result = self.inner.note(intent, outcome).await;
        self.points.pass();
        result
    }

    async fn close(&mut self, verdict: &Value, at: Timestamp) -> Result<(), JournalError> {
        self.points.pass();
        let result = self.inner.close(verdict, at).await;
        self.points.pass();
        result
    }
}
