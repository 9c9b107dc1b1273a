//! What goes wrong in a run, as an explicit list: drawn from a seed, shrunk when a run breaks
//! something, printed with its seed.

mod draw;
mod told;

use engine::Name;
use serde::{Deserialize, Serialize};

pub(crate) use self::draw::draw;

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum Fault {
    /// The release cannot be installed there.
    InstallFails {
        /// Where.
        target: Name,
        /// How often; always where not given.
        times: Option<u32>,
    },
    /// The switch to another release fails there.
    ActivateFails {
        /// Where.
        target: Name,
        /// How many switches go well first.
        after: u32,
        /// How often; always where not given.
        times: Option<u32>,
        /// Whether it happens all the same.
        happens: bool,
    },
    /// Whatever is started there takes longer.
    SlowStart {
        /// Where.
        target: Name,
        /// So much, in milliseconds.
        by_ms: u64,
    },
    /// The release never comes up there.
    NeverUp {
        /// Where.
        target: Name,
    },
    /// The release falls over there.
    FallsOver {
        /// Where.
        target: Name,
        /// So long after it came up, in milliseconds.
        after_ms: u64,
    },
    /// The target is out of reach for its users, and for the deployment.
    Unreachable {
        /// Which.
        target: Name,
        /// From then on, in milliseconds from the beginning.
        from_ms: u64,
        /// For so long.
        for_ms: u64,
    },
    /// The old release does not come up any more once it was stopped there.
    NoWayBack {
        /// Where.
        target: Name,
    },
    /// The release does not come up anywhere.
    BadRelease,
    /// The release fails everywhere once it gets this part of the traffic.
    BadUnderLoad {
        /// In percent.
        above: f64,
    },
    /// The release answers some users with errors, and passes its health checks.
    BadForSome {
        /// So many, in percent.
        users: f64,
    },
    /// The load balancer refuses changes.
    BalancerRefuses {
        /// After so many that went well.
        after: u32,
        /// So many.
        times: u32,
    },
    /// The load balancer does not answer.
    BalancerHangs {
        /// After so many that went well.
        after: u32,
        /// Whether it makes the change all the same.
        happens: bool,
    },
    /// The load balancer makes a change later.
    BalancerLate {
        /// After so many that went well.
        after: u32,
        /// So much later, in milliseconds.
        by_ms: u64,
    },
    /// The load balancer shows a change that it did not make.
    BalancerLies {
        /// After so many that went well.
        after: u32,
    },
    /// One of the operator's steps fails.
    StepFails {
        /// Its place in the configuration, from 0.
        step: usize,
        /// How often; always where not given.
        times: Option<u32>,
    },
    /// Metrics do not say what is.
    Metrics {
        /// How.
        flaw: Flaw,
    },
    /// The process is killed.
    Killed {
        /// At its record of that number in this run, from 0.
        at: u32,
        /// When, in the course of the effect.
        moment: Moment,
        /// What becomes of the deployment.
        then: Way,
    },
    /// Somebody takes the lease away, and goes on.
    LeaseLost {
        /// At the record of that number in this run, from 0.
        at: u32,
    },
    /// Somebody aborts.
    Aborted {
        /// So long after the beginning, in milliseconds.
        after_ms: u64,
    },
}

impl Fault {
    /// The kind of it, as odds and reports call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InstallFails { .. } => "install-fails",
            Self::ActivateFails { .. } => "activate-fails",
            Self::SlowStart { .. } => "slow-start",
            Self::NeverUp { .. } => "never-up",
            Self::FallsOver { .. } => "falls-over",
            Self::Unreachable { .. } => "unreachable",
            Self::NoWayBack { .. } => "no-way-back",
            Self::BadRelease => "bad-release",
            Self::BadUnderLoad { .. } => "bad-under-load",
            Self::BadForSome { .. } => "bad-for-some",
            Self::BalancerRefuses { .. } => "balancer-refuses",
            Self::BalancerHangs { .. } => "balancer-hangs",
            Self::BalancerLate { .. } => "balancer-late",
            Self::BalancerLies { .. } => "balancer-lies",
            Self::StepFails { .. } => "step-fails",
            Self::Metrics { .. } => "metrics",
            Self::Killed { .. } => "killed",
            Self::LeaseLost { .. } => "lease-lost",
            Self::Aborted { .. } => "aborted",
        }
    }
}

/// What is wrong with metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// There are none.
    Missing,
    /// They show what was some time ago.
    Late,
    /// They show errors where there are none.
    Noisy,
}

/// When, in the course of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Nothing of it was done, and nothing written.
    Unwritten,
    /// It was written down, and nothing was done.
    Before,
    /// It was done on half of its targets.
    Halfway,
    /// It was done, and its outcome was not written down.
    After,
}

/// What becomes of a deployment whose process is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// It is gone on with.
    Resumed,
    /// It is taken back.
    TakenBack,
}
