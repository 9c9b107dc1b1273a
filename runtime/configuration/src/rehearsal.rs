//! What a rehearsal assumes of the world: how long things take, and how often what goes wrong.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;

/// What `runtime rehearse` assumes. Nothing here matters to a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Rehearsal {
    /// Requests in a second, over all targets: with it the report counts requests, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub rate: Option<f64>,
    /// What part of the traffic each group has at the beginning, in percent. Without it: by the
    /// number of its targets; of groups that may idle only the first has any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub traffic: BTreeMap<String, f64>,
    /// How long it takes to install a release on a target.
    pub install: Duration,
    /// How long it takes to switch a target to another release.
    pub activate: Duration,
    /// How long the application takes from the switch until it answers. Without it: 5 seconds, or
    /// half of what the health checks wait for it, where that is less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Duration>,
    /// How long requests are under way, where the load balancer counts them.
    pub drain: Duration,
    /// How long one of the steps takes.
    pub step: Duration,
    /// How long people take to answer.
    pub answer: Duration,
    /// How long it takes from the death of the program until somebody goes on.
    pub away: Duration,
    /// How often what goes wrong, in percent of the runs.
    pub faults: Faults,
}

impl Rehearsal {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Rehearsal {
    fn default() -> Self {
        Self {
            rate: None,
            traffic: BTreeMap::new(),
            install: Duration::from_secs(20),
            activate: Duration::from_ms(1_500),
            start: None,
            drain: Duration::from_ms(1_500),
            step: Duration::from_secs(10),
            answer: Duration::from_secs(10 * 60),
            away: Duration::from_secs(5 * 60),
            faults: Faults::default(),
        }
    }
}

/// How often what goes wrong, in percent of the runs. Several things may in one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Faults {
    /// The release cannot be installed on some targets.
    #[schemars(range(min = 0, max = 100))]
    pub install_fails: f64,
    /// Some targets cannot be switched, or say so.
    #[schemars(range(min = 0, max = 100))]
    pub activate_fails: f64,
    /// Some targets come up slowly.
    #[schemars(range(min = 0, max = 100))]
    pub slow_start: f64,
    /// The release never comes up on some targets.
    #[schemars(range(min = 0, max = 100))]
    pub never_up: f64,
    /// The release falls over on some targets, later.
    #[schemars(range(min = 0, max = 100))]
    pub falls_over: f64,
    /// Some targets cannot be reached for a while.
    #[schemars(range(min = 0, max = 100))]
    pub unreachable: f64,
    /// The old release does not come back on some targets.
    #[schemars(range(min = 0, max = 100))]
    pub no_way_back: f64,
    /// The release is bad from the start, everywhere.
    #[schemars(range(min = 0, max = 100))]
    pub bad_release: f64,
    /// The release is bad once it gets enough of the traffic.
    #[schemars(range(min = 0, max = 100))]
    pub bad_under_load: f64,
    /// The release is bad for some users, and passes every health check.
    #[schemars(range(min = 0, max = 100))]
    pub bad_for_some: f64,
    /// The load balancer refuses a change.
    #[schemars(range(min = 0, max = 100))]
    pub balancer_refuses: f64,
    /// The load balancer does not answer.
    #[schemars(range(min = 0, max = 100))]
    pub balancer_hangs: f64,
    /// The load balancer makes a change later than it should.
    #[schemars(range(min = 0, max = 100))]
    pub balancer_late: f64,
    /// The load balancer shows a change that it did not make.
    #[schemars(range(min = 0, max = 100))]
    pub balancer_lies: f64,
    /// One of the steps fails.
    #[schemars(range(min = 0, max = 100))]
    pub step_fails: f64,
    /// Metrics are missing, late or noisy, where a strategy watches them.
    #[schemars(range(min = 0, max = 100))]
    pub metrics: f64,
    /// The program is killed.
    #[schemars(range(min = 0, max = 100))]
    pub killed: f64,
    /// Somebody takes the lease away.
    #[schemars(range(min = 0, max = 100))]
    pub lease_lost: f64,
    /// Somebody aborts.
    #[schemars(range(min = 0, max = 100))]
    pub aborted: f64,
}

impl Default for Faults {
    /// Far more than anybody should live with: each kind is to be met often in a thousand runs,
    /// and half of the runs are to have none, or only one.
    fn default() -> Self {
        Self {
            install_fails: 6.0,
            activate_fails: 4.0,
            slow_start: 12.0,
            never_up: 6.0,
            falls_over: 8.0,
            unreachable: 6.0,
            no_way_back: 3.0,
            bad_release: 12.0,
            bad_under_load: 8.0,
            bad_for_some: 8.0,
            balancer_refuses: 5.0,
            balancer_hangs: 5.0,
            balancer_late: 5.0,
            balancer_lies: 3.0,
            step_fails: 4.0,
            metrics: 5.0,
            killed: 10.0,
            lease_lost: 3.0,
            aborted: 6.0,
        }
    }
}
