//! The store in a PostgreSQL database, for any number of machines. Only passes calls on to the
//! thread that talks to the database; the statements are below.
//!
//! PostgreSQL 13 or later, reached directly or through a pool that keeps sessions.

mod address;
mod audit;
mod change;
mod deployment;
mod failure;
mod journal;
mod lease;
mod link;
mod listen;
mod listing;
mod lock;
mod migrate;
mod queue;
mod release;
mod session;
mod signal;
mod thread;

use std::{fmt, sync::Arc, thread::JoinHandle, time::Duration};

use async_trait::async_trait;
use engine::{Brief, Journal, Record, Timestamp, Verdict};
use serde_json::Value;

use crate::{
    audit::{AuditEntry, AuditHead, AuditRow},
    deployment::{Deployment, Filter, NewDeployment, Pinned},
    error::{LeaseError, LockError, StoreError},
    lease::{Held, Lease, Owner, Scope},
    lock::Lock,
    pending::Note,
    release::{KnownRelease, ReleaseQuery},
    row::deployment::Texts,
    signal::{SentSignal, Signal},
    store::Store,
    value,
    watch::{Topic, Topics, Watch},
};
use address::Address;
use change::{Change, Kind};
use journal::PostgresJournal;
use link::Size;
use session::Session;
use thread::Calls;

/// By whose time leases and locks run out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The database's. Callers' clocks may be as far off as they like.
    #[default]
    Database,
    /// The caller's, which comes with each call: for callers who make up a time of their own, all
    /// of them the same one.
    Callers,
}

/// How a database is used.
#[derive(Clone)]
pub struct Options {
    /// The user's password, where it needs one.
    pub password: Option<String>,
    /// How long a call goes on trying while the database is away, before it fails with
    /// [`StoreError::Away`].
    pub patience: Duration,
    /// By whose time leases and locks run out.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            password: None,
            patience: Duration::from_secs(30),
            clock: Clock::Database,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("patience", &self.patience)
            .field("clock", &self.clock)
            .finish()
    }
}

/// A store in a PostgreSQL database. Any number of processes may use it at the same time.
///
/// A thread of its own makes one call after another. A call whose connection was lost is made
/// again on another one, for as long as [`Options::patience`] says, and is done once: a change
/// of which it is not known whether it was committed is looked up before it is repeated. Only
/// entries of the audit and notes may be written twice, where a call failed with
/// [`StoreError::Away`] while it was not known.
///
/// Dropping the store writes what still waits, for a few seconds at most, and ends the thread;
/// its journals are of no use after that.
pub struct Postgres {
    calls: Calls,
    topics: Arc<Topics>,
    thread: Option<JoinHandle<()>>,
}

impl Postgres {
    /// Connects to the database of a URL (`postgres://user@host:port/database`), and brings the
    /// schema up to date; several may do so at once. Blocks until that is done, for five seconds
    /// at most where the database does not answer.
    ///
    /// Over a network, the connection is encrypted and the server's certificate checked, against
    /// `sslrootcert=FILE` or what the system trusts; `sslmode=disable` turns that off.
    ///
    /// Fails where the database is away, does not let this user in, or was written by a newer
    /// version.
    pub fn open(url: &str, options: &Options) -> Result<Self, StoreError> {
        let address = Address::parse(url, options.password.as_deref())?;
        Self::at(address, options)
    }

    /// Connects to a database to read it: it refuses every change. None where nobody ever kept
    /// anything there.
    ///
    /// Fails as [`Postgres::open`] does, and where an older version wrote what is there.
    pub fn look(url: &str, options: &Options) -> Result<Option<Self>, StoreError> {
        let address = Address::parse(url, options.password.as_deref())?.reading();
        match Self::at(address, options) {
            Err(StoreError::Older { found: 0, .. }) => Ok(None),
            opened => opened.map(Some),
        }
    }

