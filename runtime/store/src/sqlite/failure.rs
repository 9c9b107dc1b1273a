//! Turns what SQLite says into what went wrong and what to do about it.

use std::path::Path;

use rusqlite::{Error, ErrorCode};

use crate::error::StoreError;

pub(super) fn translate(path: &Path, error: &Error) -> StoreError {
    let reason = match error {
        Error::SqliteFailure(code, None) => code.to_string(),
        // The message alone: the code before it says the same once more.
        Error::SqliteFailure(_, Some(message)) => message.clone(),
        _ => error.to_string(),
    };
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::Unopened { path, reason }
        }
        Some(ErrorCode::NotADatabase) => StoreError::Foreign { path, reason },
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { path, reason },
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly { path },
        Some(ErrorCode::DiskFull) => StoreError::Full { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { path },
        Some(ErrorCode::SystemIoFailure) => StoreError::Disk { path, reason },
        _ => StoreError::Statement { path, reason },
    }
}
