//! The store in one SQLite file, for one machine. Only passes calls on to the thread that owns
//! the connection; the statements are below.

mod audit;
mod copy;
mod database;
mod deployment;
mod failure;
mod journal;
mod lease;
mod listing;
mod lock;
mod look;
mod open;
mod pending;
mod queue;
mod release;
mod signal;
mod thread;

use std::{path::Path, sync::Arc, thread::JoinHandle};

use async_trait::async_trait;
use engine::{Brief, Journal, Record, Timestamp, Verdict};
use rusqlite::{Connection, params};
use serde_json::Value;

use crate::{
    audit::{AuditEntry, AuditHead, AuditRow},
    deployment::{Deployment, Filter, NewDeployment, Pinned},
    error::{LeaseError, LockError, StoreError},
    lease::{Held, Lease, Owner, Scope},
    lock::Lock,
    pending::Note,
    place::Place,
    release::{KnownRelease, ReleaseQuery},
    row::deployment::Texts,
    signal::{SentSignal, Signal},
    store::Store,
    value,
    watch::{Topic, Topics, Watch},
};
use database::{Database, Read};
use journal::SqliteJournal;
use look::Look;
use thread::Jobs;

/// A store in one SQLite file. Several processes may have it open at the same time.
///
/// Questions and waits for other processes go to a thread of its own; a change that nothing
/// keeps waiting is made where it is asked for, if the runtime has several threads. Another
/// thread looks for what others wrote, once somebody waits for news. Dropping the store writes
/// what still waits, and ends the threads; its journals are of no use after that.
pub struct Sqlite {
    jobs: Jobs,
    topics: Arc<Topics>,
    look: Look,
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
        let place = Place::file(path);
        let connection = open::open(path, &place)?;
        Self::on(connection, path, place)
    }

    /// What the store in that file has now, in memory: an empty one where there is no file. The
    /// file stays as it is, of whatever version, and whatever is changed here is forgotten.
    pub fn look(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let place = Place::file(path);
        let connection = copy::of(path, &place)?;
        Self::on(connection, path, place)
    }

    /// An empty store, in memory.
    pub(crate) fn nothing() -> Result<Self, StoreError> {
        let path = Path::new("(nothing)");
        let place = Place::file(path);
        let connection = copy::empty(&place)?;
        Self::on(connection, path, place)
    }

    fn on(connection: Connection, path: &Path, place: Place) -> Result<Self, StoreError> {
        let (jobs, thread) = Jobs::start(connection, place)?;
        let topics = Arc::<Topics>::default();
        Ok(Self {
            jobs,
            look: Look::new(path, Arc::clone(&topics)),
            topics,
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
        self.topics.close();
    }
}

impl Sqlite {
    /// After somebody was found to hold the lease: see to it that it runs out in time.
    async fn steady<T>(
        &self,
        now: Timestamp,
        result: Result<T, LeaseError>,
    ) -> Result<T, LeaseError> {
        if let Err(LeaseError::Held { scope, .. }) = &result {
            let scope = scope.clone();
            self.jobs
                .change(move |change| lease::steady(change, &scope, now))
                .await?;
        }
        result
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn acquire(
        &self,
        scope: &Scope,
        owner: &Owner,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Lease, LeaseError> {
        let (scope, owner) = (scope.clone(), owner.clone());
        let result = self
            .jobs
            .change(move |change| lease::acquire(change, &scope, &owner, ttl_ms, now))
            .await;
        self.steady(now, result).await
    }

    async fn renew(&self, lease: &Lease, ttl_ms: u64, now: Timestamp) -> Result<Lease, LeaseError> {
        let lease = lease.clone();
        self.jobs
            .change(move |change| lease::renew(change, &lease, ttl_ms, now))
            .await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.jobs
            .change(move |change| lease::release(change, &lease))
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
        self.jobs
            .change(move |change| lease::break_open(change, &scope, &by, &reason, now))
            .await
    }

    async fn holder(&self, scope: &Scope) -> Result<Option<Held>, StoreError> {
        let scope = scope.clone();
        self.jobs
            .call(move |database| lease::holder(database, &scope))
            .await
    }

    async fn begin_deployment(
        &self,
        new: NewDeployment,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Lease, LeaseError> {
        let texts = Texts::of(&self.jobs.place, &new)?;
        let result = self
            .jobs
            .change(move |change| deployment::begin(change, &new, &texts, ttl_ms, now))
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
            .jobs
            .change(move |change| deployment::reopen(change, &id, &owner, ttl_ms, now))
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
        self.jobs
            .change(move |change| deployment::settle(change, &id, &verdict, &by, now))
            .await
    }

    async fn deployments(
        &self,
        filter: &Filter,
        now: Timestamp,
    ) -> Result<Vec<Deployment>, StoreError> {
        let filter = filter.clone();
        self.jobs
            .call(move |database| listing::list(database, &filter, now))
            .await
    }

    async fn deployment(&self, id: &str, now: Timestamp) -> Result<Option<Deployment>, StoreError> {
        let id = id.to_owned();
        self.jobs
            .call(move |database| listing::find(database, &id, now))
            .await
    }

    async fn pinned(&self, id: &str) -> Result<Pinned, StoreError> {
        let id = id.to_owned();
        self.jobs
            .call(move |database| listing::pinned(database, &id))
            .await
    }

    async fn queue_deployment(&self, new: NewDeployment, now: Timestamp) -> Result<(), LeaseError> {
        let texts = Texts::of(&self.jobs.place, &new)?;
        self.jobs
            .change(move |change| queue::queue(change, &new, &texts, now))
            .await
    }

    async fn unattended(&self, now: Timestamp) -> Result<Vec<Deployment>, StoreError> {
        self.jobs
            .call(move |database| queue::unattended(database, now))
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
        self.jobs
            .change(move |change| queue::take_over(change, &id, &owner, ttl_ms, now))
            .await
    }

    async fn revise_brief(
        &self,
        brief: &Brief,
        lease: &Lease,
        _now: Timestamp,
    ) -> Result<(), LeaseError> {
        let text = value::text(&self.jobs.place, "brief", brief)?;
        let (id, lease) = (brief.id.clone(), lease.clone());
        self.jobs
            .change(move |change| queue::revise(change, &id, &text, &lease))
            .await
    }

    async fn hand_over(
        &self,
        deployment: &str,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<(), LeaseError> {
        let (id, lease) = (deployment.to_owned(), lease.clone());
        self.jobs
            .change(move |change| queue::hand_over(change, &id, &lease, now))
            .await
    }

    async fn signal(&self, deployment: &str, signal: &Signal) -> Result<u64, StoreError> {
        let (id, signal) = (deployment.to_owned(), signal.clone());
        self.jobs
            .change(move |change| signal::send(change, &id, &signal))
            .await
    }

    async fn signals(&self, deployment: &str, after: u64) -> Result<Vec<SentSignal>, StoreError> {
        let id = deployment.to_owned();
        self.jobs
            .call(move |database| signal::list(database, &id, after))
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
        self.jobs
            .change(move |change| signal::mark(change, &id, number, &lease, now))
            .await
    }

    fn watch(&self, topic: Topic) -> Watch {
        let watch = self.topics.watch(topic, &self.jobs.place);
        self.look.wanted();
        watch
    }

    fn journal(&self, deployment: &str, lease: &Lease) -> Box<dyn Journal> {
        Box::new(SqliteJournal::new(self.jobs.clone(), deployment, lease))
    }

    async fn records_from(&self, deployment: &str, first: u64) -> Result<Vec<Record>, StoreError> {
        let deployment = deployment.to_owned();
        self.jobs
            .call(move |database| journal::records(database, &deployment, first))
            .await
    }

    async fn keep_release(
        &self,
        application: &str,
        release: &KnownRelease,
    ) -> Result<(), StoreError> {
        let (application, release) = (application.to_owned(), release.clone());
        self.jobs
            .change(move |change| release::insert(change, &application, &release))
            .await
    }

    async fn releases(
        &self,
        application: &str,
        query: &ReleaseQuery,
    ) -> Result<Vec<KnownRelease>, StoreError> {
        let (application, query) = (application.to_owned(), query.clone());
        self.jobs
            .call(move |database| release::find(database, &application, &query))
            .await
    }

    async fn current_releases(
        &self,
        scope: &Scope,
        limit: u32,
    ) -> Result<Vec<KnownRelease>, StoreError> {
        let scope = scope.clone();
        self.jobs
            .call(move |database| release::current(database, &scope, limit))
            .await
    }

    async fn note(
        &self,
        deployment: &str,
        plugin: &str,
        key: &str,
    ) -> Result<Option<Value>, StoreError> {
        let (deployment, plugin, key) = (deployment.to_owned(), plugin.to_owned(), key.to_owned());
        let work = move |database: &mut Database| {
            if let Some(value) = database.waiting.note(&deployment, &plugin, &key) {
                return Ok(Some(value));
            }
            let kept: Option<String> = database.first(
                "SELECT value FROM notes WHERE deployment = ?1 AND plugin = ?2 AND name = ?3",
                params![deployment, plugin, key],
                |row| row.get(0),
            )?;
            kept.map(|kept| value::parse(&database.place, "note", &kept))
                .transpose()
        };
        self.jobs.call(work).await
    }

    fn set_note(&self, deployment: &str, plugin: &str, key: &str, value: &Value) {
        let note = Note {
            deployment: deployment.to_owned(),
            plugin: plugin.to_owned(),
            name: key.to_owned(),
            value: value.clone(),
        };
        self.jobs.wait(|pending| pending.note(note));
    }

    async fn lock(
        &self,
        name: &str,
        holder: &str,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Lock, LockError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.jobs
            .change(move |change| lock::acquire(change, &name, &holder, ttl_ms, now))
            .await
    }

    async fn renew_lock(
        &self,
        lock: &Lock,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Lock, LockError> {
        let lock = lock.clone();
        self.jobs
            .change(move |change| lock::renew(change, &lock, ttl_ms, now))
            .await
    }

    async fn unlock(&self, lock: &Lock) -> Result<(), StoreError> {
        let lock = lock.clone();
        self.jobs
            .change(move |change| lock::release(change, &lock))
            .await
    }

    fn audit(&self, entries: Vec<AuditEntry>) {
        self.jobs.wait(|pending| pending.audit(entries));
    }

    async fn flush(&self) -> Result<(), StoreError> {
        self.jobs.call(Database::flush).await
    }

    async fn audit_rows(&self, deployment: Option<&str>) -> Result<Vec<AuditRow>, StoreError> {
        let deployment = deployment.map(str::to_owned);
        let work = move |database: &mut Database| {
            database.flush()?;
            audit::rows(database, deployment.as_deref())
        };
        self.jobs.call(work).await
    }

    async fn verify_audit(&self) -> Result<AuditHead, StoreError> {
        let work = |database: &mut Database| {
            database.flush()?;
            audit::verify(database)
        };
        self.jobs.call(work).await
    }
}
