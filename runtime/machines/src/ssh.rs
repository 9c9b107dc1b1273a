//! A machine reached over SSH: one connection, everything multiplexed on it, nothing installed
//! there but a POSIX shell, coreutils and tar.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;

use crate::{
    Action, ArtifactSource, Command, Endpoint, ErrorKind, Fence, Machine, MachineError, Output,
    Stream,
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
}

impl Ssh {
    /// Connects when first used.
    pub fn new(name: impl Into<String>, spec: SshSpec) -> Self {
        Self {
            name: name.into(),
            spec,
        }
    }
}

#[async_trait]
impl Machine for Ssh {
    fn name(&self) -> &str {
        &self.name
    }

    async fn perform(
        &self,
        _actions: &[Action],
        _fence: Option<&Fence>,
        _artifacts: Option<&dyn ArtifactSource>,
    ) -> Result<Vec<Output>, MachineError> {
        Err(MachineError::new(
            ErrorKind::Internal,
            self.spec.destination.clone(),
        ))
    }

    async fn run(&self, _: &Command, _: Option<&Fence>) -> Result<Output, MachineError> {
        Err(MachineError::new(ErrorKind::Internal, "not yet"))
    }

    async fn connect(&self, _: &Endpoint, _: Duration) -> Result<Box<dyn Stream>, MachineError> {
        Err(MachineError::new(ErrorKind::Internal, "not yet"))
    }
}
