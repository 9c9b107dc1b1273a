//! Opens the file: makes it where there is none, checks that it is ours, brings its schema up to
//! date.

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::failure::translate;
use crate::{error::StoreError, place::Place, schema::MIGRATIONS};

/// How long a statement waits for another process that is writing. Longer than any transaction
/// of ours takes on a slow disk, shorter than the shortest lease.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two attempts at what SQLite does not wait for itself.
const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// Statements kept prepared: more than there are in this crate.
pub(super) const STATEMENTS_MAX: usize = 128;

/// Marks a SQLite file as a state store: `runt` in ASCII.
const APPLICATION_ID: i32 = 0x7275_6e74;

/// Opens the file, or makes it.
pub(super) fn open(path: &Path, place: &Place) -> Result<Connection, StoreError> {
    let mut connection = match connect(path) {
        // There is no need to look first: a file that is there opens.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => create(path)
            .map_err(|error| unopened(place, &error))
            .and_then(|()| connect(path).map_err(|error| translate(place, &error))),
        other => other.map_err(|error| translate(place, &error)),
    }?;
    prepare(&mut connection, place, MIGRATIONS)?;
    Ok(connection)
}

pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // The connection stays on one thread, so SQLite need not lock it.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    Connection::open_with_flags(path, flags)
}

fn create(path: &Path) -> io::Result<()> {
    if let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
    }
    // SQLite gives the files beside this one the same mode.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    Ok(())
}

pub(super) fn unopened(place: &Place, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly {
            place: place.clone(),
        },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full {
            place: place.clone(),
        },
        _ => StoreError::Unopened {
            place: place.clone(),
            reason: error.to_string(),
        },
    }
}

fn prepare(
    connection: &mut Connection,
    place: &Place,
    migrations: &[&str],
) -> Result<(), StoreError> {
    let sql = |error: rusqlite::Error| translate(place, &error);
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sql)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    if connection.is_readonly("main").map_err(sql)? {
        return Err(StoreError::ReadOnly {
            place: place.clone(),
        });
    }
    // Nothing is changed before the file is known to be ours.
    let version = check(connection, place, migrations.len())?;
    let mode = switch(connection).map_err(sql)?;
    if mode != "wal" {
        return Err(StoreError::Unopened {
            place: place.clone(),
            reason: "its file system cannot share memory between processes".to_owned(),
        });
    }
    // Full: a commit returns after the disk has it. The last two do so on macOS as well.
    connection
        .execute_batch(
            "PRAGMA synchronous = full; PRAGMA foreign_keys = on; \
             PRAGMA fullfsync = on; PRAGMA checkpoint_fullfsync = on;",
        )
        .map_err(sql)?;
    if version < migrations.len() {
        migrate(connection, place, migrations)
    } else {
        Ok(())
    }
}

/// Turns the write-ahead log on; says what the mode is then.
fn switch(connection: &Connection) -> rusqlite::Result<String> {
    let patience = Instant::now() + BUSY_TIMEOUT;
    loop {
        let mode = connection.query_row("PRAGMA journal_mode = wal", [], |row| row.get(0));
        match mode {
            // Where two make the same file at once, SQLite tells one of them without waiting.
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < patience =>
            {
                std::thread::sleep(BUSY_PAUSE);
            }
            other => return other,
        }
    }
}

/// The file's schema version; 0 for a new one.
pub(super) fn check(
    connection: &Connection,
    place: &Place,
    known: usize,
) -> Result<usize, StoreError> {
    let number = |sql: &str| {
        connection
            .query_row(sql, [], |row| row.get::<_, i32>(0))
            .map_err(|error| translate(place, &error))
    };
    // The mark is read last: whoever makes the schema meanwhile sets it in the same step.
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let version = number("PRAGMA user_version")?;
    let ours = number("PRAGMA application_id")? == APPLICATION_ID;
    if !ours && (version != 0 || tables != 0) {
        return Err(StoreError::Foreign {
            place: place.clone(),
            reason: "it is the database of another program".to_owned(),
        });
    }
    let version = u32::try_from(version).unwrap_or(u32::MAX);
    match usize::try_from(version) {
        Ok(version) if version <= known => Ok(version),
        _ => Err(StoreError::Newer {
            place: place.clone(),
            found: version,
            known: u32::try_from(known).unwrap_or(u32::MAX),
        }),
    }
}

pub(super) fn migrate(
    connection: &mut Connection,
    place: &Place,
    migrations: &[&str],
) -> Result<(), StoreError> {
    let sql = |error: rusqlite::Error| translate(place, &error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(sql)?;
    // Another process may have been faster.
    let version = check(&transaction, place, migrations.len())?;
    for (number, step) in (1_u32..).zip(migrations).skip(version) {
        transaction.execute_batch(step).map_err(sql)?;
        transaction
            .pragma_update(None, "user_version", number)
            .map_err(sql)?;
    }
    transaction
        .pragma_update(None, "application_id", APPLICATION_ID)
        .map_err(sql)?;
    transaction.commit().map_err(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE word (text TEXT); INSERT INTO word VALUES ('kept')";
    const SECOND: &str = "ALTER TABLE word ADD COLUMN length BIGINT";

    fn prepared(path: &Path, migrations: &[&str]) -> Result<Connection, StoreError> {
        create(path).unwrap();
        let mut connection = connect(path).unwrap();
        prepare(&mut connection, &Place::file(path), migrations).map(|()| connection)
    }

    fn words(connection: &Connection, columns: &str) -> rusqlite::Result<String> {
        connection.query_row(&format!("SELECT {columns} FROM word"), [], |row| row.get(0))
    }

    #[test]
    fn older_schema_is_brought_up_to_date() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        drop(prepared(&path, &[FIRST]).unwrap());

        let connection = prepared(&path, &[FIRST, SECOND]).unwrap();

        let newest = words(&connection, "text || coalesce(length, '')").unwrap();
        assert_eq!(newest, "kept");
        drop(connection);
        let refused = prepared(&path, &[FIRST]).unwrap_err();
        assert_eq!(
            refused,
            StoreError::Newer {
                place: Place::file(&path),
                found: 2,
                known: 1
            }
        );
    }

    #[test]
    fn step_that_fails_leaves_the_older_schema() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        drop(prepared(&path, &[FIRST]).unwrap());

        prepared(&path, &[FIRST, SECOND, "CREATE TABLE word (again TEXT)"]).unwrap_err();

        let connection = prepared(&path, &[FIRST]).unwrap();
        assert_eq!(words(&connection, "text").unwrap(), "kept");
        words(&connection, "length").unwrap_err();
    }

    #[test]
    fn commits_wait_for_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let connection = prepared(&directory.path().join("state.db"), &[FIRST]).unwrap();
        let pragma = |name: &str| -> rusqlite::Result<i64> {
            connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
        };
        assert_eq!(pragma("synchronous"), Ok(2));
        assert_eq!(pragma("foreign_keys"), Ok(1));
        assert_eq!(pragma("busy_timeout"), Ok(5_000));
    }
}
