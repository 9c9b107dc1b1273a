//! What the tests of this crate share: places, artifacts, archives that no tool would write.

pub(crate) mod archives;
pub(crate) mod sshd;
pub(crate) mod wire;

use std::{fs, path::Path, sync::Arc, time::Duration};

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

/// Waits until the process is gone; a defunct one that nobody asked after counts as gone.
pub(crate) async fn ended(pid: &str) -> bool {
    let stat = format!("/proc/{pid}/stat");
    let there = || fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    for _ in 0..1000 {
        if !there() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// Waits until the file is there, with something in it.
pub(crate) async fn appears(path: &Path) {
    while fs::read(path).map_or(true, |contents| contents.is_empty()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
