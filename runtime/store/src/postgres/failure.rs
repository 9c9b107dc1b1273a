//! Turns what PostgreSQL says into what went wrong and what to do about it.

use std::error::Error as _;

use tokio_postgres::{Error, error::SqlState};

use crate::{error::StoreError, place::Place};

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing here: the caller has to hear of it.
    Tell,
    /// The transaction is gone, the connection is good: the same again may succeed.
    Repeat,
    /// The connection is gone, or the server is.
    Reconnect,
}

pub(super) fn remedy(error: &Error) -> Remedy {
    let Some(code) = error.code() else {
        // It never came to an answer of the server's.
        return if error.is_closed() || is_transport(error) {
            Remedy::Reconnect
        } else {
            Remedy::Tell
        };
    };
    match *code {
        SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::LOCK_NOT_AVAILABLE
        | SqlState::QUERY_CANCELED => Remedy::Repeat,
        SqlState::ADMIN_SHUTDOWN
        | SqlState::CRASH_SHUTDOWN
        | SqlState::CANNOT_CONNECT_NOW
        | SqlState::TOO_MANY_CONNECTIONS
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        // A standby took this one's place, or the other way round.
        | SqlState::READ_ONLY_SQL_TRANSACTION => Remedy::Reconnect,
        _ if code.code().starts_with("08") => Remedy::Reconnect,
        _ => Remedy::Tell,
    }
}

fn is_transport(error: &Error) -> bool {
    let Some(source) = error.source() else {
        return false;
    };
    let Some(io) = source.downcast_ref::<std::io::Error>() else {
        return false;
    };
    // What TLS says about a certificate comes as invalid data, and stays so.
    io.kind() != std::io::ErrorKind::InvalidData
}

pub(super) fn translate(place: &Place, error: &Error) -> StoreError {
    let (place, reason) = (place.clone(), reason(error));
    match error.code() {
        _ if remedy(error) != Remedy::Tell => StoreError::Away { place, reason },
        Some(
            &(SqlState::INVALID_PASSWORD
            | SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            | SqlState::INVALID_CATALOG_NAME
            | SqlState::INSUFFICIENT_PRIVILEGE),
        ) => StoreError::Denied { place, reason },
        Some(&SqlState::DISK_FULL) => StoreError::Full { place },
        Some(&(SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED)) => {
            StoreError::Damaged { place, reason }
        }
        Some(&SqlState::IO_ERROR) => StoreError::Disk { place, reason },
        Some(_) => StoreError::Statement { place, reason },
        None => StoreError::Denied { place, reason },
    }
}

/// What the server or the system said, without the words around it.
pub(super) fn reason(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        return said.message().to_owned();
    }
    match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}
