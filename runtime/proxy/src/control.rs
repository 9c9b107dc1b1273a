//! What others do with a proxy that runs, or should: start it, ask it, stop it, replace it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{
    error::ProxyError,
    options::{Admin, Options},
    state::{Admission, Route},
};

/// What a proxy says of itself; also the answer to `GET /v1/state`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the state's form.
    pub version: u32,
    /// Grows with each change of the state.
    pub revision: u64,
    /// The groups, and how they do.
    pub pools: Vec<PoolStatus>,
    /// Empty in this version.
    pub routes: Vec<Route>,
    /// Whether a request that came now would find a member.
    pub ready: bool,
    /// All requests together.
    pub totals: Totals,
    /// The process.
    pub process: Process,
}

/// One group, and how it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its name.
    pub group: String,
    /// Of all requests.
    pub percent: f64,
    /// Who shares it.
    pub members: Vec<MemberStatus>,
}

/// One member, and how it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberStatus {
    /// The target's name.
    pub target: String,
    /// Where it answers.
    pub address: String,
    /// Whether it gets requests.
    pub admission: Admission,
    /// Requests under way, WebSockets included.
    pub active: u64,
    /// Requests since the process started.
    pub requests: u64,
    /// Connections to it that are kept open for the next request.
    pub idle: u64,
    /// Whether the last attempt to connect worked.
    pub up: bool,
}

/// All requests together, since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Requests that came in.
    pub requests: u64,
    /// Requests under way.
    pub active: u64,
    /// Connections of clients that are open.
    pub connections: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Requests that no member could be found for.
    pub unserved: u64,
    /// Requests that a member was found for, and no answer came.
    pub failed: u64,
}

/// The process of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The version of the program.
    pub program: String,
    /// The arguments of `runtime proxy run` that it was started with.
    pub arguments: Vec<String>,
    /// How long it may take to stop, in milliseconds.
    pub grace_ms: u64,
    /// Whether an older process still ends what it had under way.
    pub predecessor: bool,
}

/// Whether there was anything to start.
#[derive(Clone, Debug, PartialEq)]
pub enum Started {
    /// This one runs already.
    Already(Status),
    /// This one was started.
    New(Status),
}

/// Sees to it that a proxy with these options runs in the background, in a session of its own.
/// `program` is started as `PROGRAM proxy run ...` and its output appended to `STATE.log`.
///
/// Returns when the proxy answers. Fails where one with other options answers there.
pub async fn start(options: &Options, program: &Path) -> Result<Started, ProxyError> {
    let _ = (options, program);
    Err(ProxyError::NoListen)
}

/// Asks the proxy to end: it takes no new connections and ends when what it had under way has
/// ended, after its grace at the latest. Returns when it is gone; false where none was there.
pub async fn stop(admin: &Admin) -> Result<bool, ProxyError> {
    let _ = admin;
    Err(ProxyError::NoListen)
}

/// What the proxy says of itself.
pub async fn status(admin: &Admin) -> Result<Status, ProxyError> {
    let _ = admin;
    Err(ProxyError::NoListen)
}

/// Replaces the proxy that runs by a new process, which takes its listening sockets over: no
/// connection is refused, and what is under way in the old process ends there. Starts one where
/// none runs.
pub async fn restart(options: &Options, program: &Path) -> Result<Status, ProxyError> {
    let _ = (options, program);
    Err(ProxyError::NoListen)
}
