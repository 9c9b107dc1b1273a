//! Signals in SQLite.

use engine::Timestamp;
use rusqlite::{Row, params};

use super::{
    database::{Change, Database, Read},
    lease::lost,
    listing::existing,
    pending::append,
};
use crate::{
    error::{LeaseError, StoreError},
    lease::Lease,
    row::signal::{SignalRow, accepted, details, missing, sent},
    signal::{SentSignal, Signal},
    value::{number, time, unsigned},
};

/// Sends one; gives back its number.
pub(super) fn send(
    change: &mut Change<'_>,
    deployment: &str,
    signal: &Signal,
) -> Result<u64, StoreError> {
    let to = existing(change, deployment, signal.at)?;
    accepted(&to, signal)?;
    let assigned = change.row(
        "INSERT INTO signals (deployment, number, kind, details, actor, host, reason, at)
         SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7 FROM signals
         WHERE deployment = ?1
         RETURNING number",
        params![
            deployment,
            signal.kind,
            details(change.place, signal)?,
            signal.actor,
            signal.host,
            signal.reason,
            number(signal.at.0)
        ],
        |row| row.get(0),
    )?;
    let assigned = unsigned(assigned);
    append(change, &[sent(&to, assigned, signal)])?;
    Ok(assigned)
}

fn take(row: &Row<'_>) -> rusqlite::Result<SignalRow> {
    let taken: Option<i64> = row.get(7)?;
    let signal = Signal {
        kind: row.get(1)?,
        details: serde_json::Value::Null,
        actor: row.get(3)?,
        host: row.get(4)?,
        reason: row.get(5)?,
        at: time(row.get(6)?),
    };
    Ok(SignalRow {
        signal,
        number: unsigned(row.get(0)?),
        details: row.get(2)?,
        taken: taken.map(time),
    })
}

/// Those after that number, oldest first.
pub(super) fn list(
    database: &Database,
    deployment: &str,
    after: u64,
) -> Result<Vec<SentSignal>, StoreError> {
    let rows = database.rows(
        "SELECT number, kind, details, actor, host, reason, at, taken_at FROM signals
         WHERE deployment = ?1 AND number > ?2 ORDER BY number",
        params![deployment, number(after)],
        take,
    )?;
    rows.into_iter()
        .map(|row| row.read(&database.place))
        .collect()
}

/// Marks one as acted on, where the lease is held and nobody did yet.
pub(super) fn mark(
    change: &Change<'_>,
    deployment: &str,
    which: u64,
    lease: &Lease,
    now: Timestamp,
) -> Result<(), LeaseError> {
    let written = change.run(
        "UPDATE signals SET taken_at = coalesce(taken_at, ?6),
                            taken_token = coalesce(taken_token, ?5)
         WHERE deployment = ?1 AND number = ?2
           AND EXISTS (SELECT 1 FROM leases WHERE application = ?3 AND environment = ?4
                         AND token = ?5 AND until_at IS NOT NULL AND deployment = ?1)",
        params![
            deployment,
            number(which),
            lease.scope.application,
            lease.scope.environment,
            number(lease.token),
            number(now.0)
        ],
    )?;
    if written == 1 {
        return Ok(());
    }
    let lost = lost(change, lease)?;
    Err(lost.unless_held(missing(deployment, which)))
}
