//! What waits for the next change, so that it costs no commit of its own: audit entries and
//! notes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::audit::AuditEntry;

/// More than this many are written at once, so that a chatty plugin cannot eat memory.
const PENDING_MAX: usize = 1_000;

/// A plugin's note: of which deployment, whose, its name and value.
pub(crate) struct Note {
    pub(crate) deployment: String,
    pub(crate) plugin: String,
    pub(crate) name: String,
    pub(crate) value: Value,
}

/// Audit entries and notes in the order in which they came.
#[derive(Default)]
pub(crate) struct Pending {
    pub(crate) audit: Vec<AuditEntry>,
    pub(crate) notes: Vec<Note>,
}

impl Pending {
    pub(crate) fn audit(&mut self, entries: Vec<AuditEntry>) {
        self.audit.extend(entries);
    }

    pub(crate) fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.audit.is_empty() && self.notes.is_empty()
    }

    fn find_note(&self, deployment: &str, plugin: &str, name: &str) -> Option<&Value> {
        let fits = |note: &&Note| {
            note.deployment == deployment && note.plugin == plugin && note.name == name
        };
        self.notes.iter().rev().find(fits).map(|note| &note.value)
    }
}

/// What waits, shared by everyone who adds to it and by the connection.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<Pending>);

impl Waiting {
    /// Adds something; says whether there is so much that it should wait no longer.
    pub(crate) fn add(&self, add: impl FnOnce(&mut Pending)) -> bool {
        let mut pending = self.lock();
        add(&mut pending);
        pending.audit.len() + pending.notes.len() > PENDING_MAX
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The latest note of that name that was not written yet. Asked by who holds the
    /// connection, it misses none that is being written.
    pub(crate) fn note(&self, deployment: &str, plugin: &str, name: &str) -> Option<Value> {
        self.lock().find_note(deployment, plugin, name).cloned()
    }

    /// Takes it all, to be written.
    pub(crate) fn take(&self) -> Pending {
        std::mem::take(&mut *self.lock())
    }

    /// Puts back what was not written, before what came since.
    pub(crate) fn put_back(&self, mut pending: Pending) {
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
