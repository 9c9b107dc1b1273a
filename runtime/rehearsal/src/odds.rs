//! What is assumed of the world: how long things take where nothing goes wrong, and how often
//! what goes wrong. From `[rehearsal]` of the configuration, or from experience.

use serde::{Deserialize, Serialize};

/// How long things take, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Habits {
    /// To install a release on a target; targets go side by side.
    pub install_ms: u64,
    /// To switch a target to another release.
    pub activate_ms: u64,
    /// From the switch until the application answers.
    pub start_ms: u64,
    /// From the first good answer until the target is proven: every check as often as asked.
    pub proof_ms: u64,
    /// How long a target must be ill until it counts as ill.
    pub notice_ms: u64,
    /// How long a target that was switched may take to answer before it is given up, where the
    /// limit of the wait is not shorter.
    pub patience_ms: u64,
    /// To change the load balancer.
    pub apply_ms: u64,
    /// The longest that the load balancer is given to show a change.
    pub settles_ms: u64,
    /// The longest that one call of a driver may take.
    pub call_ms: u64,
    /// Until requests under way are answered, where the load balancer counts them.
    pub drain_ms: u64,
    /// To run one of the operator's steps.
    pub step_ms: u64,
    /// Until people answer who are asked for an approval, or for a promotion.
    pub answer_ms: u64,
    /// From the death of a process until somebody goes on.
    pub away_ms: u64,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            install_ms: 20_000,
            activate_ms: 1_500,
            start_ms: 5_000,
            proof_ms: 3_000,
            notice_ms: 3_000,
            patience_ms: 60_000,
            apply_ms: 400,
            settles_ms: 10_000,
            call_ms: 60_000,
            drain_ms: 1_500,
            step_ms: 10_000,
            answer_ms: 10 * 60_000,
            away_ms: 5 * 60_000,
        }
    }
}

/// How often each kind of thing goes wrong, in percent of the runs. Several may in one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Odds {
    /// Targets on which the installation fails.
    pub install_fails: f64,
    /// Targets on which the switch fails.
    pub activate_fails: f64,
    /// Targets that come up slowly.
    pub slow_start: f64,
    /// Targets on which the release never comes up.
    pub never_up: f64,
    /// Targets that fall over later.
    pub falls_over: f64,
    /// Targets that cannot be reached for a while.
    pub unreachable: f64,
    /// Targets on which the old release does not come back.
    pub no_way_back: f64,
    /// A release that is bad from the start, everywhere.
    pub bad_release: f64,
    /// A release that is bad once it gets enough of the traffic.
    pub bad_under_load: f64,
    /// A release that is bad for some users, and no health check sees it.
    pub bad_for_some: f64,
    /// A load balancer that refuses a change.
    pub balancer_refuses: f64,
    /// A load balancer that does not answer.
    pub balancer_hangs: f64,
    /// A load balancer that makes a change later than it should.
    pub balancer_late: f64,
    /// A load balancer that shows a change which it did not make.
    pub balancer_lies: f64,
    /// One of the operator's steps that fails.
    pub step_fails: f64,
    /// Metrics that are missing, late or noisy, where the strategy watches.
    pub metrics: f64,
    /// The process is killed.
    pub killed: f64,
    /// The lease is taken away.
    pub lease_lost: f64,
    /// Somebody aborts.
    pub aborted: f64,
}

impl Default for Odds {
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

impl Odds {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self {
            install_fails: 0.0,
            activate_fails: 0.0,
            slow_start: 0.0,
            never_up: 0.0,
            falls_over: 0.0,
            unreachable: 0.0,
            no_way_back: 0.0,
            bad_release: 0.0,
            bad_under_load: 0.0,
            bad_for_some: 0.0,
            balancer_refuses: 0.0,
            balancer_hangs: 0.0,
            balancer_late: 0.0,
            balancer_lies: 0.0,
            step_fails: 0.0,
            metrics: 0.0,
            killed: 0.0,
            lease_lost: 0.0,
            aborted: 0.0,
        }
    }
}