    fn at(address: Address, options: &Options) -> Result<Self, StoreError> {
        let topics = Arc::<Topics>::default();
        let (calls, thread) = Calls::start(
            address,
            options.clock,
            options.patience,
            Arc::clone(&topics),
        )?;
        Ok(Self {
            calls,
            topics,
            thread: Some(thread),
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.calls.close();
        if let Some(thread) = self.thread.take() {
            // It ended early only by a bug that every call has told of.
            let _ = thread.join();
        }
        self.topics.close();
    }
}

impl Postgres {
    /// After somebody was found to hold the lease: see to it that it runs out in time.
    async fn steady<T>(
        &self,
        now: Timestamp,
        result: Result<T, LeaseError>,
    ) -> Result<T, LeaseError> {
        if let Err(LeaseError::Held { scope, .. }) = &result {
            let scope = scope.clone();
            self.calls
                .statement(async move |session: &Session| lease::steady(session, &scope, now).await)
                .await?;
        }
        result
    }
}

#[async_trait]
impl Store for Postgres {
    async fn acquire(
        &self,
        scope: &Scope,
        owner: &Owner,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Lease, LeaseError> {
        let (scope, owner) = (scope.clone(), owner.clone());
        let result = self
            .calls
            .change(Kind::Audited, Size::Small, async move |change: &Change| {
                lease::acquire(change, &scope, &owner, ttl_ms, now).await
            })
            .await;
        self.steady(now, result).await
    }

    async fn renew(&self, lease: &Lease, ttl_ms: u64, now: Timestamp) -> Result<Lease, LeaseError> {
        let lease = lease.clone();
        self.calls
            .statement(async move |session: &Session| {
                lease::renew(session, &lease, ttl_ms, now).await
            })
            .await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.calls
            .statement(async move |session: &Session| lease::release(session, &lease).await)
            .await
    }

    async fn break_lease(
        &self,
        scope: &Scope,
        by: &Owner,
        reason: &str,
        now: Timestamp,
    ) -> Result<Option<Held>, StoreError> {
        let (scope, by, reason) = (scope.clone(), by.clone(), reason.to_owned());
        self.calls
            .change(Kind::Audited, Size::Small, async move |change: &Change| {
                lease::break_open(change, &scope, &by, &reason, now).await
            })
            .await
    }

    async fn holder(&self, scope: &Scope) -> Result<Option<Held>, StoreError> {
        let scope = scope.clone();
        self.calls
            .ask(Size::Small, async move |session: &Session| {
                lease::holder(session, &scope, session.now()).await
            })
            .await
    }

    async fn begin_deployment(
        &self,
        new: NewDeployment,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Lease, LeaseError> {
        let texts = Texts::of(&self.calls.place, &new)?;
        let result = self
            .calls
            .change(Kind::Audited, Size::Large, async move |change: &Change| {
                deployment::begin(change, &new, &texts, ttl_ms, now).await
            })
            .await;
        self.steady(now, result).await
    }

    async fn reopen_deployment(
        &self,
        id: &str,
        owner: &Owner,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Lease, LeaseError> {
        let (id, owner) = (id.to_owned(), owner.clone());
        let result = self
            .calls
            .change(Kind::Audited, Size::Small, async move |change: &Change| {
                deployment::reopen(change, &id, &owner, ttl_ms, now).await
            })
            .await;
        self.steady(now, result).await
    }

    async fn settle_deployment(
        &self,
        id: &str,
        verdict: &Verdict,
        by: &Owner,
        now: Timestamp,
    ) -> Result<(), LeaseError> {
        let (id, verdict, by) = (id.to_owned(), verdict.clone(), by.clone());
        self.calls
            .change(Kind::Audited, Size::Small, async move |change: &Change| {
                deployment::settle(change, &id, &verdict, &by, now).await
            })
            .await
    }

    async fn deployments(
        &self,
        filter: &Filter,
        now: Timestamp,
    ) -> Result<Vec<Deployment>, StoreError> {
        let filter = filter.clone();
        self.calls
            .ask(Size::Large, async move |session: &Session| {
                listing::list(session, &filter, now).await
            })
            .await
    }

    async fn deployment(&self, id: &str, now: Timestamp) -> Result<Option<Deployment>, StoreError> {
        let id = id.to_owned();
        self.calls
            .ask(Size::Small, async move |session: &Session| {
                listing::find(session, &id, now).await
            })
            .await
    }

    async fn pinned(&self, id: &str) -> Result<Pinned, StoreError> {
        let id = id.to_owned();
        self.calls
            .ask(Size::Large, async move |session: &Session| {
                listing::pinned(session, &id).await
            })
            .await
    }

    async fn queue_deployment(&self, new: NewDeployment, now: Timestamp) -> Result<(), LeaseError> {
        let texts = Texts::of(&self.calls.place, &new)?;
        self.calls
            .change(Kind::Audited, Size::Large, async move |change: &Change| {
                queue::queue(change, &new, &texts, now).await
            })
            .await
    }

    async fn unattended(&self, now: Timestamp) -> Result<Vec<Deployment>, StoreError> {
        self.calls
            .ask(Size::Small, async move |session: &Session| {
                queue::unattended(session, now).await
            })
            .await
    }

    async fn take_over(
        &self,
        id: &str,
        owner: &Owner,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Option<Lease>, StoreError> {
        let (id, owner) = (id.to_owned(), owner.clone());
        self.calls
            .change(Kind::Audited, Size::Small, async move |change: &Change| {
                queue::take_over(change, &id, &owner, ttl_ms, now).await
            })
            .await
    }

    async fn revise_brief(
        &self,
        brief: &Brief,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<(), LeaseError> {
        let text = value::text(&self.calls.place, "brief", brief)?;
        let (id, lease) = (brief.id.clone(), lease.clone());
        self.calls
            .change(Kind::Plain, Size::Small, async move |change: &Change| {
                queue::revise(change, &id, &text, &lease, now).await
            })
            .await
    }

    async fn hand_over(
        &self,
        deployment: &str,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<(), LeaseError> {
        let (id, lease) = (deployment.to_owned(), lease.clone());
        self.calls
            .change(Kind::Audited, Size::Small, async move |change: &Change| {
                queue::hand_over(change, &id, &lease, now).await
            })
            .await
    }

    async fn signal(&self, deployment: &str, signal: &Signal) -> Result<u64, StoreError> {
        let (id, signal) = (deployment.to_owned(), signal.clone());
        self.calls
            .change(Kind::Audited, Size::Small, async move |change: &Change| {
                signal::send(change, &id, &signal).await
            })
            .await
    }

    async fn signals(&self, deployment: &str, after: u64) -> Result<Vec<SentSignal>, StoreError> {
        let id = deployment.to_owned();
        self.calls
            .ask(Size::Small, async move |session: &Session| {
                signal::list(session, &id, after).await
            })
            .await
    }

    async fn take_signal(
        &self,
        deployment: &str,
        number: u64,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<(), LeaseError> {
        let (id, lease) = (deployment.to_owned(), lease.clone());
        self.calls
            .statement(async move |session: &Session| {
                signal::mark(session, &id, number, &lease, now).await
            })
            .await
    }

    fn watch(&self, topic: Topic) -> Watch {
        self.topics.watch(topic, &self.calls.place)
    }

    fn journal(&self, deployment: &str, lease: &Lease) -> Box<dyn Journal> {
        Box::new(PostgresJournal::new(self.calls.clone(), deployment, lease))
    }

    async fn records_from(&self, deployment: &str, first: u64) -> Result<Vec<Record>, StoreError> {
        let deployment = deployment.to_owned();
        // Whoever follows a record reads its end.
        let size = if first > 1 { Size::Small } else { Size::Large };
        self.calls
            .ask(size, async move |session: &Session| {
                journal::records(session, &deployment, first).await
            })
            .await
    }

    async fn keep_release(
        &self,
        application: &str,
        release: &KnownRelease,
    ) -> Result<(), StoreError> {
        let (application, release) = (application.to_owned(), release.clone());
        self.calls
            .statement(async move |session: &Session| {
                release::insert(session, &application, &release).await
            })
            .await
    }

    async fn releases(
        &self,
        application: &str,
        query: &ReleaseQuery,
    ) -> Result<Vec<KnownRelease>, StoreError> {
        let (application, query) = (application.to_owned(), query.clone());
        self.calls
            .ask(Size::Large, async move |session: &Session| {
                release::find(session, &application, &query).await
            })
            .await
    }

    async fn current_releases(
        &self,
        scope: &Scope,
        limit: u32,
    ) -> Result<Vec<KnownRelease>, StoreError> {
        let scope = scope.clone();
        self.calls
            .ask(Size::Small, async move |session: &Session| {
                release::current(session, &scope, limit).await
            })
            .await
    }

    async fn note(
        &self,
        deployment: &str,
        plugin: &str,
        key: &str,
    ) -> Result<Option<Value>, StoreError> {
        let (deployment, plugin, key) = (deployment.to_owned(), plugin.to_owned(), key.to_owned());
        let waiting = self.calls.waiting();
        self.calls
            .ask(Size::Small, async move |session: &Session| {
                if let Some(value) = waiting.note(&deployment, &plugin, &key) {
                    return Ok(Some(value));
                }
                let kept: Option<String> = session
                    .first(
                        "SELECT value FROM notes
                         WHERE deployment = $1 AND plugin = $2 AND name = $3",
                        &[&deployment, &plugin, &key],
                        |row| row.try_get(0),
                    )
                    .await?;
                kept.map(|kept| value::parse(&session.place, "note", &kept))
                    .transpose()
            })
            .await
    }

    fn set_note(&self, deployment: &str, plugin: &str, key: &str, value: &Value) {
        let note = Note {
            deployment: deployment.to_owned(),
            plugin: plugin.to_owned(),
            name: key.to_owned(),
            value: value.clone(),
        };
        self.calls.wait(|pending| pending.note(note));
    }

    async fn lock(
        &self,
        name: &str,
        holder: &str,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Lock, LockError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.calls
            .change(Kind::Plain, Size::Small, async move |change: &Change| {
                lock::acquire(change, &name, &holder, ttl_ms, now).await
            })
            .await
    }

    async fn renew_lock(
        &self,
        lock: &Lock,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Lock, LockError> {
        let lock = lock.clone();
        self.calls
            .statement(async move |session: &Session| {
                lock::renew(session, &lock, ttl_ms, now).await
            })
            .await
    }

    async fn unlock(&self, lock: &Lock) -> Result<(), StoreError> {
        let lock = lock.clone();
        self.calls
            .statement(async move |session: &Session| lock::release(session, &lock).await)
            .await
    }

    fn audit(&self, entries: Vec<AuditEntry>) {
        self.calls.wait(|pending| pending.audit(entries));
    }

    async fn flush(&self) -> Result<(), StoreError> {
        self.calls.flush().await
    }

    async fn audit_rows(&self, deployment: Option<&str>) -> Result<Vec<AuditRow>, StoreError> {
        self.calls.flush().await?;
        let deployment = deployment.map(str::to_owned);
        self.calls
            .ask(Size::Large, async move |session: &Session| {
                audit::rows(session, deployment.as_deref()).await
            })
            .await
    }

    async fn verify_audit(&self) -> Result<AuditHead, StoreError> {
        self.calls.flush().await?;
        self.calls.ask(Size::Large, audit::verify).await
    }
}
