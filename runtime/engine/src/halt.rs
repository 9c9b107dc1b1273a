//! Why going on with a deployment stopped before anything was done: for a person to decide.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{effect::Effect, failure::Failure, operation::Operation};

/// What was called for, by the strategy or on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "wanted", content = "of")]
pub enum Wanted {
    /// A call of the strategy.
    Call(Operation),
    /// One of the operator's steps, or something that the deployment does by itself.
    Effect(Effect),
    /// The end.
    End,
}

/// Why a resume stopped. Nothing was done or written; the deployment is open as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "halt")]
pub enum Halt {
    /// The strategy asks for something else than it did before.
    Differs {
        /// The record's place in the deployment.
        sequence: u64,
        /// What the record has.
        recorded: Wanted,
        /// What is asked for now.
        asked: Wanted,
    },
    /// Somebody changed the world meanwhile: goes on with [`crate::Resume::accept_drift`].
    Drift {
        /// Each a sentence for a person.
        differences: Vec<String>,
    },
    /// A step that may not be repeated was under way: goes on with [`crate::Resume::step`].
    Unrepeatable {
        /// The record's place in the deployment.
        sequence: u64,
        /// The step's name.
        step: String,
    },
    /// What stands where could not be read.
    Unreadable {
        /// Why.
        failure: Failure,
    },
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs {
                sequence,
                recorded,
                asked,
            } => write!(
                f,
                "the strategy asks for something else than it did before: record {sequence} has \
                 {recorded}, and now it is {asked}; roll back instead"
            ),
            Self::Drift { differences } => write!(
                f,
                "somebody changed something meanwhile: {}; accept that, or roll back",
                differences.join("; ")
            ),
            Self::Unrepeatable { sequence, step } => write!(
                f,
                "the step \"{step}\" was under way in record {sequence} and may not be repeated \
                 (`repeat = false`); look whether it happened, and say so"
            ),
            Self::Unreadable { failure } => {
                write!(f, "what stands where could not be read: {failure}")
            }
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = match self {
            Self::Call(operation) => serde_json::to_string(operation),
            Self::Effect(effect) => serde_json::to_string(effect),
            Self::End => return f.write_str("the end"),
        };
        f.write_str(&json.unwrap_or_default())
    }
}
