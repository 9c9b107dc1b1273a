//! A copy of the file in memory, for who only wants to know. What is there stays as it is, to the
//! byte: it is not made, not brought up to date, and its log is not folded into it.

use std::{ffi::OsString, path::Path};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
    config::DbConfig,
};

use super::{failure::translate, open};
use crate::{error::StoreError, place::Place, schema::MIGRATIONS};

/// All pages in one step, which is one snapshot: whoever writes meanwhile writes to the log, and
/// what is committed between two steps would begin the copy anew.
const PAGES: std::ffi::c_int = -1;

/// An empty store.
pub(super) fn empty(place: &Place) -> Result<Connection, StoreError> {
    let sql = |error: rusqlite::Error| translate(place, &error);
    ready(Connection::open_in_memory().map_err(sql)?, place)
}

/// What the file has now; an empty store where there is none.
pub(super) fn of(path: &Path, place: &Place) -> Result<Connection, StoreError> {
    let sql = |error: rusqlite::Error| translate(place, &error);
    // What nobody may look into is not what is not there.
    let there = path.try_exists();
    if !there.map_err(|error| open::unopened(place, &error))? {
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
    // It waits as long for another process as any statement does.
    let step = backup.step(PAGES).map_err(sql)?;
    drop(backup);
    if step != StepResult::Done {
        return Err(StoreError::Busy {
            place: place.clone(),
        });
    }
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
