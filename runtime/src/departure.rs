//! Leaving deployments to another process: what is under way comes to its end, what only waits
//! ends at once with its record open, and nothing further begins. Who then goes on finds the
//! record as a process that was killed between two effects leaves it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use engine::{
    Call, Code, Effect, Executor, Failure, Intent, Journal, JournalError, Outcome, Report,
    Timestamp, World,
};
use serde_json::Value;
use tokio::sync::watch;

/// Whether this process is to leave what it runs.
#[derive(Debug, Default)]
pub(crate) struct Departure(watch::Sender<bool>);

impl Departure {
    /// Asks for it.
    pub(crate) fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Whether somebody asked for it.
    pub(crate) fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends once somebody asked for it.
    async fn asked(&self) {
        let mut asked = self.0.subscribe();
        // The sender lives as long as this borrow.
        let _asked = asked.wait_for(|asked| *asked).await;
    }
}

/// What acts and what writes, as they are for a process that can be asked to leave.
pub(crate) fn heeding(
    departure: &Arc<Departure>,
    executor: Box<dyn Executor>,
    journal: Box<dyn Journal>,
) -> (Box<dyn Executor>, Box<dyn Journal>) {
    let left_open = Arc::new(AtomicU64::new(0));
    let acts = Heeding {
        inner: executor,
        departure: departure.clone(),
        left_open: left_open.clone(),
    };
    let writes = Heeding {
        inner: journal,
        departure: departure.clone(),
        left_open,
    };
    (Box::new(acts), Box::new(writes))
}

struct Heeding<T> {
    inner: T,
    departure: Arc<Departure>,
    /// The sequence of the wait that was ended for it; 0 where none was.
    left_open: Arc<AtomicU64>,
}

/// Whether nothing is changed by ending it early, and by doing it again.
fn only_waits(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Wait { .. }
            | Effect::Watch { .. }
            | Effect::Hold { .. }
            | Effect::Approval { .. }
            | Effect::AwaitHealthy { .. }
    )
}

#[async_trait]
impl Executor for Heeding<Box<dyn Executor>> {
    async fn observe(&mut self) -> Result<World, Failure> {
        self.inner.observe().await
    }

    async fn execute(&mut self, effect: &Effect, call: &Call) -> Report {
        if !only_waits(effect) {
            return self.inner.execute(effect, call).await;
        }
        tokio::select! {
            report = self.inner.execute(effect, call) => report,
            () = self.departure.asked() => {
                self.left_open.store(call.sequence, Ordering::Release);
                Report::failed(Failure::new(Code::Interrupted, "left to another process"))
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }
}

#[async_trait]
impl Journal for Heeding<Box<dyn Journal>> {
    async fn begin(&mut self, intent: &Intent) -> Result<(), JournalError> {
        if self.departure.is_asked() {
            return Err(JournalError::Left);
        }
        self.inner.begin(intent).await
    }

    async fn end(&mut self, sequence: u64, outcome: &Outcome) -> Result<(), JournalError> {
        if self.left_open.load(Ordering::Acquire) == sequence {
            return Err(JournalError::Left);
        }
        self.inner.end(sequence, outcome).await
    }

    async fn note(&mut self, intent: &Intent, outcome: &Outcome) -> Result<(), JournalError> {
        // Nothing is done for it; and which way a deployment takes must be known to the next.
        self.inner.note(intent, outcome).await
    }

    async fn close(&mut self, verdict: &Value, at: Timestamp) -> Result<(), JournalError> {
        self.inner.close(verdict, at).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use engine::testing::MemoryJournal;

    use super::*;

    /// Waits for ever; everything else is done at once.
    struct Patient;

    #[async_trait]
    impl Executor for Patient {
        async fn observe(&mut self) -> Result<World, Failure> {
            Ok(World::default())
        }

        async fn execute(&mut self, effect: &Effect, _: &Call) -> Report {
            if only_waits(effect) {
                std::future::pending::<()>().await;
            }
            Report::default()
        }

        fn now(&self) -> Timestamp {
            Timestamp(0)
        }
    }

    fn intent(sequence: u64, effect: Effect) -> Intent {
        Intent {
            sequence,
            origin: engine::Origin::Host,
            operation: None,
            effect: Some(effect),
            undo: engine::Undo::Nothing,
            attempt: 1,
            started: Timestamp(0),
        }
    }

    fn call(sequence: u64) -> Call {
        Call {
            sequence,
            attempt: 1,
            monitored: BTreeMap::new(),
            undoing: false,
        }
    }

    #[tokio::test]
    async fn a_wait_stays_open_and_an_effect_comes_to_its_end() {
        let departure = Arc::new(Departure::default());
        let kept = MemoryJournal::new();
        let (mut acts, mut writes) = heeding(&departure, Box::new(Patient), Box::new(kept.clone()));
        let outcome = Outcome {
            result: Ok(engine::Answer::Done),
            report: None,
            ended: Timestamp(0),
        };
        let remove = intent(
            1,
            Effect::Remove {
                targets: std::collections::BTreeSet::new(),
                release: "v1".into(),
            },
        );
        let wait = intent(
            2,
            Effect::Wait {
                since: Timestamp(0),
                until: None,
            },
        );
        writes.begin(&remove).await.unwrap();
        departure.ask();
        let effect = remove.effect.as_ref().unwrap();
        assert!(acts.execute(effect, &call(1)).await.failure.is_none());
        writes.end(1, &outcome).await.unwrap();
        assert_eq!(writes.begin(&wait).await, Err(JournalError::Left));

        let departure = Arc::new(Departure::default());
        let (mut acts, mut writes) = heeding(&departure, Box::new(Patient), Box::new(kept.clone()));
        writes.begin(&wait).await.unwrap();
        let effect = wait.effect.as_ref().unwrap();
        let asked = departure.clone();
        let call = call(2);
        let (report, ()) = tokio::join!(acts.execute(effect, &call), async { asked.ask() });
        assert!(report.failure.is_some());
        assert_eq!(writes.end(2, &outcome).await, Err(JournalError::Left));
        assert!(kept.records()[1].outcome.is_none());
    }
}
