//! A release's row.

use engine::{Release, Timestamp};

use crate::{
    error::StoreError,
    place::Place,
    release::{KnownRelease, ReleaseQuery},
    value::parse,
};

/// A release whose JSON was not read yet.
pub(crate) struct ReleaseRow {
    pub(crate) id: String,
    pub(crate) labels: String,
    pub(crate) details: String,
    pub(crate) version: String,
    pub(crate) digest: String,
    pub(crate) artifact: String,
    pub(crate) created: Timestamp,
}

/// The columns of a [`ReleaseRow`], of a table called `r`.
pub(crate) const COLUMNS: &str =
    "r.id, r.labels, r.details, r.version, r.digest, r.artifact, r.created_at";

impl ReleaseRow {
    pub(crate) fn read(self, place: &Place) -> Result<KnownRelease, StoreError> {
        let release = Release {
            id: self.id.into(),
            version: self.version,
            digest: self.digest,
            labels: parse(place, "labels of a release", &self.labels)?,
            details: parse(place, "details of a release", &self.details)?,
        };
        Ok(KnownRelease {
            release,
            artifact: self.artifact,
            created: self.created,
        })
    }
}

/// Fails where the release that has the id already is another one.
pub(crate) fn same(
    application: &str,
    release: &Release,
    version: &str,
    digest: &str,
) -> Result<(), StoreError> {
    if version == release.version && digest == release.digest {
        return Ok(());
    }
    Err(StoreError::Conflict(format!(
        "release {} of {application} is known as version {version} with digest {digest}, not as \
         version {} with digest {}",
        release.id, release.version, release.digest
    )))
}

/// The id, version and digest that a query asks for.
pub(crate) fn wanted(query: &ReleaseQuery) -> [Option<&str>; 3] {
    match query {
        ReleaseQuery::All => [None, None, None],
        ReleaseQuery::Id(id) => [Some(id), None, None],
        ReleaseQuery::Version(version) => [None, Some(version), None],
        ReleaseQuery::Digest(digest) => [None, None, Some(digest)],
        ReleaseQuery::Same { version, digest } => [None, Some(version), Some(digest)],
    }
}
