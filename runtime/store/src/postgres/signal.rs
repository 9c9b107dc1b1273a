//! Signals in PostgreSQL.

use engine::Timestamp;
use tokio_postgres::{Error, Row};

use super::{change::Change, lease::lost, listing::existing, session::Session};
use crate::{
    error::{LeaseError, StoreError},
    lease::Lease,
    row::signal::{SignalRow, accepted, details, missing, sent},
    signal::{SentSignal, Signal},
    value::{number, time, unsigned},
};

/// Sends one; gives back its number. The change is an audited one: no other sends any meanwhile.
pub(super) async fn send(
    change: &Change,
    deployment: &str,
    signal: &Signal,
) -> Result<u64, StoreError> {
    let to = existing(change, deployment, signal.at).await?;
    accepted(&to, signal)?;
    let assigned: i64 = change
        .row(
            "INSERT INTO signals (deployment, number, kind, details, actor, host, reason, at)
             SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7 FROM signals
             WHERE deployment = $1
             RETURNING number",
            &[
                &deployment,
                &signal.kind,
                &details(&change.place, signal)?,
                &signal.actor,
                &signal.host,
                &signal.reason,
                &number(signal.at.0),
            ],
            |row| row.try_get(0),
        )
        .await?;
    let assigned = unsigned(assigned);
    change.append(&[sent(&to, assigned, signal)]).await?;
    change.tell(deployment).await?;
    Ok(assigned)
}

fn take(row: &Row) -> Result<SignalRow, Error> {
    let taken: Option<i64> = row.try_get(7)?;
    let signal = Signal {
        kind: row.try_get(1)?,
        details: serde_json::Value::Null,
        actor: row.try_get(3)?,
        host: row.try_get(4)?,
        reason: row.try_get(5)?,
        at: time(row.try_get(6)?),
    };
    Ok(SignalRow {
        signal,
        number: unsigned(row.try_get(0)?),
        details: row.try_get(2)?,
        taken: taken.map(time),
    })
}

/// Those after that number, oldest first.
pub(super) async fn list(
    session: &Session,
    deployment: &str,
    after: u64,
) -> Result<Vec<SentSignal>, StoreError> {
    let rows = session
        .rows(
            "SELECT number, kind, details, actor, host, reason, at, taken_at FROM signals
             WHERE deployment = $1 AND number > $2 ORDER BY number",
            &[&deployment, &number(after)],
            take,
        )
        .await?;
    rows.into_iter()
        .map(|row| row.read(&session.place))
        .collect()
}

/// Marks one as acted on, where the lease is held and nobody did yet.
pub(super) async fn mark(
    session: &Session,
    deployment: &str,
    which: u64,
    lease: &Lease,
    now: Timestamp,
) -> Result<(), LeaseError> {
    let found = session
        .first(
            "WITH held AS (
                 SELECT FROM leases
                 WHERE application = $3 AND environment = $4 AND token = $5
                   AND until_at IS NOT NULL AND deployment = $1
                 FOR SHARE)
             UPDATE signals SET taken_at = coalesce(taken_at, $6),
                                taken_token = coalesce(taken_token, $5)
             FROM held WHERE signals.deployment = $1 AND number = $2
             RETURNING number",
            &[
                &deployment,
                &number(which),
                &lease.scope.application,
                &lease.scope.environment,
                &number(lease.token),
                &number(now.0),
            ],
            |row| row.try_get::<_, i64>(0),
        )
        .await?;
    if found.is_some() {
        return Ok(());
    }
    let lost = lost(session, lease, now).await?;
    Err(lost.unless_held(missing(deployment, which)))
}
