//! What else happens on the way: the operator's steps, and who hears of a deployment.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{duration::Duration, fleet::HERE, plugin::PluginUse};

/// The name of a deployment's targets where a machine is asked for.
pub const TARGETS: &str = "targets";

/// Where in a deployment a step runs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    /// Before anything.
    BeforeDeploy,
    /// Before the first target runs the new release: migrations that add.
    BeforeActivate,
    /// The new release is up and well, and about to get traffic: smoke tests.
    BeforeTraffic,
    /// All traffic is on the new release.
    AfterTraffic,
    /// The strategy is done: migrations that remove.
    AfterDeploy,
    /// Before anything is taken back.
    BeforeRollback,
    /// After everything was taken back.
    AfterRollback,
}

/// Where a step's files and programs are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Location {
    /// On this machine.
    #[default]
    Here,
    /// On the machine of each target concerned.
    Targets,
    /// On the machine of that name.
    Machine(String),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Here => HERE,
            Self::Targets => TARGETS,
            Self::Machine(name) => name,
        })
    }
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.as_str() {
            HERE => Self::Here,
            TARGETS => Self::Targets,
            _ => Self::Machine(text),
        })
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Location {
    fn schema_name() -> Cow<'static, str> {
        "Location".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// One piece of work at a point of the deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// What people see.
    pub name: String,
    /// When it runs.
    pub at: Point,
    /// Whether it runs for each batch of targets, not once for all.
    #[serde(default)]
    pub each: bool,
    /// Where it runs: `here`, `targets` (on the machine of each target concerned), or the name of
    /// a machine.
    #[serde(default)]
    pub on: Location,
    /// Whether it cannot be taken back. After it, a failure freezes the deployment.
    #[serde(default)]
    pub irreversible: bool,
    /// Whether it may run again where nobody knows if it ran.
    #[serde(default = "Step::repeat")]
    pub repeat: bool,
    /// How long it may take.
    #[serde(default = "Step::timeout")]
    #[schemars(extend("format" = "span-of-time-above-zero"))]
    pub timeout: Duration,
    /// The plugin that does it, and its settings.
    #[serde(flatten)]
    pub plugin: PluginUse,
}

impl Step {
    const fn repeat() -> bool {
        true
    }

    const fn timeout() -> Duration {
        // Backups and migrations take minutes; an hour of silence is a fault.
        Duration::from_secs(10 * 60)
    }
}

/// Something that a notifier can tell.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// A deployment began.
    Started,
    /// A stage of the strategy began.
    Stage,
    /// The strategy waits.
    Waiting,
    /// Someone has to approve.
    ApprovalNeeded,
    /// Every target runs the new release.
    Succeeded,
    /// Something failed.
    Failed,
    /// Everything is about to be taken back.
    RollingBack,
    /// Everything was taken back.
    RolledBack,
    /// Not everything could be taken back.
    Stuck,
    /// It failed where it must not be taken back by itself.
    Frozen,
}

impl Occasion {
    /// The word for it in the configuration and in the plugin contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stage => "stage",
            Self::Waiting => "waiting",
            Self::ApprovalNeeded => "approval-needed",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::RollingBack => "rolling-back",
            Self::RolledBack => "rolled-back",
            Self::Stuck => "stuck",
            Self::Frozen => "frozen",
        }
    }
}

/// Who hears of a deployment. One that fails never fails the deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Notifier {
    /// What it is told.
    #[serde(default = "Notifier::on")]
    pub on: Vec<Occasion>,
    /// How often it is tried again where it fails.
    #[serde(default = "Notifier::retries")]
    #[schemars(range(max = 10))]
    pub retries: u32,
    /// The plugin that tells, and its settings.
    #[serde(flatten)]
    pub plugin: PluginUse,
}

impl Notifier {
    fn on() -> Vec<Occasion> {
        // What someone must act on or waits for; stages and waits are noise in a chat.
        vec![
            Occasion::Started,
            Occasion::ApprovalNeeded,
            Occasion::Succeeded,
            Occasion::Failed,
            Occasion::RolledBack,
            Occasion::Stuck,
            Occasion::Frozen,
        ]
    }

    const fn retries() -> u32 {
        3
    }
}
