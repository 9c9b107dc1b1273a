//! Why a proxy could not be run, started, stopped or asked.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{options::AdminError, state::StateError};

/// Why a proxy could not be run, started, stopped or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// There is nothing to listen on.
    #[error("listen anywhere: no address was given")]
    NoListen,
    /// The admin endpoint would let others in.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The state file does not hold a state.
    #[error("read the proxy's state from {path}")]
    State {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: StateError,
    },
    /// A file beside the state, or the state itself, could not be used.
    #[error("use {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The state belongs to a proxy that runs.
    #[error("use {path}: another proxy runs with this state")]
    Locked {
        /// The state.
        path: PathBuf,
    },
    /// An address is taken, or not this machine's.
    #[error("listen on {address}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The admin endpoint is taken, or cannot be made.
    #[error("answer on the admin endpoint {admin}")]
    ListenAdmin {
        /// Which endpoint.
        admin: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The certificate or its key is of no use.
    #[error("use the certificate {path}: {reason}")]
    Certificate {
        /// The file that was read.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The proxy that runs did not hand its sockets over.
    #[error("take over from the proxy that runs: {reason}")]
    Handover {
        /// What went wrong.
        reason: String,
    },
    /// Threads or the system's event queue could not be had.
    #[error("start the proxy's threads")]
    Threads(#[source] io::Error),
    /// No proxy answers there.
    #[error("reach a proxy at {admin}")]
    Unreachable {
        /// The admin endpoint.
        admin: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Something answers that is not this proxy, or it refused.
    #[error("ask the proxy at {admin}: it answered {answer}")]
    Answer {
        /// The admin endpoint.
        admin: String,
        /// Its status and words.
        answer: String,
    },
    /// The proxy that runs there was started with other options.
    #[error("use the proxy at {admin}: it runs with {theirs}, not {ours}; restart it")]
    Different {
        /// The admin endpoint.
        admin: String,
        /// What the running one has.
        theirs: String,
        /// What was asked for.
        ours: String,
    },
    /// The program could not be started.
    #[error("start {program}")]
    Spawn {
        /// Which program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The proxy ended, or was not ready in time; the log says why.
    #[error("start the proxy: {how}\n{tail}\n(from {log})")]
    NotReady {
        /// How it ended.
        how: String,
        /// The last lines of its log.
        tail: String,
        /// The whole log.
        log: PathBuf,
    },
    /// The proxy did not end within its grace.
    #[error("stop the proxy at {admin}: it is still there after {seconds} s")]
    NotStopped {
        /// The admin endpoint.
        admin: String,
        /// How long it was waited for.
        seconds: u64,
    },
}
