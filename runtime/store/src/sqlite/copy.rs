//! A copy of the file in memory, for who only wants to know. What is there stays as it is, to the
//! byte: it is not made, not brought up to date, and its log is not folded into it.

use std::{ffi::OsString, path::Path};

use rusqlite::{Connection, backup::Backup, config::DbConfig};

use super::{failure::translate, open};
use crate::{error::StoreError, place::Place, schema::MIGRATIONS};

/// Pages that are copied in one step. Whoever writes meanwhile waits for one.
const PAGES: std::ffi::c_int = 1_000;

/// An empty store.
pub(super) fn empty(place: &Place) -> Result<Connection, StoreError> {
    let sql = |error: rusqlite::Error| translate(place, &error);
    ready(Connection::open_in_memory().map_err(sql)?, place)
}

/// What the file has now; an empty store where there is none.
pub(super) fn of(path: &Path, place: &Place) -> Result<Connection, StoreError> {
    let sql = |error: rusqlite::Error| translate(place, &error);
    if !path.exists() {
        return empty(place);
    }
    let logged = beside(path, "-wal").exists();
    let file = open::connect(path).map_err(sql)?;
    file.busy_timeout(open::BUSY_TIMEOUT).map_err(sql)?;
    file.pragma_update(None, "query_only", true).map_err(sql)?;
    if logged {
        // The last one to close it would fold what a killed process left into the file.
        file.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .map_err(sql)?;
    }
    open::check(&file, place, MIGRATIONS.len())?;
    let mut memory = Connection::open_in_memory().map_err(sql)?;
    let backup = Backup::new(&file, &mut memory).map_err(sql)?;
    backup
        .run_to_completion(PAGES, std::time::Duration::ZERO, None)
        .map_err(sql)?;
    drop(backup);
    ready(memory, place)
}

/// The newest schema.
fn ready(mut memory: Connection, place: &Place) -> Result<Connection, StoreError> {
    let sql = |error: rusqlite::Error| translate(place, &error);
    memory.set_prepared_statement_cache_capacity(open::STATEMENTS_MAX);
    memory
        .pragma_update(None, "foreign_keys", true)
        .map_err(sql)?;
    open::migrate(&mut memory, place, MIGRATIONS)?;
    Ok(memory)
}

fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
