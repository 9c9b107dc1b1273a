//! One trait for each kind of plugin, and the records that go in and out. What each function
//! must do is said in `wit/worlds.wit`.

use serde_json::{Value, json};

pub use crate::bindings::{
    health_check::checking::Report,
    load_balancer::balancing::{Desired, Member, MemberState, Pool, Reading, Route},
    metric_source::measuring::{Sample, Window},
    notifier::notifying::Event,
    platform::hosting::InstalledRelease,
    secret_source::keeping::Secret,
    step::working::Occasion,
    strategy::deployment_strategy::Deployment,
};
use crate::{Failure, Plugin, Release, Result, Target};

/// Decides in what order targets get a release, and how traffic follows. Must be
/// deterministic: the same deployment and the same answers, the same calls.
pub trait Strategy: Plugin {
    /// Rolls the release out. A failure makes the host take back what was done.
    fn run(&self, deployment: &Deployment) -> Result<()>;
}

/// Speaks one load balancer's language.
pub trait LoadBalancer: Plugin {
    /// What this load balancer can do.
    fn traits(&self) -> Result<Vec<String>>;

    /// What the load balancer does now with these targets.
    fn read(&self, targets: &[Target]) -> Result<Reading>;

    /// Makes the load balancer serve exactly what is desired. Safe to call again.
    fn apply(&self, desired: &Desired) -> Result<()>;
}

/// Puts releases on one kind of target. Every function is safe to call again.
pub trait Platform: Plugin {
    /// What this platform can do.
    fn traits(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// The release that runs on the target.
    fn active(&self, target: &Target) -> Result<Option<String>>;

    /// The releases that are on the target.
    fn installed(&self, target: &Target) -> Result<Vec<InstalledRelease>>;

    /// Puts the release beside the one that runs.
    fn install(&self, target: &Target, release: &Release) -> Result<()>;

    /// Makes the release the one that runs.
    fn activate(&self, target: &Target, release: &Release) -> Result<()>;

    /// Leaves nothing of the application running.
    fn deactivate(&self, target: &Target) -> Result<()>;

    /// Removes an installed release.
    fn remove(&self, target: &Target, release: &str) -> Result<()>;
}

/// Says whether one target serves as it should.
pub trait HealthCheck: Plugin {
    /// Checks once. A failure says that the check itself could not be made.
    fn check(&self, target: &Target, release: &Release) -> Result<Report>;
}

/// Asks one monitoring system for numbers.
pub trait MetricSource: Plugin {
    /// One number for the window; none where it holds no data.
    fn query(&self, expression: &str, window: Window) -> Result<Option<f64>>;

    /// The samples of the window, one a step of so many milliseconds.
    fn series(&self, expression: &str, window: Window, step: u64) -> Result<Vec<Sample>>;
}

/// Tells people and other systems.
pub trait Notifier: Plugin {
    /// Tells of one event.
    fn notify(&self, event: &Event) -> Result<()>;
}

/// One piece of work at a point in a deployment.
pub trait Step: Plugin {
    /// Does it. What it returns is kept with the deployment. Safe to call again.
    fn run(&self, occasion: &Occasion) -> Result<Value>;

    /// Takes back what [`Step::run`] did, which returned `outcome`.
    fn undo(&self, occasion: &Occasion, outcome: &Value) -> Result<()> {
        let _ = (occasion, outcome);
        Ok(())
    }
}

/// Brings secrets from where they are kept.
pub trait SecretSource: Plugin {
    /// The secret of that name.
    fn fetch(&self, name: &str) -> Result<Secret>;
}

impl Report {
    /// All is well.
    pub fn healthy(message: impl Into<String>) -> Self {
        Self::new("healthy", message)
    }

    /// It serves, but not as it should.
    pub fn degraded(message: impl Into<String>) -> Self {
        Self::new("degraded", message)
    }

    /// It does not serve.
    pub fn unhealthy(message: impl Into<String>) -> Self {
        Self::new("unhealthy", message)
    }

    fn new(status: &str, message: impl Into<String>) -> Self {
        Self {
            status: status.into(),
            message: message.into(),
            measurements: Vec::new(),
            details: json!({}).to_string(),
        }
    }

    /// The same, with a measurement.
    #[must_use]
    pub fn measured(mut self, name: &str, value: f64) -> Self {
        self.measurements.push((name.into(), value));
        self
    }
}

impl Target {
    /// Where the application answers, as `host:port`.
    pub fn address(&self) -> Result<&str> {
        self.address.as_deref().ok_or_else(|| {
            Failure::invalid(format!(
                "target `{}` has no address; give it one: `address = \"host:port\"`",
                self.name
            ))
        })
    }
}
