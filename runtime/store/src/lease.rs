//! Leases: one deployment at a time per application and environment.

use std::fmt;

use engine::Timestamp;

/// What one lease covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The application.
    pub application: String,
    /// The environment.
    pub environment: String,
}

impl Scope {
    /// An application in an environment.
    pub fn new(application: impl Into<String>, environment: impl Into<String>) -> Self {
        Self {
            application: application.into(),
            environment: environment.into(),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.application, self.environment)
    }
}

/// Who holds a lease, or wants to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The person or the service.
    pub actor: String,
    /// The machine that the process runs on.
    pub host: String,
    /// The process's number there.
    pub process: u32,
    /// What for, for example `deploy` or `rollback`.
    pub purpose: String,
    /// The deployment that the lease covers, where it covers one.
    pub deployment: Option<String>,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} on {} (process {})",
            self.actor, self.host, self.process
        )
    }
}

/// The right to change an environment, until it runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What it covers.
    pub scope: Scope,
    /// Whose it is.
    pub owner: Owner,
    /// Grows with each holder; an older one has no say any more.
    pub token: u64,
    /// When it was acquired.
    pub since: Timestamp,
    /// When it runs out, unless it is renewed.
    pub until: Timestamp,
}

/// A lease as it stands in somebody else's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whose it is.
    pub owner: Owner,
    /// The holder's token.
    pub token: u64,
    /// When it was acquired.
    pub since: Timestamp,
    /// When it runs out, unless its holder renews it.
    pub until: Timestamp,
}

impl Held {
    /// Whether it has not run out.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.until > now
    }
}
