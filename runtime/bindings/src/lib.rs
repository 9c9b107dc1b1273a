//! The plugin contract, bound for the host. Changes rarely: all that is generic over the store's
//! data is compiled here, so that no other crate pays for it.
//!
//! A plugin's calls arrive at a [`WorkerCalls`] or a [`StrategyCalls`], which the host
//! implements. [`Linkers`] joins a component to them; the [`Linked`] component makes an instance
//! for each call.

mod calls;
#[expect(
    missing_docs,
    reason = "the words of `wit/` are taken over where there are any"
)]
mod contract;
mod forward;
mod instance;
mod kind;
mod linkers;
mod state;
#[expect(
    unreachable_pub,
    reason = "the generated code exports its resources again"
)]
mod wasi;

pub use calls::{Answer, HeldLock, Lease, Outcome, StrategyCalls, WorkerCalls};
pub use contract::deploy::plugin::{
    analysis, artifact, call, clock, commands, course, files, health, http, locks, logs, machine,
    mail, releases, secrets, sockets, traffic, types,
};
pub use contract::exports::deploy::plugin::{
    balancing, checking, deployment_strategy, hosting, keeping, manifest, measuring, notifying,
    working,
};
pub use instance::{Broken, Linked, Misfit};
pub use kind::Kind;
pub use linkers::{LinkError, Linkers};
pub use state::{Calls, Impure, Limits, Overrun, State};

/// The version of the contract in `wit/` that this is.
pub const CONTRACT: &str = "0.1.0";
/// The contract's package.
pub const PACKAGE: &str = "deploy:plugin";
