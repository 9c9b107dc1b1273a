//! Every error a person can cause, in one shape: what is wrong, why, what to do, and the exit
//! code. The only place where a library's error becomes advice.

use anstyle::{AnsiColor, Style};
use configuration::Problems;

use crate::{exit, terminal::Terminal};

/// What kind of problem it is: decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The command line makes no sense.
    Usage,
    /// The configuration, or something it names, is wrong.
    Configuration,
    /// It was not begun.
    Refused,
    /// Another deployment holds the lease.
    Locked,
    /// It stopped where it was.
    Stopped,
    /// A fault of the program.
    Bug,
}

/// A problem, told to a person.
#[derive(Debug)]
pub(crate) enum Problem {
    /// One that needs no look at a file.
    Plain {
        /// What kind.
        reason: Reason,
        /// What is wrong.
        title: String,
        /// Why, one line each.
        causes: Vec<String>,
        /// What to do.
        hints: Vec<String>,
    },
    /// Problems in the configuration, with their places.
    Configuration(Problems),
}

impl Problem {
    /// A problem in one sentence.
    pub(crate) fn new(reason: Reason, title: impl Into<String>) -> Self {
        Self::Plain { reason, title: title.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// The same, with what it came from.
    #[must_use]
    pub(crate) fn cause(mut self, cause: impl ToString) -> Self {
        if let Self::Plain { causes, .. } = &mut self {
            causes.push(cause.to_string());
        }
        self
    }

    /// The same, with what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Self::Plain { hints, .. } = &mut self {
            hints.push(hint.into());
        }
        self
    }

    /// The exit code that goes with it.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Configuration(_) => exit::CONFIGURATION,
            Self::Plain { reason, .. } => match reason {
                Reason::Usage => exit::USAGE,
                Reason::Configuration => exit::CONFIGURATION,
                Reason::Refused => exit::REFUSED,
                Reason::Locked => exit::LOCKED,
                Reason::Stopped => exit::FROZEN,
                Reason::Bug => exit::BUG,
            },
        }
    }
}

impl From<Problems> for Problem {
    fn from(problems: Problems) -> Self {
        Self::Configuration(problems)
    }
}
