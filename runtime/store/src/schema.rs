//! The schema that every store has.

/// One step for each version. A step that was released never changes.
///
/// Written as SQLite reads it; PostgreSQL has another word for BLOB, and no WITHOUT ROWID.
pub(crate) const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_control.sql"),
    include_str!("../migrations/0003_folders.sql"),
];
