//! Takes an open deployment back from its record: the model is built again from what was
//! written down, and what was under way when the process ended may have happened.

use std::sync::Arc;

use super::Deployment;
use crate::{
    effect::{Effect, Report},
    event::{Observer, Verdict},
    executor::{Control, Executor, Interruption},
    failure::{Code, Failure},
    fleet::Mode,
    journal::{Journal, Origin, Outcome, Record},
    recorder::{Abandoned, Recorder},
    rules::Brief,
};

/// Takes an open deployment back from its records alone, in a process that need not be the one
/// which began it. It was cut off, or is stuck or frozen; what was taken back already stays so.
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
    let next = records
        .iter()
        .map(|record| record.intent.sequence + 1)
        .max()
        .unwrap_or(1);
    let control = Arc::new(Nobody);
    let recorder = Recorder::new(journal, observer, next);
    let mut deployment = Deployment::with(brief.into(), executor, recorder, control);
    let verdict = deployment.go_back(records, cause).await;
    deployment.close(verdict).await
}

impl Deployment {
    async fn go_back(
        &mut self,
        records: Vec<Record>,
        cause: Failure,
    ) -> Result<Verdict, Abandoned> {
        for record in records {
            self.replay(record).await?;
        }
        if self.trail.is_empty() {
            return Ok(Verdict::Refused { cause });
        }
        // Where the world cannot be read, the record must do; the end is read back in any case.
        let _ = self.look().await?;
        self.undo(cause).await
    }

    /// Ends what nobody waits for any more: a call that was dropped before it was answered. It
    /// may have happened.
    pub(super) async fn give_up_waiting(&mut self) -> Result<(), Abandoned> {
        let Some(intent) = self.under_way.take() else {
            return Ok(());
        };
        let intent = Arc::unwrap_or_clone(intent);
        self.replay(Record {
            intent,
            outcome: None,
        })
        .await
    }

    /// Follows one record as if it had just happened.
    async fn replay(&mut self, record: Record) -> Result<(), Abandoned> {
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
        if let Some(effect) = &intent.effect {
            let unanswered = Report::failed(cut_off());
            let report = outcome.report.as_ref().unwrap_or(&unanswered);
            let mode = match intent.origin {
                Origin::Strategy => Mode::Tolerant,
                Origin::Step | Origin::Host | Origin::Undo(_) => Mode::Strict,
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

fn cut_off() -> Failure {
    Failure::new(Code::Interrupted, "it was cut off while it was under way")
}

/// Taking back is not interrupted.
struct Nobody;

impl Control for Nobody {
    fn interruption(&self) -> Option<Interruption> {
        None
    }
}
