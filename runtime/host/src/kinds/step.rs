//! A plugin that does one piece of work at a point in a deployment.

use bindings::{Kind, working};
use engine::{Failure, Point, Purpose, Release, Target};
use serde_json::Value;

use super::nonsense;
use crate::{
    convert,
    error::HostError,
    worker::{About, CallContext, Worker},
};

/// What a step returns is kept in the deployment's record.
const OUTCOME_BYTES_MAX: usize = 256 << 10;

/// One of the operator's steps.
#[derive(Clone)]
pub struct Step(Worker);

/// When and with what a step runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Occasion {
    /// The deployment's id.
    pub deployment: String,
    /// The application.
    pub application: String,
    /// The environment.
    pub environment: String,
    /// Where in the deployment.
    pub point: Point,
    /// Why the release goes out.
    pub purpose: Purpose,
    /// What goes out.
    pub release: Release,
    /// What ran before.
    pub previous: Option<Release>,
    /// The targets concerned.
    pub targets: Vec<Target>,
    /// Anything else.
    pub details: Value,
}

impl Step {
    /// Fails where the plugin is of another kind.
    pub fn new(worker: Worker) -> Result<Self, HostError> {
        worker.plugin().expect(Kind::Step)?;
        Ok(Self(worker))
    }

    /// The plugin at work.
    pub fn worker(&self) -> &Worker {
        &self.0
    }

    /// The same on another machine.
    #[must_use]
    pub fn on(&self, machine: std::sync::Arc<dyn machines::Machine>) -> Self {
        Self(self.0.on(machine))
    }

    /// Runs it; what it returns is kept with the deployment.
    pub async fn run(&self, occasion: &Occasion, context: &CallContext) -> Result<Value, Failure> {
        let theirs = working_occasion(occasion);
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked.run_step(state, &theirs, &settings).await
        };
        let outcome = self.0.call("run", context, about(occasion), call).await?;
        if outcome.len() > OUTCOME_BYTES_MAX {
            let what = format!("an outcome of {} bytes", outcome.len());
            return Err(nonsense(self.0.plugin(), &what));
        }
        serde_json::from_str(&self.0.redact(outcome)).map_err(|error| {
            nonsense(
                self.0.plugin(),
                &format!("an outcome that is not JSON: {error}"),
            )
        })
    }

    /// Takes back what [`Step::run`] did, which returned `outcome`.
    pub async fn undo(
        &self,
        occasion: &Occasion,
        outcome: &Value,
        context: &CallContext,
    ) -> Result<(), Failure> {
        let theirs = working_occasion(occasion);
        let outcome = convert::json(outcome);
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked.undo_step(state, &theirs, &outcome, &settings).await
        };
        self.0
            .call("take back what it did", context, about(occasion), call)
            .await
    }
}

fn about(occasion: &Occasion) -> About {
    About {
        targets: occasion.targets.clone(),
        release: Some(occasion.release.clone()),
    }
}

fn working_occasion(ours: &Occasion) -> working::Occasion {
    working::Occasion {
        deployment: ours.deployment.clone(),
        application: ours.application.clone(),
        environment: ours.environment.clone(),
        point: point(ours.point).to_owned(),
        purpose: convert::purpose(ours.purpose).to_owned(),
        release: convert::release(&ours.release),
        previous: ours.previous.as_ref().map(convert::release),
        targets: convert::targets(&ours.targets),
        details: convert::json(&ours.details),
    }
}

fn point(point: Point) -> &'static str {
    match point {
        Point::BeforeDeploy => "before-deploy",
        Point::BeforeActivate => "before-activate",
        Point::BeforeTraffic => "before-traffic",
        Point::AfterTraffic => "after-traffic",
        Point::AfterDeploy => "after-deploy",
        Point::BeforeRollback => "before-rollback",
        Point::AfterRollback => "after-rollback",
    }
}
