//! This machine: files through `cap-std`, so that no path leaves its root, and programs without a
//! shell.

mod background;
mod files;
mod lock;
mod place;
mod process;
mod starting;

pub(crate) use self::{
    background::{BECOME, ended_at_once},
    files::LIST_ENTRIES_MAX,
    lock::{FENCE_WAIT, older},
    place::check as check_place,
    process::{check as check_command, ended_well, no_program, out_of_time},
    starting::{start as start_program, write as write_file},
};

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::net::{TcpStream, UnixStream};

use crate::{
    action::{Action, Command, Output},
    artifact::ArtifactSource,
    endpoint::Endpoint,
    error::{ErrorKind, MachineError},
    fence::Fence,
    machine::{Machine, Stream},
};

/// This machine.
pub struct Local {
    name: String,
    base: Arc<PathBuf>,
}

impl Local {
    /// Relative paths start at `base`.
    pub fn new(name: impl Into<String>, base: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            base: Arc::new(base.into()),
        }
    }

    async fn act(
        &self,
        action: &Action,
        artifacts: Option<&dyn ArtifactSource>,
    ) -> Result<Output, MachineError> {
        match action {
            Action::Run { command } => {
                process::ended_well(command, process::run(command, &self.base).await?)
            }
            Action::Start {
                command,
                pid_file,
                log_file,
            } => background::start(command, pid_file, log_file, &self.base).await,
            Action::Stop { pid_file, grace } => {
                background::stop(pid_file, *grace, &self.base).await
            }
            Action::Unpack { at, release } => {
                let artifact = artifact(artifacts, release).await?;
                let at = at.clone();
                self.blocking(move |base| files::unpack(base, &at, &artifact))
                    .await
            }
            Action::Copy { at, release } => {
                let artifact = artifact(artifacts, release).await?;
                let at = at.clone();
                self.blocking(move |base| files::copy(base, &at, &artifact))
                    .await
            }
            _ => {
                let action = action.clone();
                self.blocking(move |base| files::act(base, &action)).await
            }
        }
    }

    async fn blocking(
        &self,
        work: impl FnOnce(&std::path::Path) -> Result<Output, MachineError> + Send + 'static,
    ) -> Result<Output, MachineError> {
        let base = Arc::clone(&self.base);
        tokio::task::spawn_blocking(move || work(&base))
            .await
            .unwrap_or_else(|error| {
                Err(MachineError::new(
                    ErrorKind::Internal,
                    format!("file work broke off: {error}"),
                ))
            })
    }
}

/// The artifact of a release, where this call has any.
pub(crate) async fn artifact(
    artifacts: Option<&dyn ArtifactSource>,
    release: &str,
) -> Result<Arc<crate::Artifact>, MachineError> {
    let Some(source) = artifacts else {
        let text = format!("release {release} cannot be unpacked here: no artifacts are at hand");
        return Err(MachineError::new(ErrorKind::Denied, text));
    };
    source.artifact(release).await
}

#[async_trait]
impl Machine for Local {
    fn name(&self) -> &str {
        &self.name
    }

    async fn perform(
        &self,
        actions: &[Action],
        fence: Option<&Fence>,
        artifacts: Option<&dyn ArtifactSource>,
    ) -> Result<Vec<Output>, MachineError> {
        let _held = lock::take(fence, &self.base).await?;
        let mut outputs = Vec::with_capacity(actions.len());
        for (index, action) in actions.iter().enumerate() {
            outputs.push(
                self.act(action, artifacts)
                    .await
                    .map_err(|error| error.at(index))?,
            );
        }
        Ok(outputs)
    }

    async fn run(&self, command: &Command, fence: Option<&Fence>) -> Result<Output, MachineError> {
        let _held = lock::take(fence, &self.base).await?;
        process::run(command, &self.base).await
    }

    async fn connect(
        &self,
        endpoint: &Endpoint,
        timeout: Duration,
    ) -> Result<Box<dyn Stream>, MachineError> {
        let connect = async {
            let stream: Box<dyn Stream> = match endpoint {
                Endpoint::Tcp { host, port } => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await?;
                    stream.set_nodelay(true)?;
                    Box::new(stream)
                }
                Endpoint::Unix(path) => Box::new(UnixStream::connect(self.base.join(path)).await?),
            };
            Ok::<_, std::io::Error>(stream)
        };
        match tokio::time::timeout(timeout, connect).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(MachineError::new(
                ErrorKind::Unavailable,
                format!("could not connect to {endpoint}: {error}"),
            )),
            Err(_) => Err(MachineError::new(
                ErrorKind::Timeout,
                format!("{endpoint} did not accept a connection within {timeout:?}"),
            )),
        }
    }
}
