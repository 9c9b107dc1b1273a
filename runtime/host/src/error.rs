//! Why a plugin could not be loaded.

use engine::{Code, Failure};

use crate::compatibility::Incompatible;

/// A plugin that cannot be used, or a host that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The WebAssembly engine does not work here.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// The plugin does not fit the contract.
    #[error("plugin `{name}` does not fit: {reason}")]
    Incompatible {
        /// What the configuration calls it.
        name: String,
        /// What does not fit, and whose turn it is.
        reason: Incompatible,
    },
    /// The component is broken, or uses what this engine does not have.
    #[error("plugin `{name}` cannot be compiled: {reason}")]
    Compile {
        /// What the configuration calls it.
        name: String,
        /// What the compiler said.
        reason: String,
    },
    /// The plugin's manifest makes no sense.
    #[error("the manifest of plugin `{name}` makes no sense: {reason}")]
    Manifest {
        /// What the configuration calls it.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The plugin is of another kind than where it is used.
    #[error("plugin `{name}` is a {found}, and is used as a {wanted}")]
    Kind {
        /// What the configuration calls it.
        name: String,
        /// What it is.
        found: bindings::Kind,
        /// What it is used as.
        wanted: bindings::Kind,
    },
    /// A call of the plugin did not come to its end.
    #[error("{0}")]
    Call(Failure),
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Call(failure) => failure,
            HostError::Engine(_) => Self::new(Code::Internal, error.to_string()),
            _ => Self::new(Code::Invalid, error.to_string()),
        }
    }
}
