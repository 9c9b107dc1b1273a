//! Why something did not happen, in the words of the plugin contract (`wit/types.wit`).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kind of a failure. Text in the contract, so that more may come.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Code {
    /// The settings or arguments make no sense; trying again cannot help.
    Invalid,
    /// The operator did not grant what the call needs.
    Denied,
    /// The guard would not let it happen.
    Refused,
    /// The thing named does not exist.
    Missing,
    /// The other side could not be reached, or answered that it cannot serve now.
    Unavailable,
    /// No answer within the time allowed.
    Timeout,
    /// Someone else holds it, or changed it meanwhile.
    Conflict,
    /// The other side answered, and refused.
    Rejected,
    /// A target did not pass, or no longer passes, its checks.
    Unhealthy,
    /// A limit of the analysis was broken.
    Breached,
    /// The operator, or the host on their behalf, asked to stop.
    Interrupted,
    /// A fault of the plugin or of the host.
    Internal,
    /// A code this version does not know.
    Other(Box<str>),
}

impl Code {
    /// The code as the contract writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invalid => "invalid",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Missing => "missing",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::Unhealthy => "unhealthy",
            Self::Breached => "breached",
            Self::Interrupted => "interrupted",
            Self::Internal => "internal",
            Self::Other(text) => text,
        }
    }
}

impl From<String> for Code {
    fn from(text: String) -> Self {
        match text.as_str() {
            "invalid" => Self::Invalid,
            "denied" => Self::Denied,
            "refused" => Self::Refused,
            "missing" => Self::Missing,
            "unavailable" => Self::Unavailable,
            "timeout" => Self::Timeout,
            "conflict" => Self::Conflict,
            "rejected" => Self::Rejected,
            "unhealthy" => Self::Unhealthy,
            "breached" => Self::Breached,
            "interrupted" => Self::Interrupted,
            "internal" => Self::Internal,
            _ => Self::Other(text.into_boxed_str()),
        }
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.as_str().to_owned()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a call did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure it is.
    pub code: Code,
    /// For a person: what was tried, what happened, what to do about it.
    pub message: String,
    /// Whether the same call may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// Anything else worth keeping, for programs.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

impl Failure {
    /// A failure that trying again cannot mend.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retryable: false,
            details: Value::Null,
        }
    }

    /// The same failure, marked as one that may not happen again.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }
}
