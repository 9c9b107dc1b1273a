//! A machine reached over SSH: one connection, everything multiplexed on it, nothing installed
//! there but a POSIX shell, coreutils and tar.

mod call;
mod client;
mod collect;
mod config;
mod connection;
mod flow;
mod frames;
mod handshake;
mod keys;
mod known;
mod script;
mod shell;
mod transport;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{Mutex, OnceCell};

use self::{
    call::{Broken, call},
    collect::{Came, End},
    connection::Connection,
    script::Script,
};
use crate::{
    action::{Action, Command, Output},
    artifact::ArtifactSource,
    endpoint::Endpoint,
    error::{ErrorKind, MachineError},
    fence::Fence,
    local::{ended_at_once, ended_well, no_program, out_of_time},
    machine::{Machine, Stream},
};

/// How to reach a machine. What is not given here is taken from the user's SSH configuration.
#[derive(Clone, Debug, Default)]
pub struct SshSpec {
    /// `host`, `user@host`, `user@host:port` or `ssh://user@host:port`; the host may be an alias
    /// of the SSH configuration.
    pub destination: String,
    /// The SSH configuration; `~/.ssh/config` where none is given.
    pub config_file: Option<PathBuf>,
    /// Private keys besides those of the SSH configuration, and before them.
    pub identity_files: Vec<PathBuf>,
    /// Where the keys of hosts are kept, in place of what the SSH configuration says.
    pub known_hosts: Option<PathBuf>,
    /// Whether to accept, and keep, the key of a host that is not known yet.
    pub accept_new: bool,
    /// Hosts to go through, as `ProxyJump` writes them.
    pub jump: Option<String>,
    /// How long connecting may take, from the first packet to the end of the authentication.
    pub connect_timeout: Option<Duration>,
}

/// A machine reached over SSH.
pub struct Ssh {
    name: String,
    spec: SshSpec,
    state: Mutex<State>,
    /// How many attempts to connect have ended.
    attempts: AtomicU64,
    /// Where relative paths start.
    home: OnceCell<PathBuf>,
}

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    /// Why the last attempt failed, where it did.
    failed: Option<MachineError>,
}

impl Ssh {
    /// Connects when first used.
    pub fn new(name: impl Into<String>, spec: SshSpec) -> Self {
        Self {
            name: name.into(),
            spec,
            state: Mutex::default(),
            attempts: AtomicU64::new(0),
            home: OnceCell::new(),
        }
    }

    /// The path as the server's own process must be told it, which works elsewhere than at home.
    async fn absolute(&self, path: &Path) -> Result<PathBuf, MachineError> {
        if path.is_absolute() {
            return Ok(path.to_owned());
        }
        let ask = async {
            let output = self.run(&Command::new("pwd", ["-P"]), None).await?;
            let said = String::from_utf8_lossy(&output.stdout);
            Ok::<_, MachineError>(PathBuf::from(said.trim_end_matches('\n')))
        };
        Ok(self.home.get_or_try_init(|| ask).await?.join(path))
    }

