//! Why a machine did not do what it was asked to.

use std::fmt;

use crate::action::Output;

/// What kind of failure it is; each is the failure code of the same name in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request makes no sense.
    Invalid,
    /// What was named is not there.
    Missing,
    /// The path leaves its root, or the machine's own permissions forbid it.
    Denied,
    /// The machine could not be reached, or was lost.
    Unavailable,
    /// It took too long.
    Timeout,
    /// The machine tried, and it did not work.
    Rejected,
    /// Someone with a newer token was here.
    Conflict,
    /// A fault of this program.
    Internal,
}

impl ErrorKind {
    /// The failure code of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Missing => "missing",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::Conflict => "conflict",
            Self::Internal => "internal",
        }
    }

    /// The kind of that name, as a machine's script writes it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [
            Self::Invalid,
            Self::Missing,
            Self::Denied,
            Self::Unavailable,
            Self::Timeout,
            Self::Rejected,
            Self::Conflict,
            Self::Internal,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure on a machine.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct MachineError {
    /// What kind.
    pub kind: ErrorKind,
    /// For a person: what was tried, what happened, what to do about it. Names the machine
    /// where it is not this one.
    pub message: String,
    /// Whether the same may work later.
    pub retryable: bool,
    /// The place of the action that failed, where one did.
    pub index: Option<usize>,
    /// What a command wrote before it failed.
    pub output: Option<Box<Output>>,
}

impl MachineError {
    /// A failure that trying again does not mend, unless its kind says otherwise.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retryable = matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout);
        Self {
            kind,
            message: message.into(),
            retryable,
            index: None,
            output: None,
        }
    }

    /// The same, as the failure of the action in that place.
    #[must_use]
    pub(crate) fn at(mut self, index: usize) -> Self {
        self.index = Some(index);
        self
    }

    /// The same, with what a command wrote.
    #[must_use]
    pub(crate) fn with_output(mut self, output: Output) -> Self {
        self.output = Some(Box::new(output));
        self
    }

    /// The same, where trying again cannot help.
    #[must_use]
    pub(crate) fn for_good(mut self) -> Self {
        self.retryable = false;
        self
    }
}
