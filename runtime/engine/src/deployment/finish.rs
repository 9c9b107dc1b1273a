//! The end: checked, then the steps after the deployment; or taken back, or frozen.

use std::collections::BTreeSet;

use super::{Deployment, Stop};
use crate::{
    differences, ending,
    event::{Event, Verdict},
    failure::Failure,
    recorder::Abandoned,
    rules::Point,
    subject::Name,
    trail::What,
};

impl Deployment {
    /// Checks the end, runs the steps after the deployment, takes back what failed, and closes
    /// the record. `result` is what the strategy, or [`Deployment::begin`], ended with.
    pub async fn finish(&mut self, result: Result<(), Failure>) -> Verdict {
        let concluded = match self.complete(result).await {
            Ok(()) => Ok(Verdict::Succeeded {
                left_out: self.fleet.left_out(),
            }),
            Err(Stop::Failed(failure)) => self.conclude(failure).await,
            Err(Stop::Abandoned(failure)) => Err(Abandoned(failure)),
        };
        self.close(concluded).await
    }

    /// Writes the verdict down.
    pub(super) async fn close(&mut self, verdict: Result<Verdict, Abandoned>) -> Verdict {
        let now = self.now();
        let verdict = match verdict {
            Ok(verdict) => match self.recorder.close(&verdict, now).await {
                Ok(()) => verdict,
                Err(Abandoned(cause)) => Verdict::Abandoned { cause },
            },
            Err(Abandoned(cause)) => Verdict::Abandoned { cause },
        };
        self.tell(&Event::Closed(&verdict));
        verdict
    }

    async fn complete(&mut self, result: Result<(), Failure>) -> Result<(), Stop> {
        if let Some(Abandoned(failure)) = self.recorder.abandoned() {
            return Err(Stop::Abandoned(failure.clone()));
        }
        self.give_up_waiting().await?;
        result.map_err(Stop::Failed)?;
        self.uninterrupted()?;
        self.failures
            .ignored()
            .map_or(Ok(()), |failure| Err(Stop::Failed(failure)))?;
        ending::check(&self.fleet).map_err(Stop::Failed)?;
        // All traffic is on the release now, also where no operation brought it there.
        let due = self.points.rest(&self.fleet);
        self.run_steps(due).await?;
        let due = self.points.at(&self.fleet, Point::AfterDeploy);
        self.run_steps(due).await
    }

    async fn conclude(&mut self, cause: Failure) -> Result<Verdict, Abandoned> {
        if self.trail.is_empty() {
            return Ok(Verdict::Refused { cause });
        }
        let frozen = !self.fleet.rules().automatic_rollback;
        if frozen || self.trail.irreversible().next().is_some() {
            return self.freeze(cause).await;
        }
        self.undo(cause).await
    }

    async fn freeze(&mut self, cause: Failure) -> Result<Verdict, Abandoned> {
        let mut differences = match self.look().await? {
            Ok(differences) => differences,
            Err(failure) => {
                vec![format!("what stands where could not be read: {failure}")]
            }
        };
        let steps = self.trail.irreversible().map(|done| {
            let name = &self.fleet.rules().steps[done.step].name;
            format!("the step \"{name}\" was run, and cannot be taken back")
        });
        differences.extend(steps);
        let id = &self.fleet.brief().id;
        differences.push(format!(
            "nothing was taken back by itself; `runtime rollback {id}` takes back what can be"
        ));
        Ok(Verdict::Frozen { cause, differences })
    }

    /// Reads the world, and holds it against what was found at first.
    pub(super) async fn look(&mut self) -> Result<Result<Vec<String>, Failure>, Abandoned> {
        match self.observe().await {
            Ok(()) => {}
            Err(Stop::Failed(failure)) => return Ok(Err(failure)),
            Err(Stop::Abandoned(failure)) => return Err(Abandoned(failure)),
        }
        let differences = match (&self.found, &self.seen) {
            (Some(found), Some(seen)) => {
                differences::between(found, seen, &self.fleet, &self.touched())
            }
            _ => Vec::new(),
        };
        Ok(Ok(differences))
    }

    /// Targets on which anything was done that lasts.
    fn touched(&self) -> BTreeSet<Name> {
        let mut touched = BTreeSet::new();
        for item in self.trail.items() {
            match item.what {
                What::Active(releases) => touched.extend(releases.into_keys()),
                What::Installed(targets) => touched.extend(targets),
                What::Traffic(_) | What::Step(_) | What::Irreversible(_) => {}
            }
        }
        touched
    }
}
