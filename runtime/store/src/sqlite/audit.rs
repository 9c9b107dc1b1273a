//! The audit in SQLite: read back, and held against its seals.

use rusqlite::params;

use super::database::{Database, Read};
use crate::{
    audit::{AuditEntry, AuditHead, AuditRow, Sealed, verified},
    error::StoreError,
    value::{number, parse, time, unsigned},
};

/// Rows that a check holds in memory at once.
const BATCH: i64 = 1_000;

fn select(
    database: &Database,
    deployment: Option<&str>,
    after: u64,
    limit: i64,
) -> Result<Vec<Sealed>, StoreError> {
    database.rows(
        "SELECT sequence, at, deployment, application, environment, action, actor, host, details,
                hash
         FROM audit WHERE sequence > ?1 AND (?2 IS NULL OR deployment = ?2)
         ORDER BY sequence LIMIT ?3",
        params![number(after), deployment, limit],
        |row| {
            let entry = AuditEntry {
                at: time(row.get(1)?),
                deployment: row.get(2)?,
                application: row.get(3)?,
                environment: row.get(4)?,
                action: row.get(5)?,
                actor: row.get(6)?,
                host: row.get(7)?,
                details: serde_json::Value::Null,
            };
            let details = row.get(8)?;
            let row = AuditRow {
                sequence: unsigned(row.get(0)?),
                entry,
                hash: row.get(9)?,
            };
            Ok(Sealed { row, details })
        },
    )
}

/// The rows of one deployment, or all.
pub(super) fn rows(
    database: &Database,
    deployment: Option<&str>,
) -> Result<Vec<AuditRow>, StoreError> {
    let kept = select(database, deployment, 0, i64::MAX)?;
    kept.into_iter()
        .map(|Sealed { mut row, details }| {
            row.entry.details = parse(&database.place, "details of the audit", &details)?;
            Ok(row)
        })
        .collect()
}

/// Checks every seal, and that the end is where it was left.
pub(super) fn verify(database: &Database) -> Result<AuditHead, StoreError> {
    let mut head = AuditHead::empty();
    // One look at all of it, whatever other processes add meanwhile.
    let _snapshot = database
        .connection
        .unchecked_transaction()
        .map_err(|error| database.error(&error))?;
    loop {
        let batch = select(database, None, head.rows, BATCH)?;
        if batch.is_empty() {
            break;
        }
        for sealed in batch {
            verified(&database.place, &mut head, &sealed)?;
        }
    }
    let kept = database.first("SELECT last_sequence, hash FROM audit_head", [], |row| {
        Ok(AuditHead {
            rows: unsigned(row.get(0)?),
            hash: row.get(1)?,
        })
    })?;
    head.ends(&database.place, kept.as_ref())
}
