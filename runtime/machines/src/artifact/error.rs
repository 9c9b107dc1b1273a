//! What can be wrong with an artifact.

use std::path::PathBuf;

use crate::error::{ErrorKind, MachineError};

/// What is wrong with an artifact.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// There is none.
    #[error("there is no artifact {}", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("could not read {}: {source}", .path.display())]
    Unreadable {
        /// The artifact, or the file in it.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is neither a directory nor one of the archives that are understood.
    #[error(
        "{} cannot be unpacked: by what is in it, whatever it is called, it is no tar archive, \
         plain or compressed with gzip or zstd, and no zip archive",
        .0.display()
    )]
    Unknown(PathBuf),
    /// There is nothing in the file.
    #[error("{} is empty", .0.display())]
    Empty(PathBuf),
    /// It is a directory.
    #[error("{} is a directory, which cannot be copied as a file", .0.display())]
    NotAFile(PathBuf),
    /// It is damaged.
    #[error("{} is broken {place}: {reason}", .path.display())]
    Broken {
        /// The archive.
        path: PathBuf,
        /// Where, in words.
        place: String,
        /// What the decoder said.
        reason: String,
    },
    /// It holds something that must not be unpacked.
    #[error("{} is refused: {entry} {reason}", .path.display())]
    Hostile {
        /// The archive.
        path: PathBuf,
        /// The entry.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It could not be unpacked here.
    #[error("could not unpack {} from {}: {source}", .entry.display(), .path.display())]
    Unpacking {
        /// The archive.
        path: PathBuf,
        /// What could not be made.
        entry: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what it was when the deployment began.
    #[error("{} changed meanwhile: its digest was {expected} and is now {found}", .path.display())]
    Changed {
        /// The artifact.
        path: PathBuf,
        /// What it was.
        expected: String,
        /// What it is.
        found: String,
    },
}

impl From<ArtifactError> for MachineError {
    fn from(error: ArtifactError) -> Self {
        let kind = match &error {
            ArtifactError::Missing(_) => ErrorKind::Missing,
            ArtifactError::Unreadable { .. } => ErrorKind::Unavailable,
            ArtifactError::Changed { .. } => ErrorKind::Conflict,
            ArtifactError::Unpacking { .. } => ErrorKind::Rejected,
            _ => ErrorKind::Invalid,
        };
        Self::new(kind, error.to_string()).for_good()
    }
}
