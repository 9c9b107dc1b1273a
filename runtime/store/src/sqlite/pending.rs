//! What waits for the next change, so that it costs no commit of its own: audit entries and
//! notes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::params;
use serde_json::Value;

use super::{
    database::{Change, Read},
    value::{number, unsigned},
};
use crate::{
    audit::{AuditEntry, AuditHead},
    error::StoreError,
};

/// More than this many are written at once, so that a chatty plugin cannot eat memory.
const PENDING_MAX: usize = 1_000;

/// A plugin's note: of which deployment, whose, its name and value.
pub(super) struct Note {
    pub(super) deployment: String,
    pub(super) plugin: String,
    pub(super) name: String,
    pub(super) value: Value,
}

/// Audit entries and notes in the order in which they came.
#[derive(Default)]
pub(super) struct Pending {
    audit: Vec<AuditEntry>,
    notes: Vec<Note>,
}

impl Pending {
    pub(super) fn audit(&mut self, entries: Vec<AuditEntry>) {
        self.audit.extend(entries);
    }

    pub(super) fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    fn find_note(&self, deployment: &str, plugin: &str, name: &str) -> Option<&Value> {
        let fits = |note: &&Note| {
            note.deployment == deployment && note.plugin == plugin && note.name == name
        };
        self.notes.iter().rev().find(fits).map(|note| &note.value)
    }

    /// Puts it all into a change.
    pub(super) fn write(&self, change: &mut Change<'_>) -> Result<(), StoreError> {
        append(change, &self.audit)?;
        for note in &self.notes {
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
}

/// What waits, shared by everyone who adds to it and by the connection.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Pending>);

impl Waiting {
    /// Adds something; says whether there is so much that it should wait no longer.
    pub(super) fn add(&self, add: impl FnOnce(&mut Pending)) -> bool {
        let mut pending = self.lock();
        add(&mut pending);
        pending.audit.len() + pending.notes.len() > PENDING_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        let pending = self.lock();
        pending.audit.is_empty() && pending.notes.is_empty()
    }

    /// The latest note of that name that was not written yet. Asked by who holds the
    /// connection, it misses none that is being written.
    pub(super) fn note(&self, deployment: &str, plugin: &str, name: &str) -> Option<Value> {
        self.lock().find_note(deployment, plugin, name).cloned()
    }

    /// Takes it all, to be written.
    pub(super) fn take(&self) -> Pending {
        std::mem::take(&mut *self.lock())
    }

    /// Puts back what was not written, before what came since.
    pub(super) fn put_back(&self, mut pending: Pending) {
        let mut waiting = self.lock();
        pending.audit.append(&mut waiting.audit);
        pending.notes.append(&mut waiting.notes);
        *waiting = pending;
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        // Nothing that is done under it can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
