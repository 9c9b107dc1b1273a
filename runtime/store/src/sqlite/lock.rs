//! Named locks in SQLite.

use engine::Timestamp;
use rusqlite::params;

use super::database::{Change, Read};
use crate::{
    error::{LockError, StoreError},
    lock::Lock,
    value::{number, time, unsigned},
};

/// Takes the lock, also from one whose time ran out.
pub(super) fn acquire(
    change: &Change<'_>,
    name: &str,
    holder: &str,
    ttl_ms: u64,
    now: Timestamp,
) -> Result<Lock, LockError> {
    let until = now.after_ms(ttl_ms);
    let token = change.first(
        "INSERT INTO locks (name, token, holder, until_at) VALUES (?1, 1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET
             token = locks.token + 1, holder = excluded.holder, until_at = excluded.until_at
         WHERE locks.until_at IS NULL OR locks.until_at <= ?4
         RETURNING token",
        params![name, holder, number(until.0), number(now.0)],
        |row| row.get(0),
    )?;
    if let Some(token) = token {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        return Ok(Lock {
            name,
            holder,
            token: unsigned(token),
            until,
        });
    }
    let (holder, until) = change.row(
        "SELECT holder, until_at FROM locks WHERE name = ?1",
        [name],
        |row| Ok((row.get(0)?, time(row.get(1)?))),
    )?;
    Err(LockError::Held {
        name: name.to_owned(),
        holder,
        until,
    })
}

/// Lengthens the lock where it was not lost.
pub(super) fn renew(
    change: &Change<'_>,
    lock: &Lock,
    ttl_ms: u64,
    now: Timestamp,
) -> Result<Lock, LockError> {
    let until = now.after_ms(ttl_ms);
    let written = change.run(
        "UPDATE locks SET until_at = ?3
         WHERE name = ?1 AND token = ?2 AND until_at IS NOT NULL",
        params![lock.name, number(lock.token), number(until.0)],
    )?;
    if written == 1 {
        return Ok(Lock {
            until,
            ..lock.clone()
        });
    }
    Err(LockError::Lost {
        name: lock.name.clone(),
    })
}

/// Lets go of the lock where it was not lost.
pub(super) fn release(change: &Change<'_>, lock: &Lock) -> Result<(), StoreError> {
    change.run(
        "UPDATE locks SET until_at = NULL WHERE name = ?1 AND token = ?2",
        params![lock.name, number(lock.token)],
    )?;
    Ok(())
}
