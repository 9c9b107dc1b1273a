//! The face of a machine.

use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{
    action::{Action, Command, Entry, OUTPUT_BYTES_MAX, Output, Place},
    artifact::ArtifactSource,
    endpoint::Endpoint,
    error::{ErrorKind, MachineError},
    fence::Fence,
};

/// A byte stream in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A machine that files and commands act on. Everything ends: each action has a deadline.
/// Dropping a call ends the command that it runs.
#[async_trait]
pub trait Machine: Send + Sync {
    /// The name that the operator gave it.
    fn name(&self) -> &str;

    /// Does the actions in order, in one round trip, and stops at the first that fails; the
    /// error says which. Answers with one output an action.
    async fn perform(
        &self,
        actions: &[Action],
        fence: Option<&Fence>,
        artifacts: Option<&dyn ArtifactSource>,
    ) -> Result<Vec<Output>, MachineError>;

    /// Runs a command; any exit status is an answer.
    async fn run(&self, command: &Command, fence: Option<&Fence>) -> Result<Output, MachineError>;

    /// Connects to something that the machine can see.
    async fn connect(
        &self,
        endpoint: &Endpoint,
        timeout: Duration,
    ) -> Result<Box<dyn Stream>, MachineError>;

    /// Connects now, where there is a connection to make: what comes first then need not wait
    /// for it.
    async fn prepare(&self) -> Result<(), MachineError> {
        Ok(())
    }

    /// Lets go of the connection, where there is one.
    async fn close(&self) {}

    /// Reads a file; `missing` where there is none.
    async fn read(&self, at: &Place) -> Result<Vec<u8>, MachineError> {
        let output = one(self
            .perform(&[Action::Read { at: at.clone() }], None, None)
            .await?)?;
        found(output, at).map(|output| output.stdout)
    }

    /// Reads what a link says; `missing` where there is none.
    async fn read_link(&self, at: &Place) -> Result<String, MachineError> {
        let output = one(self
            .perform(&[Action::ReadLink { at: at.clone() }], None, None)
            .await?)?;
        found(output, at).map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What is at a path, links not followed; none where nothing is.
    async fn stat(&self, at: &Place) -> Result<Option<Entry>, MachineError> {
        let output = one(self
            .perform(&[Action::Stat { at: at.clone() }], None, None)
            .await?)?;
        if output.status == Some(0) {
            parsed(&output).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The entries of a directory by name; none where it is missing.
    async fn list(&self, at: &Place) -> Result<Vec<Entry>, MachineError> {
        parsed(&one(self
            .perform(&[Action::List { at: at.clone() }], None, None)
            .await?)?)
    }

    /// Sends all of `payload`, closes that direction, and reads to the end.
    async fn exchange(
        &self,
        endpoint: &Endpoint,
        payload: &[u8],
        timeout: Duration,
    ) -> Result<Vec<u8>, MachineError> {
        let talk = async {
            let mut stream = self.connect(endpoint, timeout).await?;
            let mut answer = Vec::new();
            let transfer = async {
                stream.write_all(payload).await?;
                stream.shutdown().await?;
                (&mut stream)
                    .take(OUTPUT_BYTES_MAX as u64 + 1)
                    .read_to_end(&mut answer)
                    .await
            };
            transfer.await.map_err(|error| {
                MachineError::new(
                    ErrorKind::Unavailable,
                    format!("{endpoint} broke off: {error}"),
                )
            })?;
            if answer.len() > OUTPUT_BYTES_MAX {
                let text = format!("{endpoint} answered with more than {OUTPUT_BYTES_MAX} bytes");
                return Err(MachineError::new(ErrorKind::Rejected, text));
            }
            Ok(answer)
        };
        tokio::time::timeout(timeout, talk)
            .await
            .unwrap_or_else(|_| {
                let text = format!("{endpoint} did not answer within {timeout:?}");
                Err(MachineError::new(ErrorKind::Timeout, text))
            })
    }
}

fn one(outputs: Vec<Output>) -> Result<Output, MachineError> {
    outputs.into_iter().next().ok_or_else(|| {
        MachineError::new(
            ErrorKind::Internal,
            "the machine answered an action with nothing",
        )
    })
}

fn found(output: Output, at: &Place) -> Result<Output, MachineError> {
    if output.status == Some(0) {
        return Ok(output);
    }
    let text = format!("there is no {}", at.path.display());
    Err(MachineError::new(ErrorKind::Missing, text))
}

fn parsed<T: serde::de::DeserializeOwned>(output: &Output) -> Result<T, MachineError> {
    serde_json::from_slice(&output.stdout).map_err(|error| {
        MachineError::new(
            ErrorKind::Internal,
            format!("unreadable answer of the machine: {error}"),
        )
    })
}
