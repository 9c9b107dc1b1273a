//! The one trait that acts. `Live` does it with plugins; a rehearsal does it to a model.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    effect::{Call, Effect, Report},
    failure::Failure,
    subject::{Name, Timestamp},
    traffic::Reading,
};

/// A release that lies on a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// The release's id.
    pub id: Name,
    /// False for what a cut-off installation left.
    pub complete: bool,
}

/// What was found on one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetState {
    /// The id of the release that runs.
    pub active: Option<Name>,
    /// Every release that lies there.
    pub installed: Vec<Installed>,
}

/// What a deployment finds when it begins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// By target; a target that could not be asked is in `unreachable`.
    pub targets: BTreeMap<Name, TargetState>,
    /// Targets that could not be asked, and why.
    pub unreachable: BTreeMap<Name, Failure>,
    /// What the load balancer does; none where there is no load balancer.
    pub reading: Option<Reading>,
}

/// Acts on the world, or on a model of it.
#[async_trait]
pub trait Executor: Send {
    /// Reads every target and the load balancer. Changes nothing.
    async fn observe(&mut self) -> Result<World, Failure>;

    /// Does one effect, any but [`Effect::Observe`]. Never panics and always ends: every wait has a deadline or ends with an
    /// interruption, and a target that does not answer is a failed target.
    async fn execute(&mut self, effect: &Effect, call: &Call) -> Report;

    /// The time as the deployment sees it.
    fn now(&self) -> Timestamp;
}

/// Why a deployment is to end before its strategy does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interruption {
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What people outside ask of a running deployment.
pub trait Control: Send + Sync {
    /// Whether someone asked to abort. Waits end by themselves: the executor listens too.
    fn interruption(&self) -> Option<Interruption>;
}
