//! `runtime proxy`: the reverse proxy that comes with the program.

use std::{
    error::Error,
    net::SocketAddr,
    num::NonZero,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use proxy::{Admin, Options, ProxyError, Started, Status, Tls};

use crate::{
    display, exit,
    report::{Problem, Reason},
    terminal::Terminal,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Proxy {
    /// Run the proxy until it is stopped
    Run(Running),
    /// See to it that a proxy with these options runs in the background
    Start(Running),
    /// Replace the proxy that runs, without closing a connection
    Restart(Running),
    /// End the proxy, once it has answered what it has
    Stop(Asked),
    /// Show what the proxy does
    Status(Asked),
}

/// How a proxy runs.
#[derive(Debug, Args)]
pub(crate) struct Running {
    /// Where clients connect
    #[arg(long, value_name = "ADDRESS", required = true)]
    listen: Vec<SocketAddr>,
    /// Where the admin API answers: `unix:PATH`, or a loopback address
    #[arg(long, value_name = "ENDPOINT")]
    admin: Admin,
    /// The file that keeps the state
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// The certificate chain in PEM: clients then speak TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Threads that carry requests; as many as processors where none is given
    #[arg(long, value_name = "N")]
    workers: Option<NonZero<usize>>,
    /// How long requests under way get to end when the proxy stops
    #[arg(long, value_name = "TIME", default_value = "30s")]
    grace: configuration::Duration,
    /// How long an upstream may think before it answers
    #[arg(long, value_name = "TIME", default_value = "60s")]
    response_timeout: configuration::Duration,
    /// Keep clients' X-Forwarded headers: only behind a balancer of one's own
    #[arg(long)]
    trust_forwarded: bool,
    /// Take the listening sockets over from the proxy that runs with the same state
    #[arg(long, hide = true)]
    take_over: bool,
    /// Leave the session it was started in
    #[arg(long, hide = true)]
    detach: bool,
}

/// Which proxy is meant.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// Where its admin API answers: `unix:PATH`, or a loopback address
    #[arg(long, value_name = "ENDPOINT")]
    admin: Admin,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Proxy {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        match self {
            Self::Run(running) => {
                proxy::run(running.options()).map_err(problem)?;
            }
            Self::Start(running) => {
                let started = wait(proxy::start(&running.options(), &program()?))?;
                let (how, status) = match started {
                    Started::Already(status) => ("runs already", status),
                    Started::New(status) => ("runs", status),
                };
                terminal.line(&format!(
                    "the proxy {how}, as process {}",
                    status.process.pid
                ));
            }
            Self::Restart(running) => {
                let status = wait(proxy::restart(&running.options(), &program()?))?;
                terminal.line(&format!(
                    "the proxy runs as process {} now",
                    status.process.pid
                ));
            }
            Self::Stop(asked) => {
                let was = wait(proxy::stop(&asked.admin))?;
                terminal.line(if was {
                    "the proxy ended"
                } else {
                    "no proxy was there"
                });
            }
            Self::Status(asked) => {
                let status = wait(proxy::status(&asked.admin))?;
                if asked.json {
                    terminal.line(&serde_json::json!(status).to_string());
                } else {
                    show(&status, terminal);
                }
            }
        }
        Ok(exit::DONE)
    }
}

impl Running {
    fn options(self) -> Options {
        let tls = self.tls_certificate.zip(self.tls_key);
        Options {
            tls: tls.map(|(certificate, key)| Tls { certificate, key }),
            workers: self.workers,
            grace: self.grace.into(),
            response_timeout: self.response_timeout.into(),
            trust_forwarded: self.trust_forwarded,
            take_over: self.take_over,
            detach: self.detach,
            ..Options::new(self.listen, self.admin, self.state)
        }
    }
}

fn show(status: &Status, terminal: &Terminal) {
    terminal.line(&format!(
        "process {}, {} requests, {} under way, {} connections",
        status.process.pid, status.totals.requests, status.totals.active, status.totals.connections,
    ));
    let rows: Vec<_> = status
        .pools
        .iter()
        .flat_map(|pool| pool.members.iter().map(move |member| (pool, member)))
        .map(|(pool, member)| {
            [
                member.target.clone(),
                pool.group.clone(),
                display::percentage(pool.percent),
                format!("{:?}", member.admission).to_lowercase(),
                member.address.clone(),
                member.active.to_string(),
            ]
        })
        .collect();
    terminal.table(
        [
            "TARGET",
            "GROUP",
            "GROUP'S SHARE",
            "ADMISSION",
            "ADDRESS",
            "ACTIVE",
        ],
        &rows,
    );
}

/// This very program: what `start` runs in the background.
fn program() -> Result<PathBuf, Problem> {
    let found = std::env::current_exe();
    found
        .map(|path: PathBuf| Path::to_owned(&path))
        .map_err(|error| {
            Problem::new(Reason::Refused, "cannot find this program's own file").cause(error)
        })
}

fn wait<T>(work: impl Future<Output = Result<T, ProxyError>>) -> Result<T, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime
        .map_err(|error| Problem::new(Reason::Refused, "no threads to be had").cause(error))?;
    runtime.block_on(work).map_err(problem)
}

fn problem(error: ProxyError) -> Problem {
    let problem = Problem::new(Reason::Refused, format!("failed to {error}"));
    match error.source() {
        Some(cause) => problem.caused(cause),
        None => problem,
    }
}
