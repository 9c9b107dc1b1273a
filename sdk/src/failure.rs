//! Failures: how a plugin says why a call did not do what it was asked to.

use std::fmt::Display;

use serde_json::{Value, json};

use crate::{Failure, Target};

/// What most calls return.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $code:literal $retryable:literal;)*) => {
        $($(#[$doc])*
        pub fn $name(message: impl Display) -> Self {
            Self::new($code, $retryable, message)
        })*
    };
}

impl Failure {
    codes! {
        /// The settings or arguments make no sense; trying again cannot help.
        invalid "invalid" false;
        /// The thing named does not exist.
        missing "missing" false;
        /// The other side could not be reached, or answered that it cannot serve now.
        unavailable "unavailable" true;
        /// No answer within the time allowed.
        timeout "timeout" true;
        /// Someone else holds it, or changed it meanwhile.
        conflict "conflict" true;
        /// The other side answered, and refused.
        rejected "rejected" false;
        /// A target did not pass, or no longer passes, its checks.
        unhealthy "unhealthy" true;
        /// A limit of the analysis was broken.
        breached "breached" false;
        /// A fault of the plugin.
        internal "internal" false;
    }

    fn new(code: &str, retryable: bool, message: impl Display) -> Self {
        Self {
            code: code.into(),
            message: message.to_string(),
            retryable,
            details: "{}".into(),
        }
    }

    /// The same failure, with `context` and a colon before its message.
    #[must_use]
    pub fn during(mut self, context: impl Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// The same failure, with something for programs.
    #[must_use]
    pub fn with_details(mut self, details: &Value) -> Self {
        self.details = details.to_string();
        self
    }

    /// What programs are told; an empty object where that is nothing.
    pub fn details(&self) -> Value {
        serde_json::from_str(&self.details).unwrap_or_else(|_| json!({}))
    }

    /// Whether the failure has this code.
    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::rejected(format!("not the JSON that was expected: {error}"))
    }
}

impl AsRef<str> for Target {
    fn as_ref(&self) -> &str {
        &self.name
    }
}
