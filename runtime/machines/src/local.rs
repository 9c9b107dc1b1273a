//! This machine.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;

use crate::{
    Action, ArtifactSource, Command, Endpoint, ErrorKind, Fence, Machine, MachineError, Output,
    Stream,
};

/// This machine.
pub struct Local {
    name: String,
    base: PathBuf,
}

impl Local {
    /// Relative paths start at `base`.
    pub fn new(name: impl Into<String>, base: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            base: base.into(),
        }
    }
}

#[async_trait]
impl Machine for Local {
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
            format!("{}", self.base.display()),
        ))
    }

    async fn run(&self, _: &Command, _: Option<&Fence>) -> Result<Output, MachineError> {
        Err(MachineError::new(ErrorKind::Internal, "not yet"))
    }

    async fn connect(&self, _: &Endpoint, _: Duration) -> Result<Box<dyn Stream>, MachineError> {
        Err(MachineError::new(ErrorKind::Internal, "not yet"))
    }
}
