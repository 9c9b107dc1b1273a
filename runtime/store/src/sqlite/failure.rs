//! Turns what SQLite says into what went wrong and what to do about it.

use rusqlite::{Error, ErrorCode};

use crate::{error::StoreError, place::Place};

pub(super) fn translate(place: &Place, error: &Error) -> StoreError {
    let reason = match error {
        Error::SqliteFailure(code, None) => code.to_string(),
        // The message alone: the code before it says the same once more.
        Error::SqliteFailure(_, Some(message)) => message.clone(),
        _ => error.to_string(),
    };
    let place = place.clone();
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::Unopened { place, reason }
        }
        Some(ErrorCode::NotADatabase) => StoreError::Foreign { place, reason },
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { place, reason },
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly { place },
        Some(ErrorCode::DiskFull) => StoreError::Full { place },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { place },
        Some(ErrorCode::SystemIoFailure) => StoreError::Disk { place, reason },
        _ => StoreError::Statement { place, reason },
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::ffi;

    use super::*;

    fn check(code: i32, expected: &str) {
        let error = Error::SqliteFailure(ffi::Error::new(code), Some("it said so".to_owned()));
        let translated = translate(&Place::file(Path::new("state.db")), &error);
        assert_eq!(translated.to_string(), expected);
        let busy = matches!(translated, StoreError::Busy { .. });
        assert_eq!(translated.is_transient(), busy);
    }

    #[test]
    fn every_failure_says_what_to_do() {
        check(
            ffi::SQLITE_READONLY_DIRECTORY,
            "state.db is read-only; give this user the right to write it and its directory",
        );
        check(
            ffi::SQLITE_FULL,
            "no room left for state.db; free some space on that disk, and try again",
        );
        check(
            ffi::SQLITE_BUSY_SNAPSHOT,
            "state.db is locked by another process; try again when it is done",
        );
        check(
            ffi::SQLITE_IOERR_FSYNC,
            "state.db cannot be read or written: it said so; check the disk that it is on",
        );
        check(
            ffi::SQLITE_CORRUPT_INDEX,
            "state.db is damaged (it said so); put a copy back, or move it away to begin without \
             history",
        );
        check(
            ffi::SQLITE_CANTOPEN,
            "state.db cannot be opened: it said so; check that the directory exists, belongs to \
             you and can be written",
        );
        check(
            ffi::SQLITE_NOTADB,
            "state.db is not a state store: it said so; move it out of the way, or name another \
             place for the state",
        );
        check(
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY,
            "state.db refused: it said so",
        );
    }
}
