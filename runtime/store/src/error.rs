//! What can go wrong with a store, and what to do about it.

use crate::{
    lease::{Held, Scope},
    place::Place,
};

/// Why the store did not do what it was asked to. Every message fits after "failed to …: ".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// The file or its directory cannot be made or opened.
    #[error(
        "{place} cannot be opened: {reason}; check that the directory exists, belongs to you and \
         can be written"
    )]
    Unopened {
        /// The store.
        place: Place,
        /// What the system said.
        reason: String,
    },
    /// The file is something else.
    #[error(
        "{place} is not a state store: {reason}; move it out of the way, or name another place \
         for the state"
    )]
    Foreign {
        /// The store.
        place: Place,
        /// What it seems to be.
        reason: String,
    },
    /// The file was a state store, and is damaged.
    #[error(
        "{place} is damaged ({reason}); put a copy back, or move it away to begin without history"
    )]
    Damaged {
        /// The store.
        place: Place,
        /// What was found.
        reason: String,
    },
    /// A newer program wrote the file.
    #[error(
        "{place} was written by a newer version of this program (schema {found}, this one knows \
         {known}); use that version or a later one"
    )]
    Newer {
        /// The store.
        place: Place,
        /// The file's schema.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// An older program wrote it, and it was opened only to be read.
    #[error(
        "{place} was last written by an older version of this program (schema {found}, this one \
         needs {known}); whatever changes it next, such as `runtime deploy`, brings it up to date"
    )]
    Older {
        /// The store.
        place: Place,
        /// Its schema.
        found: u32,
        /// What this program needs.
        known: u32,
    },
    /// The file cannot be written.
    #[error("{place} is read-only; give this user the right to write it and its directory")]
    ReadOnly {
        /// The store.
        place: Place,
    },
    /// There is no room left.
    #[error("no room left for {place}; free some space on that disk, and try again")]
    Full {
        /// The store.
        place: Place,
    },
    /// Another process kept the file locked.
    #[error("{place} is locked by another process; try again when it is done")]
    Busy {
        /// The store.
        place: Place,
    },
    /// The disk failed.
    #[error("{place} cannot be read or written: {reason}; check the disk that it is on")]
    Disk {
        /// The store.
        place: Place,
        /// What the system said.
        reason: String,
    },
    /// The database refused a statement.
    #[error("{place} refused: {reason}")]
    Statement {
        /// The store.
        place: Place,
        /// What it said.
        reason: String,
    },
    /// The store was closed, or its thread has ended.
    #[error("{place} is closed: its thread ended early, which is a bug")]
    Closed {
        /// The store.
        place: Place,
    },
    /// What should be the address of a store is none.
    #[error("the address of the state store cannot be used: {reason}")]
    Address {
        /// What is wrong with it.
        reason: String,
    },
    /// The database cannot be reached, or does not answer. What was under way may or may not
    /// have been done: the same call again is safe, and finds out.
    #[error(
        "{place} does not answer ({reason}); check that the database runs and can be reached \
         from here"
    )]
    Away {
        /// The store.
        place: Place,
        /// What went wrong last.
        reason: String,
    },
    /// The database does not let this user in, or not far enough.
    #[error("{place} refuses to be used: {reason}; check its address, user, password and rights")]
    Denied {
        /// The store.
        place: Place,
        /// What it said.
        reason: String,
    },
    /// Something kept cannot be read by this version.
    #[error("the {what} kept in {place} cannot be read: {reason}")]
    Unreadable {
        /// The store.
        place: Place,
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        reason: String,
    },
    /// Something is too large to be kept.
    #[error("{what} has {size} bytes; at most {limit} are kept")]
    TooLarge {
        /// What.
        what: String,
        /// How large it is.
        size: usize,
        /// How large it may be.
        limit: usize,
    },
    /// There is no such thing.
    #[error("there is no {what}")]
    Missing {
        /// What was looked for.
        what: String,
    },
    /// An id's beginning fits several deployments.
    #[error("`{prefix}` may be any of {}; write more of it", candidates.join(", "))]
    Ambiguous {
        /// What was given.
        prefix: String,
        /// What it fits.
        candidates: Vec<String>,
    },
    /// It does not fit what is kept already.
    #[error("{0}")]
    Conflict(String),
    /// The audit was changed from outside.
    #[error(
        "the audit in {place} was changed: row {sequence} does not follow from the rows before it"
    )]
    Tampered {
        /// The store.
        place: Place,
        /// The first row that does not fit.
        sequence: u64,
    },
}

impl StoreError {
    /// Whether the same call may succeed later, with nothing done about it but waiting.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Away { .. })
    }
}

/// Why a lease was not given, or is no longer there.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else has it.
    #[error("{scope} is held by {} for {}", held.owner, held.owner.purpose)]
    Held {
        /// What was wanted.
        scope: Scope,
        /// Who has it, since when and until when.
        held: Box<Held>,
    },
    /// An earlier deployment was cut off and still has to be brought to an end.
    #[error("deployment {deployment} was cut off and is not finished")]
    Unfinished {
        /// Its id.
        deployment: String,
    },
    /// It was this one's, and no longer is.
    #[error("lost the lease of {scope} to {holder}")]
    Lost {
        /// What was held.
        scope: Scope,
        /// Who has it now, for people.
        holder: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LeaseError {
    /// Of a change that was not made: this, or where nobody else has the lease `otherwise`, which
    /// must then have stood in its way.
    pub(crate) fn unless_held(self, otherwise: StoreError) -> Self {
        match self {
            Self::Lost { holder, .. } if holder.is_empty() => otherwise.into(),
            lost => lost,
        }
    }
}

/// Why a lock was not given, or is no longer there.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("the lock `{name}` is held by {holder}")]
    Held {
        /// The lock.
        name: String,
        /// Who has it.
        holder: String,
        /// When it runs out, unless it is renewed.
        until: engine::Timestamp,
    },
    /// It was this one's, ran out, and somebody else took it.
    #[error("the lock `{name}` ran out and is no longer held")]
    Lost {
        /// The lock.
        name: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
