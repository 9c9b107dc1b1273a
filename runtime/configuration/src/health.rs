//! How it is known that a target is well: health checks, and the analysis of metrics.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{duration::Duration, plugin::PluginUse};

/// A check that every target must pass.
///
/// The host repeats it; the plugin makes it once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct HealthCheck {
    /// What people see; without it the plugin's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The time from one check to the next.
    #[serde(default = "HealthCheck::interval")]
    #[schemars(extend("format" = "span-of-time-above-zero"))]
    pub interval: Duration,
    /// How long one check may take.
    #[serde(default = "HealthCheck::timeout")]
    #[schemars(extend("format" = "span-of-time-above-zero"))]
    pub timeout: Duration,
    /// How many checks in a row must pass until the target is proven healthy.
    #[serde(default = "HealthCheck::successes")]
    #[schemars(range(min = 1))]
    pub successes: u32,
    /// How many checks in a row must fail until the target is given up.
    #[serde(default = "HealthCheck::failures")]
    #[schemars(range(min = 1))]
    pub failures: u32,
    /// How long after its activation a target may take to come up: failures within this time do
    /// not count.
    #[serde(default)]
    pub start_period: Duration,
    /// The plugin that makes the check, and its settings.
    #[serde(flatten)]
    pub plugin: PluginUse,
}

impl HealthCheck {
    const fn interval() -> Duration {
        Duration::from_secs(1)
    }

    const fn timeout() -> Duration {
        Duration::from_secs(5)
    }

    const fn successes() -> u32 {
        // One success may be luck: a process that answers once and then dies.
        2
    }

    const fn failures() -> u32 {
        // One lost packet must not end a deployment.
        3
    }
}

/// What a measurement without data means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoData {
    /// The limit counts as broken.
    #[default]
    Fail,
    /// The limit counts as kept.
    Pass,
    /// The strategy decides.
    Inconclusive,
}

/// A metric of the new release, held against limits while a strategy watches.
///
/// Not in this version: a configuration with it is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Analysis {
    /// What people see.
    pub name: String,
    /// What the monitoring system is asked, in its own language. `{group}` stands for the group.
    pub query: String,
    /// The highest value that is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The lowest value that is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// How far the new release may lie above the old one, as a part of it: `0.05` is 5 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_increase: Option<f64>,
    /// How far the new release may lie below the old one, as a part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_decrease: Option<f64>,
    /// How long a limit must be broken until the deployment fails.
    #[serde(default)]
    pub r#for: Duration,
    /// The time from one question to the next.
    #[serde(default = "Analysis::interval")]
    #[schemars(extend("format" = "span-of-time-above-zero"))]
    pub interval: Duration,
    /// What it means where the monitoring system has no data.
    #[serde(default)]
    pub no_data: NoData,
    /// The plugin that asks, and its settings.
    #[serde(flatten)]
    pub plugin: PluginUse,
}

impl Analysis {
    const fn interval() -> Duration {
        // Monitoring systems collect every 10 to 60 seconds.
        Duration::from_secs(15)
    }
}
