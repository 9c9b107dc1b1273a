//! Releases in PostgreSQL.

use tokio_postgres::{Error, Row};

use super::session::Session;
use crate::{
    error::StoreError,
    lease::Scope,
    release::{KnownRelease, ReleaseQuery},
    row::release::{COLUMNS, ReleaseRow, same, wanted},
    value::{number, text, time},
};

fn take(row: &Row) -> Result<ReleaseRow, Error> {
    Ok(ReleaseRow {
        id: row.try_get(0)?,
        labels: row.try_get(1)?,
        details: row.try_get(2)?,
        version: row.try_get(3)?,
        digest: row.try_get(4)?,
        artifact: row.try_get(5)?,
        created: time(row.try_get(6)?),
    })
}

/// Keeps a release; the same again changes nothing.
pub(super) async fn insert(
    session: &Session,
    application: &str,
    known: &KnownRelease,
) -> Result<(), StoreError> {
    let (release, place) = (&known.release, &session.place);
    let written = session
        .run(
            "INSERT INTO releases (application, id, version, digest, artifact, labels, details,
                                   created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (application, id) DO NOTHING",
            &[
                &application,
                &release.id.as_str(),
                &release.version,
                &release.digest,
                &known.artifact,
                &text(place, "labels of a release", &release.labels)?,
                &text(place, "details of a release", &release.details)?,
                &number(known.created.0),
            ],
        )
        .await?;
    if written == 1 {
        return Ok(());
    }
    let (version, digest): (String, String) = session
        .row(
            "SELECT version, digest FROM releases WHERE application = $1 AND id = $2",
            &[&application, &release.id.as_str()],
            |row| Ok((row.try_get(0)?, row.try_get(1)?)),
        )
        .await?;
    same(application, release, &version, &digest)
}

/// Releases, newest first.
pub(super) async fn find(
    session: &Session,
    application: &str,
    query: &ReleaseQuery,
) -> Result<Vec<KnownRelease>, StoreError> {
    let [id, version, digest] = wanted(query);
    let sql = format!(
        "SELECT {COLUMNS} FROM releases r
         WHERE r.application = $1 AND ($2::text IS NULL OR r.id = $2)
           AND ($3::text IS NULL OR r.version = $3) AND ($4::text IS NULL OR r.digest = $4)
         ORDER BY r.created_at DESC, r.id COLLATE \"C\" DESC"
    );
    let found = session
        .rows(&sql, &[&application, &id, &version, &digest], take)
        .await?;
    read(session, found)
}

/// The releases that became the current one, latest first: their deployment succeeded and was not
/// taken back since.
pub(super) async fn current(
    session: &Session,
    scope: &Scope,
    limit: u32,
) -> Result<Vec<KnownRelease>, StoreError> {
    // Tokens grow with each deployment of a scope, also where clocks do not agree.
    let sql = format!(
        "SELECT {COLUMNS} FROM releases r
         JOIN (SELECT release_id, max(token) AS latest FROM deployments
               WHERE application = $1 AND environment = $2 AND state = 'succeeded'
               GROUP BY release_id) d ON d.release_id = r.id
         WHERE r.application = $1 ORDER BY d.latest DESC LIMIT $3"
    );
    let found = session
        .rows(
            &sql,
            &[&scope.application, &scope.environment, &i64::from(limit)],
            take,
        )
        .await?;
    read(session, found)
}

fn read(session: &Session, found: Vec<ReleaseRow>) -> Result<Vec<KnownRelease>, StoreError> {
    found
        .into_iter()
        .map(|found| found.read(&session.place))
        .collect()
}
