//! The store in one SQLite file, for one machine.

mod failure;
mod open;
mod pending;
mod thread;
mod value;

use std::{path::Path, thread::JoinHandle};

use crate::error::StoreError;
use thread::Jobs;

/// A store in one SQLite file. Several processes may have it open at the same time.
///
/// One thread owns the connection. Dropping it writes what still waits, and ends the thread.
pub struct Sqlite {
    jobs: Jobs,
    thread: Option<JoinHandle<()>>,
}

impl Sqlite {
    /// Opens the store in that file; makes the file, with mode 0600, and its directory, with
    /// mode 0700, where they are missing, and brings an older schema up to date. Blocks for
    /// about a millisecond.
    ///
    /// Fails where the file is something else, damaged, read-only, or from a newer version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let connection = open::open(path)?;
        let (jobs, thread) = Jobs::start(connection, path)?;
        Ok(Self {
            jobs,
            thread: Some(thread),
        })
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.jobs.close();
        if let Some(thread) = self.thread.take() {
            // It ended early only by a bug that every call has told of.
            let _ = thread.join();
        }
    }
}
