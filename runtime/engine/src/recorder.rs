//! Writes down what is about to happen before it does, and how it went after, and tells the
//! observer of both. Once something could not be written, nothing is any more.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    effect::{Effect, Report},
    event::{Event, Observer, Verdict},
    failure::{Code, Failure},
    journal::{Intent, Journal, JournalError, Origin, Outcome, Undo},
    operation::{Answer, Operation},
    subject::Timestamp,
};

/// The record could not be kept: nothing may be done any more, not even taken back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Abandoned(pub(crate) Failure);

/// What is to be written down of an effect before it starts.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) origin: Origin,
    pub(crate) operation: Option<Operation>,
    pub(crate) effect: Option<Effect>,
    pub(crate) undo: Undo,
    pub(crate) attempt: u32,
}

impl Draft {
    /// For a call that has no effect.
    pub(crate) fn note(operation: Operation) -> Self {
        Self {
            operation: Some(operation),
            ..Self::of(Origin::Strategy, None)
        }
    }

    /// For what changes nothing that lasts.
    pub(crate) fn of(origin: Origin, effect: Option<Effect>) -> Self {
        Self {
            origin,
            operation: None,
            effect,
            undo: Undo::Nothing,
            attempt: 1,
        }
    }
}

/// The journal, the place in it, and who listens.
pub(crate) struct Recorder {
    journal: Box<dyn Journal>,
    observer: Arc<dyn Observer>,
    next: u64,
    abandoned: Option<Abandoned>,
    left: bool,
}

impl Recorder {
    pub(crate) fn new(journal: Box<dyn Journal>, observer: Arc<dyn Observer>, next: u64) -> Self {
        Self {
            journal,
            observer,
            next,
            abandoned: None,
            left: false,
        }
    }

    /// Why nothing can be written any more, where that is so.
    pub(crate) fn abandoned(&self) -> Option<&Abandoned> {
        self.abandoned.as_ref()
    }

    /// Whether nothing is written any more because another process is to go on.
    pub(crate) fn left(&self) -> bool {
        self.left
    }

    /// How many records there are.
    pub(crate) fn written(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    pub(crate) fn tell(&self, at: Timestamp, event: &Event<'_>) {
        self.observer.event(at, event);
    }

    /// Durable when it returns.
    pub(crate) async fn begin(
        &mut self,
        draft: Draft,
        now: Timestamp,
    ) -> Result<Intent, Abandoned> {
        self.check()?;
        let intent = self.intent(draft, now);
        let written = self.journal.begin(&intent).await;
        self.keep(written)?;
        self.tell(now, &Event::Started(&intent));
        Ok(intent)
    }

    /// Writes nothing from here on: the deployment is left as it is.
    pub(crate) fn stop(&mut self, why: Failure) -> Abandoned {
        let abandoned = Abandoned(why);
        self.abandoned = Some(abandoned.clone());
        abandoned
    }

    /// Takes up a record that another process left without an outcome: it is this one's from
    /// here on.
    pub(crate) async fn take_up(
        &mut self,
        intent: Intent,
        now: Timestamp,
    ) -> Result<Intent, Abandoned> {
        self.check()?;
        let attempt = intent.attempt.saturating_add(1);
        let intent = Intent {
            attempt,
            started: now,
            ..intent
        };
        let written = self.journal.begin(&intent).await;
        self.keep(written)?;
        self.tell(now, &Event::Started(&intent));
        Ok(intent)
    }

    pub(crate) async fn end(
        &mut self,
        intent: &Intent,
        outcome: &Outcome,
    ) -> Result<(), Abandoned> {
        self.check()?;
        let written = self.journal.end(intent.sequence, outcome).await;
        self.keep(written)?;
        self.tell(outcome.ended, &Event::Ended(intent, outcome));
        Ok(())
    }

    /// Both, for what has no effect, or was only looked at.
    pub(crate) async fn note(
        &mut self,
        draft: Draft,
        result: Result<Answer, Failure>,
        report: Option<Report>,
        now: Timestamp,
    ) -> Result<(), Abandoned> {
        self.check()?;
        let intent = self.intent(draft, now);
        let outcome = Outcome {
            result,
            report,
            ended: now,
        };
        let written = self.journal.note(&intent, &outcome).await;
        self.keep(written)?;
        // Taking another way has events of its own.
        if matches!(intent.origin, Origin::Turn(_)) {
            return Ok(());
        }
        self.tell(now, &Event::Started(&intent));
        self.tell(now, &Event::Ended(&intent, &outcome));
        Ok(())
    }

    pub(crate) async fn close(
        &mut self,
        verdict: &Verdict,
        now: Timestamp,
    ) -> Result<(), Abandoned> {
        self.check()?;
        let value = serde_json::to_value(verdict).unwrap_or(Value::Null);
        let written = self.journal.close(&value, now).await;
        self.keep(written)
    }

    fn intent(&mut self, draft: Draft, started: Timestamp) -> Intent {
        let sequence = self.next;
        self.next += 1;
        let Draft {
            origin,
            operation,
            effect,
            undo,
            attempt,
        } = draft;
        Intent {
            sequence,
            origin,
            operation,
            effect,
            undo,
            attempt,
            started,
        }
    }

    fn check(&self) -> Result<(), Abandoned> {
        self.abandoned.clone().map_or(Ok(()), Err)
    }

    fn keep(&mut self, written: Result<(), JournalError>) -> Result<(), Abandoned> {
        written.map_err(|error| {
            self.left = error == JournalError::Left;
            let code = match &error {
                JournalError::LeaseLost { .. } => Code::Conflict,
                JournalError::Left => Code::Interrupted,
                JournalError::Store(_) => Code::Unavailable,
            };
            self.stop(Failure::new(code, error.to_string()))
        })
    }
}
