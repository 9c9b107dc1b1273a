//! The operator's rules: what a strategy may do, what happens after a failure, who approves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{count::Count, duration::Duration};

/// What the host refuses, whatever the strategy asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// How many of the targets that serve when a deployment begins must serve at any time: a
    /// number, or a percentage, rounded up. Without it: all but one, and at least one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_serving: Option<Count>,
    /// How many targets may be left out because they cannot be reached or fail: a number, or a
    /// percentage, rounded down.
    pub tolerate: Count,
    /// How long a target may take to answer what it has, once it gets no new requests.
    pub drain: Duration,
    /// How long one wait for healthy targets may take.
    #[schemars(extend("format" = "span-of-time-above-zero"))]
    pub health_timeout: Duration,
    /// Groups that may end without traffic and on another release.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub idle: Vec<String>,
    /// Whether a release may be activated on a target that gets traffic.
    pub downtime: bool,
    /// Whether there may be no health check at all: then a target counts as healthy as soon as it
    /// was activated.
    pub unchecked: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            minimum_serving: None,
            tolerate: Count::Number(0),
            // As long as most load balancers and browsers wait for an answer.
            drain: Duration::from_secs(30),
            // An application that needs longer to start is better said so.
            health_timeout: Duration::from_secs(5 * 60),
            idle: Vec::new(),
            downtime: false,
            unchecked: false,
        }
    }
}

/// How much of a deployment a failure takes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All of it.
    #[default]
    Deployment,
    /// The region in which it failed. Not in this version.
    Region,
}

/// What happens after a failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Rollback {
    /// Whether a failure is taken back at once. Else the deployment freezes where it is.
    pub automatic: bool,
    /// How much is taken back.
    pub scope: Scope,
}

impl Default for Rollback {
    fn default() -> Self {
        Self {
            automatic: true,
            scope: Scope::default(),
        }
    }
}

/// Who may approve where a strategy asks for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Approvals {
    /// Their names.
    pub by: Vec<String>,
    /// How many of them it takes.
    #[schemars(range(min = 1))]
    pub needed: u32,
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            by: Vec::new(),
            needed: 1,
        }
    }
}
