//! A plugin that says whether one target serves as it should.

use bindings::Kind;
use engine::{Failure, Release, Target};
use serde_json::Value;

use super::nonsense;
use crate::{
    convert,
    error::HostError,
    worker::{About, CallContext, Worker},
};

/// A health check.
#[derive(Clone)]
pub struct HealthCheck(Worker);

/// How well a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthStatus {
    /// As it should be.
    Healthy,
    /// It serves, and not as it should: no proof.
    Degraded,
    /// It does not serve.
    Unhealthy,
}

/// What a check saw.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckReport {
    /// How well the target is.
    pub status: HealthStatus,
    /// What was seen.
    pub message: String,
    /// By name, for example `latency-ms`.
    pub measurements: Vec<(String, f64)>,
    /// Anything else.
    pub details: Value,
}

impl HealthCheck {
    /// Fails where the plugin is of another kind.
    pub fn new(worker: Worker) -> Result<Self, HostError> {
        worker.plugin().expect(Kind::HealthCheck)?;
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

    /// Checks a target once. A failure says that the check itself could not be made.
    pub async fn check(
        &self,
        target: &Target,
        release: &Release,
        context: &CallContext,
    ) -> Result<CheckReport, Failure> {
        let (theirs, what) = (convert::target(target), convert::release(release));
        let about = About {
            targets: vec![target.clone()],
            release: Some(release.clone()),
        };
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked.check(state, &theirs, &what, &settings).await
        };
        let report = self.0.call("check a target", context, about, call).await?;
        let status = match report.status.as_str() {
            "healthy" => HealthStatus::Healthy,
            "degraded" => HealthStatus::Degraded,
            "unhealthy" => HealthStatus::Unhealthy,
            other => {
                return Err(nonsense(self.0.plugin(), &format!("the status `{other}`")));
            }
        };
        Ok(CheckReport {
            status,
            message: self.0.line(report.message),
            measurements: report.measurements,
            details: self.0.value(&report.details),
        })
    }
}
