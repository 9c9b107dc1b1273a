//! What waits for the next change, written into it.

use rusqlite::params;

use super::database::{Change, Read};
use crate::{
    audit::{AuditEntry, AuditHead},
    error::StoreError,
    pending::Pending,
    value::{number, unsigned},
};

/// Puts all that waited into a change.
pub(super) fn write(change: &mut Change<'_>, pending: &Pending) -> Result<(), StoreError> {
    append(change, &pending.audit)?;
    for note in &pending.notes {
        change.run(
            "INSERT INTO notes (deployment, plugin, name, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (deployment, plugin, name) DO UPDATE SET value = excluded.value",
            params![
                note.deployment,
                note.plugin,
                note.name,
                note.value.to_string()
            ],
        )?;
    }
    Ok(())
}

/// Adds rows to the audit, each sealed with the one before.
pub(super) fn append(change: &mut Change<'_>, entries: &[AuditEntry]) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let (rows, hash) = change.row("SELECT last_sequence, hash FROM audit_head", [], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let mut head = AuditHead {
        rows: unsigned(rows),
        hash,
    };
    for entry in entries {
        let details = entry.details.to_string();
        head.advance(entry, &details);
        change.run(
            "INSERT INTO audit (sequence, at, deployment, application, environment, action,
                                actor, host, details, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                number(head.rows),
                number(entry.at.0),
                entry.deployment,
                entry.application,
                entry.environment,
                entry.action,
                entry.actor,
                entry.host,
                details,
                head.hash
            ],
        )?;
    }
    change.run(
        "UPDATE audit_head SET last_sequence = ?1, hash = ?2",
        params![number(head.rows), head.hash],
    )?;
    Ok(())
}
