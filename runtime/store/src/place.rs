//! Where a store is, as messages name it. Knows no password.

use std::{fmt, path::Path, sync::Arc};

/// The name of a store in messages: a file's path, or a database's address without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(Arc<str>);

impl Place {
    /// A file.
    pub fn file(path: &Path) -> Self {
        Self(path.to_string_lossy().into())
    }

    /// A database on some host.
    pub(crate) fn database(host: &str, port: u16, name: &str) -> Self {
        Self(format!("the database {name} on {host}:{port}").into())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
