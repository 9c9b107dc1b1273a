//! Brings the schema up to date: everything lies in a schema called `runtime` of the database.

use super::session::Session;
use crate::{error::StoreError, schema::MIGRATIONS};

/// Those who start at the same time wait for each other here: `runt` in ASCII.
const LOCK: i64 = 0x7275_6e74;

/// What only this database has: the clock that leases are judged by, in milliseconds since 1970.
const CLOCK: &str = "
    CREATE FUNCTION clock() RETURNS BIGINT LANGUAGE sql VOLATILE AS
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint'
    ";

/// Where the schema's version is kept; one row.
const VERSION: &str = "
    CREATE TABLE schema_version (
        one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
        version BIGINT NOT NULL
    );
    INSERT INTO schema_version (one, version) VALUES (1, 0)
    ";

/// Makes the schema where there is none, and brings an older one up to date. Changes nothing
/// where it is up to date, so that it takes no more rights than work does.
pub(super) async fn migrate(session: &Session) -> Result<(), StoreError> {
    prepare(session, MIGRATIONS).await
}

/// Fails unless the schema is there and up to date; where there is none, it has version 0.
pub(super) async fn current(session: &Session) -> Result<(), StoreError> {
    match check(session, MIGRATIONS.len()).await? {
        Some(version) if version == MIGRATIONS.len() => Ok(()),
        older => Err(StoreError::Older {
            place: session.place.clone(),
            found: u32::try_from(older.unwrap_or(0)).unwrap_or(u32::MAX),
            known: u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX),
        }),
    }
}

async fn prepare(session: &Session, migrations: &[&str]) -> Result<(), StoreError> {
    if check(session, migrations.len()).await? == Some(migrations.len()) {
        return Ok(());
    }
    session.batch("BEGIN").await?;
    let done = steps(session, migrations).await;
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    session.batch(end).await?;
    done
}

async fn steps(session: &Session, migrations: &[&str]) -> Result<(), StoreError> {
    // Others may take their time with it.
    session.batch("SET LOCAL lock_timeout = 0").await?;
    session
        .run("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    // Somebody else may have been faster.
    let found = check(session, migrations.len()).await?;
    if found.is_none() {
        make(session).await?;
    }
    for step in migrations.iter().skip(found.unwrap_or(0)) {
        session.batch(&translated(step)).await?;
    }
    let version = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    session
        .run("UPDATE schema_version SET version = $1", &[&version])
        .await
        .map(drop)
}

/// Makes an empty schema. Where an administrator made it, this user needs no right to do so.
async fn make(session: &Session) -> Result<(), StoreError> {
    let schemas: i64 = session
        .row(
            "SELECT count(*) FROM pg_namespace WHERE nspname = 'runtime'",
            &[],
            |row| row.try_get(0),
        )
        .await?;
    if schemas == 0 {
        session.batch("CREATE SCHEMA runtime").await?;
    }
    session.batch(VERSION).await?;
    session.batch(CLOCK).await
}

/// The schema's version; none where there is no schema.
async fn check(session: &Session, known: usize) -> Result<Option<usize>, StoreError> {
    let (versions, tables): (i64, i64) = session
        .row(
            "SELECT count(*) FILTER (WHERE c.relname = 'schema_version'), count(*)
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = 'runtime'",
            &[],
            |row| Ok((row.try_get(0)?, row.try_get(1)?)),
        )
        .await?;
    if versions == 0 {
        return if tables == 0 {
            Ok(None)
        } else {
            Err(StoreError::Foreign {
                place: session.place.clone(),
                reason: "its schema `runtime` belongs to another program".to_owned(),
            })
        };
    }
    let version: i64 = session
        .row("SELECT version FROM schema_version", &[], |row| {
            row.try_get(0)
        })
        .await?;
    let version = u32::try_from(version).unwrap_or(u32::MAX);
    match usize::try_from(version) {
        Ok(version) if version <= known => Ok(Some(version)),
        _ => Err(StoreError::Newer {
            place: session.place.clone(),
            found: version,
            known: u32::try_from(known).unwrap_or(u32::MAX),
        }),
    }
}

/// A step in this database's words.
fn translated(step: &str) -> String {
    step.replace(" BLOB ", " BYTEA ")
        .replace(") WITHOUT ROWID;", ");")
}
