//! The checked configuration: everything that the operator wrote, typed, with its places.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use schemars::JsonSchema;

use crate::{
    fleet::{Machine, Target},
    health::{Analysis, HealthCheck},
    limits::{Approvals, Limits, Rollback},
    plugin::{Kind, Plugin, PluginUse},
    problem::Problem,
    release::{Release, State},
    secret::SecretSource,
    source::Place,
    step::{Notifier, Step},
};

/// What is deployed, where to, and how.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Configuration {
    /// The file that this one goes on from; a relative path starts at this file's directory.
    /// Tables are put together key by key; anything else that stands here replaces what stands
    /// there.
    #[serde(skip_serializing)]
    pub extends: Option<String>,
    /// The application's name.
    #[schemars(extend("format" = "name"))]
    pub application: String,
    /// The environment's name, for example `production`. One deployment at a time goes on in an
    /// application's environment.
    #[schemars(extend("format" = "name"))]
    pub environment: String,
    /// What is deployed.
    pub release: Release,
    /// Where deployments are written down.
    #[serde(default)]
    pub state: State,
    /// Machines that are reached over SSH, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub machines: BTreeMap<String, Machine>,
    /// Where releases run.
    #[schemars(length(min = 1))]
    pub targets: Vec<Target>,
    /// How releases are put on targets.
    pub platform: PluginUse,
    /// In what order targets get a release, and how traffic follows.
    pub strategy: PluginUse,
    /// Who gets the traffic. Without it, what is active gets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<LoadBalancer>,
    /// What every target must pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_checks: Vec<HealthCheck>,
    /// Metrics that are held against limits while a strategy watches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub analysis: Vec<Analysis>,
    /// What else happens on the way, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Who hears of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifiers: Vec<Notifier>,
    /// What the host refuses, whatever the strategy asks.
    #[serde(default)]
    pub limits: Limits,
    /// What happens after a failure.
    #[serde(default)]
    pub rollback: Rollback,
    /// Who may approve where a strategy asks for it.
    #[serde(default)]
    pub approvals: Approvals,
    /// Where the values of secrets come from, in the order in which they are asked. Without it:
    /// the environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretSource>,
    /// Plugins by name: where those come from that do not come with the program, and what they
    /// may do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub plugins: BTreeMap<String, Plugin>,
    /// Settings that every use of the plugin of that name has, unless it says otherwise.
    #[serde(default, skip_serializing)]
    pub sources: BTreeMap<String, Map<String, Value>>,
    /// The file, as it was named.
    #[serde(skip)]
    pub path: PathBuf,
    /// Every file that it is made of: itself, then what it extends, nearest first.
    #[serde(skip)]
    pub files: Vec<PathBuf>,
}

/// Who gets the traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LoadBalancer {
    /// The machine it runs on: a name of `[machines]`, or `here`. Without it: this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// The plugin that speaks its language, and its settings.
    #[serde(flatten)]
    pub plugin: PluginUse,
}

impl Configuration {
    /// The place of a value, by its JSON Pointer into the configuration; none where there is no
    /// such value.
    pub fn place(&self, pointer: &str) -> Option<Place> {
        let _ = pointer;
        None
    }

    /// A problem at a value, by its JSON Pointer into the configuration: at the nearest value
    /// around it where there is none.
    pub fn problem(&self, pointer: &str, code: &'static str, title: &str) -> Problem {
        let _ = (pointer, code, title);
        Problem::new(code, title)
    }

    /// A problem that a plugin found in its own settings. `pointer` is a JSON Pointer into them;
    /// `plugin` is what found it, for example "strategy `canary` 0.1.0".
    pub fn problem_at(
        &self,
        section: &PluginUse,
        pointer: &str,
        message: &str,
        plugin: &str,
    ) -> Problem {
        let _ = (section, pointer, message, plugin);
        Problem::new("plugin", message)
    }

    /// Every use of a plugin that is spoken to through its component, with the plugin's kind.
    pub fn uses(&self) -> Vec<(Kind, &PluginUse)> {
        Vec::new()
    }

    /// Everything that the configuration says, defaults filled in, environment variables
    /// replaced, secrets as references, keys sorted: equal for equal deployments.
    pub fn canonical(&self) -> Value {
        Value::Null
    }
}
