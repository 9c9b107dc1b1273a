//! The connection, and how it is read and changed.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction, TransactionBehavior};

use super::{
    failure::translate,
    pending::{Pending, Waiting},
};
use crate::error::StoreError;

/// The connection, and what waits for its next change.
pub(super) struct Database {
    pub(super) connection: Connection,
    pub(super) path: Arc<Path>,
    pub(super) waiting: Arc<Waiting>,
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
        let pending = self.waiting.take();
        let result = self.commit(&pending, work);
        if result.is_err() {
            self.waiting.put_back(pending);
        }
        result
    }

    fn commit<T, E: From<StoreError>>(
        &mut self,
        pending: &Pending,
        work: impl FnOnce(&mut Change<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let path = &self.path;
        let sql = |error: rusqlite::Error| translate(path, &error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sql)?;
        let mut change = Change { transaction, path };
        // What waited came first.
        pending.write(&mut change)?;
        let value = work(&mut change)?;
        change.transaction.commit().map_err(sql)?;
        Ok(value)
    }

    /// Makes durable what waits for the next change.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
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
