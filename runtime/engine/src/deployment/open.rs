//! Takes an open deployment back from its record: the model is built again from what was
//! written down, and what was under way when the process ended may have happened.

use std::sync::Arc;

use serde_json::Value;

use super::Deployment;
use crate::{
    effect::{Effect, Report},
    event::{Observer, Verdict},
    executor::{Control, Executor, Interruption},
    failure::{Code, Failure},
    fleet::Mode,
    journal::{Journal, Origin, Outcome, Record, Turn},
    operation::Answer,
    recorder::{Abandoned, Draft, Recorder},
    rules::Brief,
};

/// Takes an open deployment back from its records alone, in a process that need not be the one
/// which began it. It was cut off, or is stuck or frozen; what was taken back already stays so,
/// and only what is not as it was is tried again. It is rolled back once all of it reads back so.
///
/// The journal goes on where the records end. `cause` says why, in the verdict.
pub async fn rollback_open(
    brief: impl Into<Arc<Brief>>,
    records: Vec<Record>,
    executor: Box<dyn Executor>,
    journal: Box<dyn Journal>,
    observer: Arc<dyn Observer>,
    cause: Failure,
) -> Verdict {
    let control = Arc::new(Nobody);
    let recorder = Recorder::new(journal, observer, next(&records));
    let mut deployment = Deployment::with(brief.into(), executor, recorder, control);
    let verdict = deployment.go_back(records, cause).await;
    deployment.close(verdict).await
}

/// The place of the record after these.
pub(super) fn next(records: &[Record]) -> u64 {
    let last = records.iter().map(|record| record.intent.sequence).max();
    last.map_or(1, |last| last.saturating_add(1))
}

impl Deployment {
    pub(super) async fn go_back(
        &mut self,
        records: impl IntoIterator<Item = Record>,
        cause: Failure,
    ) -> Result<Verdict, Abandoned> {
        for record in records {
            self.follow_record(record).await?;
        }
        if self.trail.is_empty() {
            return Ok(Verdict::Refused { cause });
        }
        self.turn_back(&cause).await?;
        // Where the world cannot be read, the record must do; the end is read back in any case.
        let _ = self.look().await?;
        // Nobody looked after them meanwhile.
        self.fleet.forget_proofs();
        self.undo(cause).await
    }

    /// Ends a deployment that was to freeze when it was cut off.
    pub(super) async fn go_freeze(
        &mut self,
        records: impl IntoIterator<Item = Record>,
        cause: Failure,
    ) -> Result<Verdict, Abandoned> {
        for record in records {
            self.follow_record(record).await?;
        }
        self.freeze(cause).await
    }

    /// Keeps that the deployment takes another way, and why.
    pub(super) async fn turn(
        &mut self,
        way: Turn,
        result: Result<Answer, Failure>,
        value: Value,
    ) -> Result<(), Abandoned> {
        self.way = way;
        let report = (!value.is_null()).then(|| Report {
            value,
            ..Report::default()
        });
        let draft = Draft::of(Origin::Turn(way), None);
        let now = self.now();
        self.recorder.note(draft, result, report, now).await
    }

    /// Keeps that everything is taken back, once.
    pub(super) async fn turn_back(&mut self, cause: &Failure) -> Result<(), Abandoned> {
        if self.way == Turn::Back {
            return Ok(());
        }
        self.turn(Turn::Back, Err(cause.clone()), Value::Null).await
    }

    /// Ends what nobody waits for any more: a call that was dropped before it was answered. It
    /// may have happened.
    pub(super) async fn give_up_waiting(&mut self) -> Result<(), Abandoned> {
        let Some(intent) = self.under_way.take() else {
            return Ok(());
        };
        let intent = Arc::unwrap_or_clone(intent);
        self.follow_record(Record {
            intent,
            outcome: None,
        })
        .await
    }

    /// Follows one record as if it had just happened.
    pub(super) async fn follow_record(&mut self, record: Record) -> Result<(), Abandoned> {
        let Record {
            mut intent,
            outcome,
        } = record;
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => {
                intent = self.recorder.take_up(intent, self.now()).await?;
                let outcome = Outcome {
                    result: Err(cut_off()),
                    report: None,
                    ended: self.now(),
                };
                self.recorder.end(&intent, &outcome).await?;
                outcome
            }
        };
        if let Origin::Turn(way) = intent.origin {
            self.way = way;
            return Ok(());
        }
        if let Some(effect) = &intent.effect {
            let unanswered = Report::failed(cut_off());
            let report = outcome.report.as_ref().unwrap_or(&unanswered);
            let mode = match intent.origin {
                Origin::Strategy => Mode::Tolerant,
                Origin::Step | Origin::Host | Origin::Undo(_) | Origin::Turn(_) => Mode::Strict,
            };
            self.follow(effect, report, mode);
            if let Effect::Step { step, .. } = effect {
                self.points.began(*step);
                if outcome.result.is_ok() {
                    self.points.succeeded(*step);
                }
            }
        }
        self.trail.add(intent, Some(&outcome));
        Ok(())
    }
}

pub(super) fn cut_off() -> Failure {
    Failure::new(Code::Interrupted, "it was cut off while it was under way")
}

/// Taking back is not interrupted.
struct Nobody;

impl Control for Nobody {
    fn interruption(&self) -> Option<Interruption> {
        None
    }
}
