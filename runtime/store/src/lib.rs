//! What is kept of deployments: who holds which lease, each operation's intent and outcome,
//! releases, notes, locks, and the audit.
//!
//! [`Store`] is the face; [`Sqlite`] keeps it all in one file, for one machine, and [`Postgres`]
//! in a database, for many. Decides nothing about a deployment, and reads no clock of this
//! machine's: the time comes with each call.

#![forbid(unsafe_code)]

mod audit;
mod deployment;
mod error;
mod lease;
mod lock;
mod open;
mod pending;
mod place;
mod postgres;
mod release;
mod row;
mod schema;
mod signal;
mod sqlite;
mod store;
mod value;
mod watch;

pub use audit::{AuditEntry, AuditHead, AuditRow};
pub use deployment::{Blob, Deployment, Filter, NewDeployment, Pinned, PluginPin, State};
pub use error::{LeaseError, LockError, StoreError};
pub use lease::{Held, Lease, Owner, Scope};
pub use lock::Lock;
pub use open::{look, open};
pub use place::Place;
pub use postgres::{Clock, Options, Postgres};
pub use release::{KnownRelease, ReleaseQuery};
pub use signal::{SentSignal, Signal};
pub use sqlite::Sqlite;
pub use store::Store;
pub use watch::{Topic, Watch};
