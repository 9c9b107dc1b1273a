//! Releases that the store knows of.

use engine::{Release, Timestamp};

/// A release, and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownRelease {
    /// The release.
    pub release: Release,
    /// The artifact as the configuration named it, version filled in.
    pub artifact: String,
    /// When it was first seen.
    pub created: Timestamp,
}

/// Which releases are looked for. Answers come newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseQuery {
    /// All of the application.
    All,
    /// The one with this id.
    Id(String),
    /// Those of this version; more than one where the same version was built anew.
    Version(String),
    /// Those of this artifact.
    Digest(String),
    /// The same version and artifact: the same release, unless a new one is asked for.
    Same {
        /// The version.
        version: String,
        /// The artifact's digest.
        digest: String,
    },
}
