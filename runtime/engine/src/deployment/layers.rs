//! One call of the strategy on its way through the layers: the record, control, guard, points,
//! and the effect.

use serde_json::json;

use super::{Deployment, Stop};
use crate::{
    effect::Effect,
    event::Event,
    failure::{Code, Failure},
    fleet::{Fleet, Mode, Resolution, Work},
    journal::Origin,
    operation::{Answer, Operation},
    points,
    recorder::{Abandoned, Draft},
};

/// What a call has come to before anything of it happened.
enum Ready {
    /// This is to be done.
    Do(Resolution),
    /// It is answered.
    Answered(Result<Answer, Failure>),
    /// The model may have changed: worked out anew.
    Again,
}

/// What was done for a call already.
#[derive(Default)]
struct Way {
    /// The steps that ran before it.
    ran: Vec<usize>,
    /// It was held by a pause.
    held: bool,
}

impl Deployment {
    /// Passes one operation through the layers.
    pub(super) async fn pass(&mut self, operation: &Operation) -> Result<Answer, Stop> {
        if let Some(Abandoned(failure)) = self.recorder.abandoned() {
            return Err(Stop::Abandoned(failure.clone()));
        }
        self.give_up_waiting().await?;
        if self.found.is_none() {
            let message = "the deployment has not begun";
            return Err(Stop::Failed(Failure::new(Code::Internal, message)));
        }
        if self.replay.is_none() {
            self.listen();
        }
        self.interruptions.called();
        let mut way = Way::default();
        let resolution = loop {
            match self.prepare(operation, &mut way).await {
                Ok(Ready::Do(resolution)) => break resolution,
                Ok(Ready::Answered(answer)) => return answer.map_err(Stop::Failed),
                Ok(Ready::Again) => {}
                Err(Stop::Failed(failure)) => {
                    let draft = Draft::note(operation.clone());
                    return self.note(draft, Err(failure)).await?.map_err(Stop::Failed);
                }
                Err(stop @ Stop::Abandoned(_)) => return Err(stop),
            }
        };
        self.carry_out(operation, resolution).await
    }

    /// All that comes before the effect.
    async fn prepare(&mut self, operation: &Operation, way: &mut Way) -> Result<Ready, Stop> {
        if self.arrive().await? {
            return Ok(Ready::Again);
        }
        if let Some(answer) = self.recall_note(operation) {
            return Ok(Ready::Answered(answer));
        }
        // What cannot fail is not held: nobody would hear of a target that falls ill meanwhile.
        let may_fail = !matches!(operation, Operation::Begin { .. });
        if may_fail && !way.held && self.hold().await? {
            way.held = true;
            return Ok(Ready::Again);
        }
        if self.replay.is_none() {
            self.listen();
            if let Some(failure) = self.interruptions.refusal() {
                return Err(Stop::Failed(failure));
            }
        }
        let now = self.now();
        let work = self.fleet.resolve(operation, now).map_err(Stop::Failed)?;
        let resolution = match self.without_waiting(work) {
            Work::Do(resolution) => resolution,
            Work::Answer(answer) => {
                let draft = Draft::note(operation.clone());
                let answer = self.note(draft, Ok(answer)).await?;
                if let Operation::Begin { stage } = operation {
                    self.tell(&Event::Stage(stage));
                }
                return Ok(Ready::Answered(answer));
            }
        };
        let due = self.points.before(&self.fleet, &resolution.effect);
        if self.run_steps(due, &mut way.ran).await? || self.arrive().await? {
            return Ok(Ready::Again);
        }
        Ok(Ready::Do(resolution))
    }

    /// Does it, and what follows from it.
    async fn carry_out(
        &mut self,
        operation: &Operation,
        resolution: Resolution,
    ) -> Result<Answer, Stop> {
        let gained = points::gains(&self.fleet, &resolution.effect);
        let steps = !self.fleet.rules().steps.is_empty();
        let effect = steps.then(|| resolution.effect.clone());
        let draft = Draft {
            origin: Origin::Strategy,
            operation: Some(operation.clone()),
            effect: Some(resolution.effect),
            undo: resolution.undo,
            attempt: 1,
        };
        let done = self.execute(draft, Mode::Tolerant, false).await?;
        let answer = done.result.map_err(Stop::Failed)?;
        self.take_out().await?;
        if let Some(effect) = effect {
            let mut ran = Vec::new();
            loop {
                let due = self.points.after(&self.fleet, &effect, &gained);
                if !self.run_steps(due, &mut ran).await? {
                    break;
                }
            }
        }
        Ok(answer)
    }

    /// Waits while somebody has paused the deployment. Whether it did.
    async fn hold(&mut self) -> Result<bool, Stop> {
        let pause = match &self.replay {
            Some(replay) => replay.pause(),
            None if self.interruptions.failure().is_some() => None,
            None => self.interruptions.pause(),
        };
        let Some(pause) = pause else {
            return Ok(false);
        };
        let draft = Draft::of(Origin::Host, Some(Effect::Hold { pause }));
        let done = self.execute(draft, Mode::Strict, false).await?;
        done.result.map(|_| true).map_err(Stop::Failed)
    }

    /// Once somebody promoted it in full, waits and watches are over as they begin.
    fn without_waiting(&self, work: Work) -> Work {
        let (Some(signal), Work::Do(resolution)) = (&self.promoted, &work) else {
            return work;
        };
        match resolution.effect {
            Effect::Wait { .. } => Work::Answer(Answer::Done),
            Effect::Watch { .. } => Work::Answer(Answer::Verdict {
                kind: "passed".to_owned(),
                details: json!({ "promoted": { "by": signal.by, "reason": signal.reason } }),
            }),
            _ => work,
        }
    }

    /// Records that nothing was done; gives what the record says of it, where it has it already.
    async fn note(
        &mut self,
        draft: Draft,
        result: Result<Answer, Failure>,
    ) -> Result<Result<Answer, Failure>, Abandoned> {
        while self.replay.is_some() {
            if let Err(Stop::Abandoned(failure)) = self.arrive().await {
                return Err(Abandoned(failure));
            }
            if let Some(done) = self.recall(&draft, Mode::Strict, false).await? {
                return Ok(done.result);
            }
        }
        let now = self.now();
        self.recorder.note(draft, result.clone(), None, now).await?;
        Ok(result)
    }

    /// Takes those that were left out, and are not proven, out of the traffic.
    pub(super) async fn take_out(&mut self) -> Result<(), Stop> {
        self.put_right(Fleet::without_left_out).await
    }

    /// Takes those out of the traffic that the configuration does not have.
    pub(super) async fn take_strangers_out(&mut self) -> Result<(), Stop> {
        self.put_right(Fleet::without_strangers).await
    }

    async fn put_right(&mut self, what: fn(&Fleet) -> Option<Resolution>) -> Result<(), Stop> {
        while let Some(resolution) = what(&self.fleet) {
            if self.arrive().await? {
                continue;
            }
            let draft = Draft {
                undo: resolution.undo,
                ..Draft::of(Origin::Host, Some(resolution.effect))
            };
            let done = self.execute(draft, Mode::Strict, false).await?;
            return done.result.map(|_| ()).map_err(Stop::Failed);
        }
        Ok(())
    }
}
