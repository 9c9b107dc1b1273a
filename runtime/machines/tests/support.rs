//! What the tests of this crate share: places, artifacts, archives that no tool would write.

pub(crate) mod archives;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use machines::{Artifact, ArtifactSource, ErrorKind, Machine, MachineError, Place};

/// A path below a root.
pub(crate) fn at(root: &Path, path: &str) -> Place {
    Place::new(root, root.join(path))
}

/// Every release is this one artifact.
pub(crate) struct Only(pub(crate) Arc<Artifact>);

impl Only {
    pub(crate) fn open(path: &Path) -> Self {
        Self(Arc::new(Artifact::open(path).unwrap()))
    }
}

#[async_trait]
impl ArtifactSource for Only {
    async fn artifact(&self, _: &str) -> Result<Arc<Artifact>, MachineError> {
        Ok(Arc::clone(&self.0))
    }
}

/// Does one action.
pub(crate) async fn one(
    machine: &dyn Machine,
    action: machines::Action,
) -> Result<machines::Output, MachineError> {
    let done = machine
        .perform(std::slice::from_ref(&action), None, None)
        .await;
    done.map(|mut outputs| outputs.remove(0))
}

/// Unpacks one artifact.
pub(crate) async fn unpack(
    machine: &dyn Machine,
    at: Place,
    artifact: &Only,
) -> Result<(), MachineError> {
    let action = machines::Action::Unpack {
        at,
        release: "r1".into(),
    };
    machine
        .perform(&[action], None, Some(artifact))
        .await
        .map(|_| ())
}

pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T, MachineError>) -> ErrorKind {
    result.unwrap_err().kind
}
