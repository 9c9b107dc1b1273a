//! The kinds of plugin, and the interface of the contract that makes each.

use std::fmt;

/// What a plugin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Decides in what order targets get a release, and how traffic follows.
    Strategy,
    /// Speaks one load balancer's language.
    LoadBalancer,
    /// Puts releases on one kind of target.
    Platform,
    /// Says whether one target serves as it should.
    HealthCheck,
    /// Asks one monitoring system for numbers.
    MetricSource,
    /// Tells people and other systems.
    Notifier,
    /// One piece of work at a point in a deployment.
    Step,
    /// Brings secrets from where they are kept.
    SecretSource,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Strategy,
        Self::LoadBalancer,
        Self::Platform,
        Self::HealthCheck,
        Self::MetricSource,
        Self::Notifier,
        Self::Step,
        Self::SecretSource,
    ];

    /// The kind's name, as `plugins/` and messages have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strategy => "strategy",
            Self::LoadBalancer => "load-balancer",
            Self::Platform => "platform",
            Self::HealthCheck => "health-check",
            Self::MetricSource => "metric-source",
            Self::Notifier => "notifier",
            Self::Step => "step",
            Self::SecretSource => "secret-source",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The interface, without package and version, that a plugin of this kind exports.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Strategy => "deployment-strategy",
            Self::LoadBalancer => "balancing",
            Self::Platform => "hosting",
            Self::HealthCheck => "checking",
            Self::MetricSource => "measuring",
            Self::Notifier => "notifying",
            Self::Step => "working",
            Self::SecretSource => "keeping",
        }
    }

    /// The interfaces that a plugin of this kind may import.
    pub fn imports(self) -> &'static [&'static str] {
        match self {
            Self::Strategy => &[
                "types", "logs", "releases", "traffic", "health", "analysis", "course",
            ],
            Self::Platform | Self::Step => &[
                "types", "logs", "clock", "call", "http", "files", "commands", "machine", "locks",
                "sockets", "secrets", "mail", "artifact",
            ],
            _ => &[
                "types", "logs", "clock", "call", "http", "files", "commands", "machine", "locks",
                "sockets", "secrets", "mail",
            ],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
