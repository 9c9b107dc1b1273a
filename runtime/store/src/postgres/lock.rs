//! Named locks in PostgreSQL, judged by the same clock as leases.

use engine::Timestamp;

use super::session::Session;
use crate::{
    error::{LockError, StoreError},
    lock::Lock,
    value::{length, number, unsigned},
};

/// Takes the lock, also from one whose time ran out.
pub(super) async fn acquire(
    session: &Session,
    name: &str,
    holder: &str,
    ttl_ms: u64,
    now: Timestamp,
) -> Result<Lock, LockError> {
    let judge = session.judge(now);
    let token = session
        .first(
            "INSERT INTO locks (name, token, holder, until_at)
             VALUES ($1, 1, $2, coalesce($4, clock()) + $3)
             ON CONFLICT (name) DO UPDATE SET
                 token = locks.token + 1, holder = excluded.holder, until_at = excluded.until_at
             WHERE locks.until_at IS NULL OR locks.until_at <= coalesce($4, clock())
             RETURNING token",
            &[&name, &holder, &length(ttl_ms), &judge],
            |row| row.try_get(0),
        )
        .await?;
    if let Some(token) = token {
        return Ok(Lock {
            name: name.to_owned(),
            holder: holder.to_owned(),
            token: unsigned(token),
            until: now.after_ms(ttl_ms),
        });
    }
    let (holder, left): (String, Option<i64>) = session
        .row(
            "SELECT holder, until_at - coalesce($2, clock()) FROM locks WHERE name = $1",
            &[&name, &judge],
            |row| Ok((row.try_get(0)?, row.try_get(1)?)),
        )
        .await?;
    match left {
        Some(left) => Err(LockError::Held {
            name: name.to_owned(),
            holder,
            until: Timestamp(now.0.saturating_add_signed(left)),
        }),
        // It was let go in between.
        None => Err(session.repeat().into()),
    }
}

/// Lengthens the lock where it was not lost.
pub(super) async fn renew(
    session: &Session,
    lock: &Lock,
    ttl_ms: u64,
    now: Timestamp,
) -> Result<Lock, LockError> {
    let written = session
        .run(
            "UPDATE locks SET until_at = coalesce($4, clock()) + $3
             WHERE name = $1 AND token = $2 AND until_at IS NOT NULL",
            &[
                &lock.name,
                &number(lock.token),
                &length(ttl_ms),
                &session.judge(now),
            ],
        )
        .await?;
    if written == 1 {
        return Ok(Lock {
            until: now.after_ms(ttl_ms),
            ..lock.clone()
        });
    }
    Err(LockError::Lost {
        name: lock.name.clone(),
    })
}

/// Lets go of the lock where it was not lost.
pub(super) async fn release(session: &Session, lock: &Lock) -> Result<(), StoreError> {
    session
        .run(
            "UPDATE locks SET until_at = NULL WHERE name = $1 AND token = $2",
            &[&lock.name, &number(lock.token)],
        )
        .await
        .map(drop)
}
