//! What the operator's configuration asks of a deployment, in the engine's own words.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    signal::Approvers,
    subject::{Name, Release, Target},
    traffic::BalancerTraits,
};

/// A number of targets, or a part of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    /// So many.
    Number(u32),
    /// So many percent.
    Percent(f64),
}

/// Why a release goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Forward.
    Deploy,
    /// Back to an older one; nothing need be soaked.
    Rollback,
}

/// Where in a deployment the operator's steps run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    /// Before anything.
    BeforeDeploy,
    /// Before the first activation.
    BeforeActivate,
    /// The new release is up and well, and about to get traffic.
    BeforeTraffic,
    /// All traffic is on the new release.
    AfterTraffic,
    /// The strategy is done.
    AfterDeploy,
    /// Before anything is taken back.
    BeforeRollback,
    /// After everything was taken back.
    AfterRollback,
}

/// One of the operator's steps, as far as the engine is concerned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRule {
    /// For people.
    pub name: String,
    /// Where it runs.
    pub at: Point,
    /// Whether it runs for each batch of targets, not once.
    pub each: bool,
    /// Whether it cannot be taken back.
    pub irreversible: bool,
    /// Whether it may run a second time.
    pub repeat: bool,
}

/// What "proven" takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The operator has no health check, and said so.
    pub unchecked: bool,
    /// The longest that one wait for health may take, in milliseconds.
    pub timeout_ms: u64,
}

/// The operator's limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// How many of the targets serving when the deployment begins must serve at any time;
    /// none: all but one, and at least one.
    pub minimum_serving: Option<Count>,
    /// How many targets may be left out.
    pub tolerate: Count,
    /// How long a drain may take, in milliseconds.
    pub drain_ms: u64,
    /// A release may be activated on a target that gets traffic.
    pub downtime: bool,
    /// Groups that may end without traffic and on another release.
    pub idle: BTreeSet<Name>,
    /// What "proven" takes.
    pub health: Health,
    /// A failure is undone at once; else the deployment freezes.
    pub automatic_rollback: bool,
    /// Who may approve where a strategy asks for it.
    #[serde(default)]
    pub approvers: Approvers,
    /// In the order in which they are written.
    pub steps: Vec<StepRule>,
    /// What the load balancer can do; none where there is none.
    pub balancer: Option<BalancerTraits>,
    /// What the platform can do, for example `uninterrupted-activate`.
    pub platform: Vec<String>,
}

/// All that a deployment is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    /// Unique in the store.
    pub id: String,
    /// The application.
    pub application: String,
    /// The environment.
    pub environment: String,
    /// Forward or back.
    pub purpose: Purpose,
    /// What goes out.
    pub release: Release,
    /// What ran before, where anything did.
    pub previous: Option<Release>,
    /// Where to, and whoever else gets traffic.
    pub targets: Vec<Target>,
    /// Targets that are passed over: they keep the release that they have and serve as they do.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub bystanders: BTreeSet<Name>,
    /// The strategy's name.
    pub strategy: String,
    /// The strategy's settings.
    pub settings: Value,
    /// The operator's limits.
    pub rules: Rules,
}
