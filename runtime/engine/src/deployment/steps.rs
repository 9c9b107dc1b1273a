//! Runs the operator's steps that are due, each in a record of its own.

use super::{Deployment, Stop};
use crate::{
    effect::Effect,
    fleet::Mode,
    journal::{Origin, Undo},
    points::Due,
    recorder::Draft,
    rules::Point,
};

impl Deployment {
    /// Runs them in order, and stops at the first that fails. `ran` were run already. Whether it
    /// stopped because the record ends here and the model may have changed: what is due must be
    /// asked anew then.
    pub(super) async fn run_steps(
        &mut self,
        due: Vec<Due>,
        ran: &mut Vec<usize>,
    ) -> Result<bool, Stop> {
        for due in due {
            let step = due.step;
            if ran.contains(&step) {
                continue;
            }
            if self.arrive().await? {
                return Ok(true);
            }
            self.run_step(due).await?;
            ran.push(step);
        }
        Ok(false)
    }

    pub(super) async fn run_step(&mut self, due: Due) -> Result<(), Stop> {
        self.points
            .may_begin(&self.fleet, &due)
            .map_err(Stop::Failed)?;
        let Due {
            step,
            point,
            targets,
        } = due;
        let undoing = matches!(point, Point::BeforeRollback | Point::AfterRollback);
        if !undoing && self.replay.is_none() {
            self.listen();
            if let Some(failure) = self.interruptions.failure() {
                let draft = Draft::of(Origin::Step, None);
                let now = self.now();
                let result = Err(failure.clone());
                self.recorder.note(draft, result, None, now).await?;
                return Err(Stop::Failed(failure));
            }
        }
        let rule = &self.fleet.rules().steps[step];
        let name = rule.name.clone();
        let undo = match rule.irreversible {
            // What is run on the way back is not itself taken back.
            _ if undoing => Undo::Nothing,
            true => Undo::Irreversible,
            false => Undo::Step,
        };
        let effect = Effect::Step {
            step,
            point,
            targets,
        };
        let draft = Draft {
            origin: Origin::Step,
            operation: None,
            effect: Some(effect),
            undo,
            attempt: 1,
        };
        self.points.began(step);
        let done = self.execute(draft, Mode::Strict, undoing).await?;
        match done.result {
            Ok(_) => {
                self.points.succeeded(step);
                Ok(())
            }
            Err(mut failure) => {
                failure.message = format!("the step \"{name}\" failed: {}", failure.message);
                Err(Stop::Failed(failure))
            }
        }
    }
}
