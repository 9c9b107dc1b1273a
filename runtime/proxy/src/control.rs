//! What others do with a proxy that runs, or should: start it, ask it, stop it, replace it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::Stdio,
    time::Duration,
};

use http::Method;
use serde::{Deserialize, Serialize};
use tokio::{process::Command, time::timeout};

use crate::{
    error::ProxyError,
    options::{Admin, Options},
    state::{Admission, Route, StateFile, failed},
};

mod client;

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
    /// Where clients connect, with the ports that the system chose where it was asked to.
    pub listen: Vec<SocketAddr>,
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

/// How long a new proxy may take to be ready.
const READY_MAX: Duration = Duration::from_secs(20);

/// How often is asked whether it is.
const LOOK: Duration = Duration::from_millis(20);

/// How long a proxy that was told to stop may take beyond its grace.
const STOP_SPARE: Duration = Duration::from_secs(5);

/// How much of a log is shown where a proxy did not start.
const TAIL_BYTES: u64 = 2048;

/// How large a log may be when a proxy starts; a larger one is put aside, one generation deep.
const LOG_BYTES_MAX: u64 = 16 << 20;

/// Sees to it that a proxy with these options runs in the background, in a session of its own.
/// `program` is started as `PROGRAM proxy run ...` and its output appended to `STATE.log`.
///
/// Returns when the proxy answers. Fails where one with other options answers there.
pub async fn start(options: &Options, program: &Path) -> Result<Started, ProxyError> {
    options.admin.check()?;
    match status(&options.admin).await {
        Ok(running) => same(options, running).map(Started::Already),
        Err(ProxyError::Unreachable { .. }) => match spawn(options, program, false).await {
            Ok(running) => Ok(Started::New(running)),
            // Someone else may have started it at the same time.
            Err(failed) => match status(&options.admin).await {
                Ok(running) => same(options, running).map(Started::Already),
                Err(_) => Err(failed),
            },
        },
        Err(other) => Err(other),
    }
}

/// Asks the proxy to end: it takes no new connections and ends when what it had under way has
/// ended, after its grace at the latest. Returns when it is gone; false where none was there.
pub async fn stop(admin: &Admin) -> Result<bool, ProxyError> {
    let running = match status(admin).await {
        Ok(running) => running,
        Err(ProxyError::Unreachable { .. }) => return Ok(false),
        Err(other) => return Err(other),
    };
    client::ask(admin, Method::POST, "/v1/stop").await?;
    let limit = Duration::from_millis(running.process.grace_ms) + STOP_SPARE;
    let gone = async {
        while client::ask(admin, Method::GET, "/healthz").await.is_ok() {
            tokio::time::sleep(LOOK).await;
        }
    };
    match timeout(limit, gone).await {
        Ok(()) => Ok(true),
        Err(_) => Err(ProxyError::NotStopped {
            admin: admin.to_string(),
            seconds: limit.as_secs(),
        }),
    }
}

/// What the proxy says of itself.
pub async fn status(admin: &Admin) -> Result<Status, ProxyError> {
    let answer = client::ask(admin, Method::GET, "/v1/state").await?;
    serde_json::from_slice(&answer).map_err(|error| ProxyError::Answer {
        admin: admin.to_string(),
        answer: format!("something that is not a status: {error}"),
    })
}

/// Replaces the proxy that runs by a new process, which takes its listening sockets over: no
/// connection is refused, and what is under way in the old process ends there. Starts one where
/// none runs.
pub async fn restart(options: &Options, program: &Path) -> Result<Status, ProxyError> {
    options.admin.check()?;
    spawn(options, program, true).await
}

fn same(options: &Options, running: Status) -> Result<Status, ProxyError> {
    let (ours, theirs) = (options.settled().essence(), &running.process.arguments);
    if ours == *theirs {
        return Ok(running);
    }
    Err(ProxyError::Different {
        admin: options.admin.to_string(),
        theirs: theirs.join(" "),
        ours: ours.join(" "),
    })
}

async fn spawn(options: &Options, program: &Path, take_over: bool) -> Result<Status, ProxyError> {
    let options = Options {
        take_over,
        detach: true,
        ..options.clone()
    };
    let file = StateFile::new(&options.state);
    file.prepare()?;
    let log = file.beside("log");
    let output = open_log(&log).map_err(|source| failed(&log, source))?;
    let begun_at = output.metadata().map_or(0, |metadata| metadata.len());
    let errors = output.try_clone().map_err(|source| failed(&log, source))?;
    let mut child = Command::new(program)
        .args(["proxy", "run"])
        .args(options.to_arguments())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|source| ProxyError::Spawn {
            program: program.into(),
            source,
        })?;
    let pid = child.id();
    let answers = async {
        loop {
            match status(&options.admin).await {
                Ok(status) if Some(status.process.pid) == pid => return status,
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    };
    let how = tokio::select! {
        status = answers => return Ok(status),
        ended = child.wait() => ended.map_or_else(|error| error.to_string(), |status| format!("it ended with {status}")),
        () = tokio::time::sleep(READY_MAX) => {
            // What nobody can reach is of no use to anybody.
            let _ = child.kill().await;
            format!("it was not ready after {} s", READY_MAX.as_secs())
        }
    };
    let tail = tail(&log, begun_at).unwrap_or_else(|error| format!("no log: {error}"));
    Err(ProxyError::NotReady { how, tail, log })
}

fn open_log(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > LOG_BYTES_MAX) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".1");
        fs::rename(path, aside)?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

/// The last lines that were written since.
fn tail(path: &Path, since: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(
        since.max(length.saturating_sub(TAIL_BYTES)),
    ))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}
