//! What is kept of deployments: who holds which lease, each operation's intent and outcome,
//! releases, notes, locks, and the audit.
//!
//! [`Store`] is the face; [`Sqlite`] keeps it all in one file. Decides nothing about a
//! deployment, and reads no clock: the time comes with each call.

#![forbid(unsafe_code)]

mod audit;
mod deployment;
mod error;
mod lease;
mod lock;
mod release;
mod sqlite;
mod store;

pub use audit::{AuditEntry, AuditHead, AuditRow};
pub use deployment::{Blob, Deployment, Filter, NewDeployment, Pinned, PluginPin, State};
pub use error::{LeaseError, LockError, StoreError};
pub use lease::{Held, Lease, Owner, Scope};
pub use lock::Lock;
pub use release::{KnownRelease, ReleaseQuery};
pub use sqlite::Sqlite;
pub use store::Store;
