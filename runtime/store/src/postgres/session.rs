//! One connection to the database: prepared statements, and what went wrong with it last.

use std::{
    cell::Cell,
    cell::RefCell,
    collections::HashMap,
    future::poll_fn,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use engine::Timestamp;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_postgres::{
    AsyncMessage, Client, Connection, Error, NoTls, Row, Statement,
    tls::{MakeTlsConnect, TlsConnect},
    types::ToSql,
};

use super::{
    Clock,
    address::Address,
    failure::{Remedy, remedy, translate},
};
use crate::{error::StoreError, place::Place, value::number};

/// How long getting a connection may take: many times what it takes across the world.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What a connection is set to. A transaction holds up others as long as it lasts: a client that
/// was stopped in the middle of one, or a lock that does not come, ends it. The time of a
/// statement is bounded by this side.
const SETTINGS: &str = "
    SET search_path = runtime;
    SET default_transaction_isolation = 'read committed';
    SET client_min_messages = warning;
    SET idle_in_transaction_session_timeout = '4s';
    SET lock_timeout = '3s';
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off';
    ";

/// What a connection is set to besides, where nothing may be changed.
const READING: &str = "SET default_transaction_read_only = on";

/// Parameters of a statement.
pub(super) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A connection. Not shared between threads.
pub(super) struct Session {
    client: Client,
    driver: JoinHandle<()>,
    statements: RefCell<HashMap<String, Statement>>,
    remedy: Cell<Remedy>,
    clock: Clock,
    pub(super) place: Place,
}

impl Drop for Session {
    fn drop(&mut self) {
        // Whatever it still waits for is of no interest.
        self.driver.abort();
    }
}

impl Session {
    /// Connects; what others notify of goes to `notices`.
    pub(super) async fn connect(
        address: &Address,
        clock: Clock,
        notices: Option<mpsc::UnboundedSender<String>>,
    ) -> Result<Self, StoreError> {
        let connecting = async {
            match &address.tls {
                Some(tls) => Self::establish(address, tls.clone(), clock, notices).await,
                None => Self::establish(address, NoTls, clock, notices).await,
            }
        };
        let session = timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| silent(&address.place))??;
        Ok(session)
    }

    async fn establish<T>(
        address: &Address,
        tls: T,
        clock: Clock,
        notices: Option<mpsc::UnboundedSender<String>>,
    ) -> Result<Self, StoreError>
    where
        T: MakeTlsConnect<tokio_postgres::Socket>,
        T::Stream: Send + 'static,
        <T::TlsConnect as TlsConnect<tokio_postgres::Socket>>::Future: Send,
    {
        let place = &address.place;
        let (client, connection) = address
            .config
            .connect(tls)
            .await
            .map_err(|error| translate(place, &error))?;
        let driver = tokio::spawn(drive(connection, notices));
        let session = Self {
            client,
            driver,
            statements: RefCell::default(),
            remedy: Cell::new(Remedy::Tell),
            clock,
            place: place.clone(),
        };
        session.batch(SETTINGS).await?;
        if address.reading {
            session.batch(READING).await?;
        }
        Ok(session)
    }

    /// What the statements judge leases by; none for the database's own clock.
    pub(super) fn judge(&self, now: Timestamp) -> Option<i64> {
        match self.clock {
            Clock::Database => None,
            Clock::Callers => Some(number(now.0)),
        }
    }

    /// The time where a question brings none: it only shows how long something still lasts.
    pub(super) fn now(&self) -> Timestamp {
        match self.clock {
            Clock::Database => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                let now = now.unwrap_or_default().as_millis();
                Timestamp(u64::try_from(now).unwrap_or(u64::MAX))
            }
            Clock::Callers => Timestamp(0),
        }
    }

    /// What to do about the error that the work at hand met, if it met any.
    pub(super) fn remedy(&self) -> Remedy {
        if self.client.is_closed() {
            Remedy::Reconnect
        } else {
            self.remedy.replace(Remedy::Tell)
        }
    }

    /// Has the work at hand done once more: what it looked at changed in between.
    pub(super) fn repeat(&self) -> StoreError {
        self.remedy.set(Remedy::Repeat);
        StoreError::Busy {
            place: self.place.clone(),
        }
    }

    fn note(&self, error: &Error) -> StoreError {
        let found = remedy(error);
        if found != Remedy::Tell {
            self.remedy.set(found);
        }
        translate(&self.place, error)
    }

    /// Runs statements without parameters.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), StoreError> {
        let done = self.client.batch_execute(sql).await;
        done.map_err(|error| self.note(&error))
    }

    async fn prepared(&self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await;
        let statement = statement.map_err(|error| self.note(&error))?;
        self.statements
            .borrow_mut()
            .insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Runs a prepared statement; says how many rows it changed.
    pub(super) async fn run(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<u64, StoreError> {
        let statement = self.prepared(sql).await?;
        let done = self.client.execute(&statement, parameters).await;
        done.map_err(|error| self.note(&error))
    }

    /// Every row of an answer.
    pub(super) async fn rows<T>(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
        take: impl FnMut(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, StoreError> {
        let statement = self.prepared(sql).await?;
        let rows = self.client.query(&statement, parameters).await;
        rows.and_then(|rows| rows.iter().map(take).collect())
            .map_err(|error| self.note(&error))
    }

    /// The first row of an answer, if there is any.
    pub(super) async fn first<T>(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
        take: impl FnMut(&Row) -> Result<T, Error>,
    ) -> Result<Option<T>, StoreError> {
        let rows = self.rows(sql, parameters, take).await?;
        Ok(rows.into_iter().next())
    }

    /// The only row of an answer.
    pub(super) async fn row<T>(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
        take: impl FnMut(&Row) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        let found = self.first(sql, parameters, take).await?;
        found.ok_or_else(|| StoreError::Statement {
            place: self.place.clone(),
            reason: "an answer has no row".to_owned(),
        })
    }
}

/// The database let a call wait for too long.
pub(super) fn silent(place: &Place) -> StoreError {
    StoreError::Away {
        place: place.clone(),
        reason: "no answer in time".to_owned(),
    }
}

/// Moves bytes for as long as the connection lasts.
async fn drive<S, T>(
    mut connection: Connection<S, T>,
    notices: Option<mpsc::UnboundedSender<String>>,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        if let (AsyncMessage::Notification(notice), Some(notices)) = (message, &notices) {
            // Nobody listens any more: the connection ends with its session.
            let _ = notices.send(notice.payload().to_owned());
        }
    }
}
