//! Runs plugins: one WebAssembly engine, compiled code kept between runs, grants, capabilities, and
//! a typed face for each kind of plugin.
//!
//! How the parts are put together:
//!
//! 1. One [`Host`] a process; [`Host::load`] (or [`Host::load_all`]) makes a [`Plugin`] of a
//!    component. [`Plugin::check`] says what is wrong with settings.
//! 2. A plugin of any kind but strategy is set to work as a [`Worker`]: with an [`Assignment`]
//!    (settings, grants, machine, bounds) and the program's [`Services`]. [`Worker::on`] is the
//!    same at work on another machine.
//! 3. A typed face around it, for example [`LoadBalancer`], makes the calls. Each takes a
//!    [`CallContext`]; each gets an instance of its own; each ends in time.
//! 4. A strategy is a [`StrategyPlugin`], which is an `engine::Strategy`: it lives for its run.
//!
//! Every failure is an `engine::Failure` that names the plugin. Its `details` say how it ended:
//! `refused` (the plugin said so), `trapped`, `over-limit`.

mod audit;
pub mod bounds;
mod broken;
mod cache;
mod call;
mod capability;
mod code;
mod compatibility;
mod convert;
mod error;
mod grants;
mod host;
mod kinds;
mod plugin;
mod schema;
mod secret;
mod services;
mod strategy;
#[cfg(test)]
mod testing;
mod worker;

pub use bindings::{CONTRACT, Kind, Limits};
pub use capability::http::{HttpClients, Outside};
pub use compatibility::Incompatible;
pub use error::HostError;
pub use grants::{Denied, Granted, expanded, misshapen};
pub use host::{Host, HostOptions, PluginSource};
pub use kinds::{
    CheckReport, FetchedSecret, HealthCheck, HealthStatus, LoadBalancer, MetricSource, Notice,
    Notifier, Occasion, Platform, Sample, SecretSource, Step, Window,
};
pub use plugin::{Description, Plugin, Request, SettingsProblem};
pub use services::{
    Artifacts, AuditEntry, AuditSink, Lease, Level, Locks, LogLine, LogSink, Mail, MailServer,
    Notes, Secrets, Services,
};
pub use strategy::{Deployment, StrategyPlugin};
pub use worker::{Assignment, CallContext, Worker};
