//! The audit in PostgreSQL: read back, and held against its seals.

use tokio_postgres::{Error, Row};

use super::session::Session;
use crate::{
    audit::{AuditEntry, AuditHead, AuditRow, Sealed, verified},
    error::StoreError,
    value::{number, parse, time, unsigned},
};

/// Rows that a check holds in memory at once.
const BATCH: i64 = 1_000;

fn take(row: &Row) -> Result<Sealed, Error> {
    let entry = AuditEntry {
        at: time(row.try_get(1)?),
        deployment: row.try_get(2)?,
        application: row.try_get(3)?,
        environment: row.try_get(4)?,
        action: row.try_get(5)?,
        actor: row.try_get(6)?,
        host: row.try_get(7)?,
        details: serde_json::Value::Null,
    };
    let details = row.try_get(8)?;
    let row = AuditRow {
        sequence: unsigned(row.try_get(0)?),
        entry,
        hash: row.try_get(9)?,
    };
    Ok(Sealed { row, details })
}

async fn select(
    session: &Session,
    deployment: Option<&str>,
    after: u64,
    limit: i64,
) -> Result<Vec<Sealed>, StoreError> {
    session
        .rows(
            "SELECT sequence, at, deployment, application, environment, action, actor, host,
                    details, hash
             FROM audit WHERE sequence > $1 AND ($2::text IS NULL OR deployment = $2)
             ORDER BY sequence LIMIT $3",
            &[&number(after), &deployment, &limit],
            take,
        )
        .await
}

/// The rows of one deployment, or all.
pub(super) async fn rows(
    session: &Session,
    deployment: Option<&str>,
) -> Result<Vec<AuditRow>, StoreError> {
    let kept = select(session, deployment, 0, i64::MAX).await?;
    kept.into_iter()
        .map(|Sealed { mut row, details }| {
            row.entry.details = parse(&session.place, "details of the audit", &details)?;
            Ok(row)
        })
        .collect()
}

/// Checks every seal, and that the end is where it was left.
pub(super) async fn verify(session: &Session) -> Result<AuditHead, StoreError> {
    // One look at all of it, whatever other processes add meanwhile.
    session
        .batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let verdict = follow(session).await;
    session.batch("COMMIT").await?;
    verdict
}

async fn follow(session: &Session) -> Result<AuditHead, StoreError> {
    let mut head = AuditHead::empty();
    loop {
        let batch = select(session, None, head.rows, BATCH).await?;
        if batch.is_empty() {
            break;
        }
        for sealed in batch {
            verified(&session.place, &mut head, &sealed)?;
        }
    }
    let kept = session
        .first("SELECT last_sequence, hash FROM audit_head", &[], |row| {
            Ok(AuditHead {
                rows: unsigned(row.try_get(0)?),
                hash: row.try_get(1)?,
            })
        })
        .await?;
    head.ends(&session.place, kept.as_ref())
}
