//! The one thread that owns the connection. Everything else sends it work and waits for the
//! answer without blocking.

use std::{
    path::Path,
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::{failure::translate, pending::Pending};
use crate::error::StoreError;

/// What the thread works on.
pub(super) struct Database {
    pub(super) connection: Connection,
    pub(super) path: Arc<Path>,
    /// Waits for the next change.
    pub(super) pending: Pending,
}

enum Job {
    Run(Box<dyn FnOnce(&mut Database) + Send>),
    Close,
}

/// Sends work to the thread. Cheap to clone.
#[derive(Clone)]
pub(super) struct Jobs {
    sender: mpsc::Sender<Job>,
    pub(super) path: Arc<Path>,
}

impl Jobs {
    /// Starts the thread.
    pub(super) fn start(
        connection: Connection,
        path: &Path,
    ) -> Result<(Self, JoinHandle<()>), StoreError> {
        let path: Arc<Path> = path.into();
        let (sender, receiver) = mpsc::channel();
        let mut database = Database {
            connection,
            path: Arc::clone(&path),
            pending: Pending::default(),
        };
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                while let Ok(Job::Run(work)) = receiver.recv() {
                    work(&mut database);
                }
                // Whoever cares about the outcome has called flush.
                let _ = database.flush();
            })
            .map_err(|error| StoreError::Unopened {
                path: path.to_path_buf(),
                reason: format!("no thread for it: {error}"),
            })?;
        Ok((Self { sender, path }, thread))
    }

    /// Has work done, and waits for its answer.
    pub(super) async fn call<T, E>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job = Job::Run(Box::new(move |database: &mut Database| {
            // An answer that nobody waits for any more is dropped; the work is done.
            let _ = sender.send(work(database));
        }));
        let closed = || {
            E::from(StoreError::Closed {
                path: self.path.to_path_buf(),
            })
        };
        self.sender.send(job).map_err(|_| closed())?;
        receiver.await.map_err(|_| closed())?
    }

    /// Has a change made, all of it or nothing.
    pub(super) async fn change<T, E>(
        &self,
        work: impl FnOnce(&mut Change<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.call(|database| database.change(work)).await
    }

    /// Has work done whose answer nobody waits for.
    pub(super) fn post(&self, work: impl FnOnce(&mut Database) + Send + 'static) {
        // Once the thread is gone every call says so; nothing to add here.
        let _ = self.sender.send(Job::Run(Box::new(work)));
    }

    /// Ends the thread after the work that it was sent.
    pub(super) fn close(&self) {
        let _ = self.sender.send(Job::Close);
    }
}

impl Database {
    /// An error of SQLite's in our words.
    pub(super) fn error(&self, error: &rusqlite::Error) -> StoreError {
        translate(&self.path, error)
    }

    /// Does all of `work` in one durable step, or nothing of it.
    ///
    /// What waits for the next change goes along, and goes on waiting where it fails.
    pub(super) fn change<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&mut Change<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let path = Arc::clone(&self.path);
        let sql = |error: rusqlite::Error| translate(&path, &error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sql)?;
        let mut change = Change {
            transaction,
            path: &path,
        };
        // What waited came first.
        self.pending.write(&mut change)?;
        let value = work(&mut change)?;
        change.transaction.commit().map_err(sql)?;
        self.pending.clear();
        Ok(value)
    }

    /// Adds to what waits for the next change; where that is a lot, it waits no longer.
    pub(super) fn wait(&mut self, add: impl FnOnce(&mut Pending)) {
        add(&mut self.pending);
        if self.pending.is_full() {
            // Where this fails it goes on waiting, and the next change fails, too.
            let _ = self.flush();
        }
    }

    /// Makes durable what waits for the next change.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        if self.pending.is_empty() {
            Ok(())
        } else {
            self.change(|_| Ok(()))
        }
    }
}

/// A transaction that is being put together.
pub(super) struct Change<'a> {
    pub(super) transaction: Transaction<'a>,
    pub(super) path: &'a Path,
}

impl Change<'_> {
    /// Runs a prepared statement; says how many rows it changed.
    pub(super) fn run(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<usize, StoreError> {
        self.transaction
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(parameters))
            .map_err(|error| translate(self.path, &error))
    }
}

/// Reading, in a change or outside of one.
pub(super) trait Read {
    /// What is read from, and its path.
    fn source(&self) -> (&Connection, &Path);

    /// The only row of an answer.
    fn row<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        take: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let (connection, path) = self.source();
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(parameters, take))
            .map_err(|error| translate(path, &error))
    }

    /// The first row of an answer, if there is any.
    fn first<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        take: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let (connection, path) = self.source();
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(parameters, take).optional())
            .map_err(|error| translate(path, &error))
    }

    /// Every row of an answer.
    fn rows<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        take: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let (connection, path) = self.source();
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(parameters, take)?.collect())
            .map_err(|error| translate(path, &error))
    }
}

impl Read for Change<'_> {
    fn source(&self) -> (&Connection, &Path) {
        (&self.transaction, self.path)
    }
}

impl Read for Database {
    fn source(&self) -> (&Connection, &Path) {
        (&self.connection, &self.path)
    }
}