    /// The connection, new where there is none or it was lost. Who waits for an attempt of
    /// someone else shares its end.
    async fn connection(&self) -> Result<Arc<Connection>, MachineError> {
        let before = self.attempts.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection
            && !connection.is_lost()
        {
            return Ok(Arc::clone(connection));
        }
        if self.attempts.load(Ordering::Acquire) != before
            && let Some(error) = &state.failed
        {
            return Err(error.clone());
        }
        let opened = match config::route(&self.spec) {
            Ok(route) => Connection::open(&route).await,
            Err(error) => Err(error),
        };
        self.attempts.fetch_add(1, Ordering::Release);
        match opened {
            Ok(connection) => {
                let connection = Arc::new(connection);
                state.connection = Some(Arc::clone(&connection));
                state.failed = None;
                Ok(connection)
            }
            Err(error) => {
                let error = self.on(error);
                state.connection = None;
                state.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    async fn script(&self, script: Script) -> Result<Vec<Came>, Broken> {
        let script = Arc::new(script);
        let connection = self.connection().await.map_err(Broken::Lost)?;
        let shell = connection.shell().await.map_err(Broken::Lost)?;
        match call(&connection, shell, &script).await {
            // A shell that stood ready may have ended meanwhile.
            Err(Broken::NotBegun(_)) => {
                let shell = connection.new_shell().await.map_err(Broken::Lost)?;
                call(&connection, shell, &script).await
            }
            called => called,
        }
    }

    /// The same error, with the machine's name.
    fn on(&self, mut error: MachineError) -> MachineError {
        error.message = format!("{}: {}", self.name, error.message);
        error
    }

    fn broken(&self, broken: Broken, command: impl Fn(usize) -> Option<Command>) -> MachineError {
        match broken {
            Broken::NotBegun(error) | Broken::Lost(error) => error,
            Broken::OutOfTime(index, output) => {
                let error = match index.and_then(command) {
                    Some(command) => out_of_time(&command).with_output(output),
                    None => {
                        let text = "the machine did not answer in time";
                        MachineError::new(ErrorKind::Timeout, text)
                    }
                };
                match index {
                    Some(index) => error.at(index),
                    None => error,
                }
            }
        }
    }
}

/// What an action failed with, where it did.
fn judged(action: &Action, came: Came) -> Result<Output, MachineError> {
    let Came { output, end, .. } = came;
    match (action, end) {
        (Action::Run { command }, End::Done) => {
            in_time(command, output).and_then(|output| ended_well(command, output))
        }
        (Action::Run { command } | Action::Start { command, .. }, End::NoProgram) => {
            Err(no_program(command))
        }
        (Action::Start { command, .. }, End::Failed(ErrorKind::Rejected, said))
            if said.is_empty() =>
        {
            Err(ended_at_once(command, output))
        }
        (_, End::Done | End::NoProgram) => Ok(output),
        (_, End::Failed(kind, said)) => {
            let path = action
                .path()
                .map(|path| format!(" {}", path.display()))
                .unwrap_or_default();
            let text = format!("could not {}{path}: {said}", action.verb());
            Err(MachineError::new(kind, text))
        }
    }
}

/// `timeout` says with a status of its own that it ended a program; so may a program.
fn in_time(command: &Command, output: Output) -> Result<Output, MachineError> {
    const TIMED_OUT: i32 = 124;
    if output.status == Some(TIMED_OUT) {
        return Err(out_of_time(command).with_output(Output {
            status: None,
            ..output
        }));
    }
    Ok(output)
}

#[async_trait]
impl Machine for Ssh {
    fn name(&self) -> &str {
        &self.name
    }

    async fn perform(
        &self,
        actions: &[Action],
        fence: Option<&Fence>,
        artifacts: Option<&dyn ArtifactSource>,
    ) -> Result<Vec<Output>, MachineError> {
        let script = Script::of_actions(actions, fence, artifacts).await;
        let script = script.map_err(|error| self.on(error))?;
        let came = self.script(script).await.map_err(|broken| {
            let command = |index: usize| match actions.get(index) {
                Some(Action::Run { command } | Action::Start { command, .. }) => {
                    Some(command.clone())
                }
                _ => None,
            };
            self.on(self.broken(broken, command))
        })?;
        let mut outputs = Vec::with_capacity(actions.len());
        for came in came {
            let index = came.index;
            let Some(action) = actions.get(index) else {
                continue;
            };
            let judged = judged(action, came);
            outputs.push(judged.map_err(|error| self.on(error.at(index)))?);
        }
        if outputs.len() != actions.len() {
            let text = "the machine did not answer for every action";
            return Err(self.on(MachineError::new(ErrorKind::Internal, text)));
        }
        Ok(outputs)
    }

    async fn run(&self, command: &Command, fence: Option<&Fence>) -> Result<Output, MachineError> {
        let script = Script::of_command(command, fence).map_err(|error| self.on(error))?;
        let came = self.script(script).await;
        let came =
            came.map_err(|broken| self.on(self.broken(broken, |_| Some(command.clone()))))?;
        let Some(came) = came.into_iter().next() else {
            let text = "the machine did not answer";
            return Err(self.on(MachineError::new(ErrorKind::Internal, text)));
        };
        let output = match came.end {
            End::Done => in_time(command, came.output),
            End::NoProgram => Err(no_program(command)),
            End::Failed(kind, said) => Err(MachineError::new(
                kind,
                format!("could not run `{}`: {said}", command.program),
            )),
        };
        output.map_err(|error| self.on(error))
    }

    async fn connect(
        &self,
        endpoint: &Endpoint,
        timeout: Duration,
    ) -> Result<Box<dyn Stream>, MachineError> {
        let connect = async {
            let connection = self.connection().await?;
            let channel = match endpoint {
                Endpoint::Tcp { host, port } => connection.tcp(host, *port).await,
                Endpoint::Unix(path) => {
                    let path = self.absolute(path).await?;
                    connection.unix(&path.to_string_lossy()).await
                }
            };
            let stream: Box<dyn Stream> =
                Box::new(channel.map_err(|error| self.on(error))?.into_stream());
            Ok(stream)
        };
        tokio::time::timeout(timeout, connect)
            .await
            .unwrap_or_else(|_| {
                let text = format!("{endpoint} did not accept a connection within {timeout:?}");
                Err(self.on(MachineError::new(ErrorKind::Timeout, text)))
            })
    }

    async fn prepare(&self) -> Result<(), MachineError> {
        let connection = self.connection().await?;
        let ready = connection.stand_ready().await;
        ready.map_err(|error| self.on(error))
    }

    async fn close(&self) {
        if let Some(connection) = self.state.lock().await.connection.take() {
            connection.close().await;
        }
    }
}
