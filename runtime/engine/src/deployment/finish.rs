//! The end: checked, then the steps after the deployment; or taken back, or frozen.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Deployment, Stop};
use crate::{
    differences, ending,
    event::{Event, Verdict},
    failure::Failure,
    journal::Turn,
    recorder::Abandoned,
    rules::Point,
    subject::Name,
    trail::What,
};

impl Deployment {
    /// Checks the end, runs the steps after the deployment, takes back what failed, and closes
    /// the record. `result` is what the strategy, or [`Deployment::begin`], ended with.
    pub async fn finish(&mut self, result: Result<(), Failure>) -> Verdict {
        let turned = self.replay.as_ref().and_then(|replay| replay.turn());
        let concluded = match turned.cloned() {
            Some((way, cause)) => self.go_on(way, cause).await,
            None => match self.complete(result).await {
                Ok(()) => Ok(Verdict::Succeeded {
                    left_out: self.fleet.left_out(),
                }),
                Err(Stop::Failed(failure)) => self.conclude(failure).await,
                Err(Stop::Abandoned(failure)) => Err(Abandoned(failure)),
            },
        };
        self.close(concluded).await
    }

    /// The way that the deployment had turned to when it was cut off.
    async fn go_on(&mut self, way: Turn, cause: Failure) -> Result<Verdict, Abandoned> {
        let replay = self.replay.take();
        let seamless = replay.as_ref().is_some_and(|replay| replay.seamless);
        let records = replay.into_iter().flat_map(|replay| replay.into_records());
        match way {
            Turn::Freeze => self.go_freeze(records, cause).await,
            Turn::Back | Turn::Forth if seamless => {
                for record in records {
                    self.follow_record(record).await?;
                }
                self.undo(cause).await
            }
            Turn::Back | Turn::Forth => self.go_back(records, cause).await,
        }
    }

    /// Writes the verdict down.
    pub(super) async fn close(&mut self, verdict: Result<Verdict, Abandoned>) -> Verdict {
        let now = self.now();
        let verdict = match verdict {
            Ok(verdict) => match self.recorder.close(&verdict, now).await {
                Ok(()) => verdict,
                Err(Abandoned(cause)) => Verdict::Abandoned { cause },
            },
            Err(Abandoned(cause)) => match self.halted.take() {
                Some(halt) => Verdict::Halted { halt },
                None if self.recorder.left() => Verdict::Left,
                None => Verdict::Abandoned { cause },
            },
        };
        self.tell(&Event::Closed(&verdict));
        verdict
    }

    async fn complete(&mut self, result: Result<(), Failure>) -> Result<(), Stop> {
        if let Some(Abandoned(failure)) = self.recorder.abandoned() {
            return Err(Stop::Abandoned(failure.clone()));
        }
        self.give_up_waiting().await?;
        // What failed before it changed anything relies on nothing.
        if result.is_ok() || !self.trail.is_empty() {
            self.arrive().await?;
        }
        if result.is_err() {
            self.nothing_left()?;
        }
        result.map_err(Stop::Failed)?;
        self.take_strangers_out().await?;
        loop {
            if self.replay.is_none() {
                self.uninterrupted()?;
            }
            self.failures
                .ignored()
                .map_or(Ok(()), |failure| Err(Stop::Failed(failure)))?;
            ending::check(&self.fleet).map_err(Stop::Failed)?;
            // All traffic is on the release now, also where no operation brought it there.
            let mut due = self.points.rest(&self.fleet);
            due.extend(self.points.at(&self.fleet, Point::AfterDeploy));
            if self.run_steps(due, &mut Vec::new()).await? {
                continue;
            }
            if self.replay.is_none() {
                return Ok(());
            }
            if !self.arrive().await? {
                self.nothing_left()?;
            }
        }
    }

    /// Stops where the record goes on, and nobody asks for what it has.
    fn nothing_left(&mut self) -> Result<(), Abandoned> {
        match self.replay.as_ref().and_then(|replay| replay.left_over()) {
            Some(halt) => Err(self.halt(halt)),
            None => Ok(()),
        }
    }

    async fn conclude(&mut self, cause: Failure) -> Result<Verdict, Abandoned> {
        self.nothing_left()?;
        if self.trail.is_empty() {
            return Ok(Verdict::Refused { cause });
        }
        let frozen = !self.fleet.rules().automatic_rollback;
        if frozen || self.trail.irreversible().next().is_some() {
            return self.freeze(cause).await;
        }
        self.undo(cause).await
    }

    pub(super) async fn freeze(&mut self, cause: Failure) -> Result<Verdict, Abandoned> {
        if self.way != Turn::Freeze {
            let why = Err(cause.clone());
            self.turn(Turn::Freeze, why, Value::Null).await?;
        }
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
            "nothing was taken back by itself; `runtime rollback {id}` takes back what can be, \
             and `runtime resume {id}` tries what failed again"
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
