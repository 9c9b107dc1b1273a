//! Where files and commands act: this machine, or one reached over SSH.
//!
//! Grants are checked by the caller. What is enforced here is that a path, once its links are
//! followed, stays below the root that was granted, and that everything ends in time.

#![forbid(unsafe_code)]

mod action;
pub mod artifact;
mod endpoint;
mod error;
mod fence;
mod local;
mod machine;
mod pool;
mod ssh;

pub use action::{
    Action, COMMAND_TIMEOUT, Command, Entry, EntryKind, OUTPUT_BYTES_MAX, Output, Place,
    READ_BYTES_MAX,
};
pub use artifact::{Artifact, ArtifactError, ArtifactSource};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{ErrorKind, MachineError};
pub use fence::Fence;
pub use local::Local;
pub use machine::{Machine, Stream};
pub use pool::{Location, MachineSpec, Machines};
pub use ssh::{Ssh, SshSpec};
