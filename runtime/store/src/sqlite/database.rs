//! The connection, and how it is read and changed.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction, TransactionBehavior};

use super::{failure::translate, pending::write};
use crate::{
    error::StoreError,
    pending::{Pending, Waiting},
    place::Place,
};

/// The connection, and what waits for its next change.
pub(super) struct Database {
    pub(super) connection: Connection,
    pub(super) place: Place,
    pub(super) waiting: Arc<Waiting>,
}

impl Database {
    /// An error of SQLite's in our words.
    pub(super) fn error(&self, error: &rusqlite::Error) -> StoreError {
        translate(&self.place, error)
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
        let place = &self.place;
        let sql = |error: rusqlite::Error| translate(place, &error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sql)?;
        let mut change = Change { transaction, place };
        // What waited came first.
        write(&mut change, pending)?;
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
    pub(super) place: &'a Place,
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
            .map_err(|error| translate(self.place, &error))
    }
}

/// Reading, in a change or outside of one.
pub(super) trait Read {
    /// What is read from, and its place.
    fn source(&self) -> (&Connection, &Place);

    /// The only row of an answer.
    fn row<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        take: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let (connection, place) = self.source();
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(parameters, take))
            .map_err(|error| translate(place, &error))
    }

    /// The first row of an answer, if there is any.
    fn first<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        take: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let (connection, place) = self.source();
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(parameters, take).optional())
            .map_err(|error| translate(place, &error))
    }

    /// Every row of an answer.
    fn rows<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        take: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let (connection, place) = self.source();
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(parameters, take)?.collect())
            .map_err(|error| translate(place, &error))
    }
}

impl Read for Change<'_> {
    fn source(&self) -> (&Connection, &Place) {
        (&self.transaction, self.place)
    }
}

impl Read for Database {
    fn source(&self) -> (&Connection, &Place) {
        (&self.connection, &self.place)
    }
}
