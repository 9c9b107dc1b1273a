//! Releases in SQLite.

use rusqlite::{Row, params};

use super::database::{Change, Database, Read};
use crate::{
    error::StoreError,
    lease::Scope,
    release::{KnownRelease, ReleaseQuery},
    row::release::{COLUMNS, ReleaseRow, same, wanted},
    value::{number, text, time},
};

fn take(row: &Row<'_>) -> rusqlite::Result<ReleaseRow> {
    Ok(ReleaseRow {
        id: row.get(0)?,
        labels: row.get(1)?,
        details: row.get(2)?,
        version: row.get(3)?,
        digest: row.get(4)?,
        artifact: row.get(5)?,
        created: time(row.get(6)?),
    })
}

/// Keeps a release; the same again changes nothing.
pub(super) fn insert(
    change: &Change<'_>,
    application: &str,
    known: &KnownRelease,
) -> Result<(), StoreError> {
    let release = &known.release;
    let written = change.run(
        "INSERT INTO releases (application, id, version, digest, artifact, labels, details,
                               created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (application, id) DO NOTHING",
        params![
            application,
            release.id.as_str(),
            release.version,
            release.digest,
            known.artifact,
            text(change.place, "labels of a release", &release.labels)?,
            text(change.place, "details of a release", &release.details)?,
            number(known.created.0)
        ],
    )?;
    if written == 1 {
        return Ok(());
    }
    let (version, digest): (String, String) = change.row(
        "SELECT version, digest FROM releases WHERE application = ?1 AND id = ?2",
        params![application, release.id.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    same(application, release, &version, &digest)
}

/// Releases, newest first.
pub(super) fn find(
    database: &Database,
    application: &str,
    query: &ReleaseQuery,
) -> Result<Vec<KnownRelease>, StoreError> {
    let [id, version, digest] = wanted(query);
    let sql = format!(
        "SELECT {COLUMNS} FROM releases r
         WHERE r.application = ?1 AND (?2 IS NULL OR r.id = ?2)
           AND (?3 IS NULL OR r.version = ?3) AND (?4 IS NULL OR r.digest = ?4)
         ORDER BY r.created_at DESC, r.id DESC"
    );
    let found = database.rows(&sql, params![application, id, version, digest], take)?;
    found
        .into_iter()
        .map(|found| found.read(&database.place))
        .collect()
}

/// The releases that became current, latest first: those whose deployment succeeded and was not
/// taken back since.
pub(super) fn current(
    database: &Database,
    scope: &Scope,
    limit: u32,
) -> Result<Vec<KnownRelease>, StoreError> {
    // Tokens grow with each deployment of a scope, also where clocks do not agree.
    let sql = format!(
        "SELECT {COLUMNS} FROM releases r
         JOIN (SELECT release_id, max(token) AS latest FROM deployments
               WHERE application = ?1 AND environment = ?2 AND state = 'succeeded'
               GROUP BY release_id) d ON d.release_id = r.id
         WHERE r.application = ?1 ORDER BY d.latest DESC LIMIT ?3"
    );
    let parameters = params![scope.application, scope.environment, limit];
    let found = database.rows(&sql, parameters, take)?;
    found
        .into_iter()
        .map(|found| found.read(&database.place))
        .collect()
}
