//! The face that every store has.

use async_trait::async_trait;
use engine::{Brief, Journal, Record, Timestamp, Verdict};
use serde_json::Value;

use crate::{
    audit::{AuditEntry, AuditHead, AuditRow},
    deployment::{Deployment, Filter, NewDeployment, Pinned},
    error::{LeaseError, LockError, StoreError},
    lease::{Held, Lease, Owner, Scope},
    lock::Lock,
    release::{KnownRelease, ReleaseQuery},
    signal::{SentSignal, Signal},
    watch::{Topic, Watch},
};

/// Keeps deployments, their records, leases, releases, notes, locks and the audit.
///
/// What a call that changes something returns `Ok` for is durable, but for [`Store::audit`] and
/// [`Store::set_note`], which say so. A call that fails with an error that
/// [is transient](StoreError::is_transient) may be made again; one of a journal that was done all
/// the same is recognised.
///
/// # Time
///
/// The time comes with each call, from the caller's clock, and what is written is dated with it.
/// Whether a lease or a lock has run out is judged by one clock for all who share the store:
///
/// - [`Sqlite`](crate::Sqlite): that of the machine, which is every caller's.
/// - [`Postgres`](crate::Postgres): the database's. It does not matter how far callers' are off.
///
/// What is given back is in the caller's own time. [`Lease::until`] counts from the `now` before
/// the call: to its holder, a lease never seems to last longer than to the others.
///
/// Where the judging clock is set forward, leases run out early. Their holders may be overtaken,
/// but their tokens are older then, and their next record is refused: the same as where a
/// process was stopped for too long. Where it is set back, a lease lasts for as long again as it
/// was taken for, from when somebody else first wants it.
#[async_trait]
pub trait Store: Send + Sync {
    /// Takes the lease of an environment, for `ttl_ms` from `now`.
    ///
    /// A lease that ran out is taken over, which is audited; a running deployment that it covered
    /// is cut off from then on. Fails with [`LeaseError::Held`] while somebody holds it, the
    /// same owner included.
    async fn acquire(
        &self,
        scope: &Scope,
        owner: &Owner,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Lease, LeaseError>;

    /// Lengthens a lease to `ttl_ms` from `now`; it never gets shorter. A lease that ran out
    /// and that nobody took is good again.
    async fn renew(&self, lease: &Lease, ttl_ms: u64, now: Timestamp) -> Result<Lease, LeaseError>;

    /// Lets go of a lease. One that was lost already is left to its new holder.
    async fn release(&self, lease: &Lease) -> Result<(), StoreError>;

    /// Takes the lease away from whoever holds it; audited with who and why in the same step. A
    /// running deployment that it covered is cut off from then on. None where nobody held it.
    async fn break_lease(
        &self,
        scope: &Scope,
        by: &Owner,
        reason: &str,
        now: Timestamp,
    ) -> Result<Option<Held>, StoreError>;

    /// Who holds the lease; also one that ran out and was not taken over yet. Its times are in
    /// the time of the machine that asks.
    async fn holder(&self, scope: &Scope) -> Result<Option<Held>, StoreError>;

    /// Writes a deployment down, with its release, pins and blobs, and takes its lease, all in
    /// one step.
    ///
    /// Fails with [`LeaseError::Held`] as [`Store::acquire`] does, and with
    /// [`LeaseError::Unfinished`] where the scope has a deployment that was cut off, unless
    /// [`NewDeployment::over_unfinished`] gives that one up.
    async fn begin_deployment(
        &self,
        new: NewDeployment,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Lease, LeaseError>;

    /// Takes the lease for a deployment that exists, so as to go on with it or to take it back;
    /// it is running again, and its journal goes on. Audited.
    async fn reopen_deployment(
        &self,
        id: &str,
        owner: &Owner,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Lease, LeaseError>;

    /// Sets the verdict of a deployment that nobody works on. Audited. A running one fails with
    /// [`LeaseError::Held`]; its own process closes it through its journal.
    async fn settle_deployment(
        &self,
        id: &str,
        verdict: &Verdict,
        by: &Owner,
        now: Timestamp,
    ) -> Result<(), LeaseError>;

    /// Deployments, newest first. `now` tells which of the running ones have lost their lease.
    async fn deployments(
        &self,
        filter: &Filter,
        now: Timestamp,
    ) -> Result<Vec<Deployment>, StoreError>;

    /// The deployment with that id, or the only one whose id begins so.
    async fn deployment(&self, id: &str, now: Timestamp) -> Result<Option<Deployment>, StoreError>;

    /// What the deployment with that id is pinned to.
    async fn pinned(&self, id: &str) -> Result<Pinned, StoreError>;

    /// Writes a deployment down, with its release, pins and blobs, for whatever process takes it
    /// first ([`Store::take_over`]). Takes no lease: it may wait behind one that is running.
    ///
    /// Fails with [`LeaseError::Unfinished`] as [`Store::begin_deployment`] does.
    async fn queue_deployment(&self, new: NewDeployment, now: Timestamp) -> Result<(), LeaseError>;

    /// Deployments that could be taken over now, in the order in which they should be: those
    /// whose owner's lease ran out ([`State::CutOff`](crate::State)), then those that are queued
    /// and have nothing before them in their environment. A lease that was let go or broken has
    /// no owner who died: such a deployment is left to people.
    async fn unattended(&self, now: Timestamp) -> Result<Vec<Deployment>, StoreError>;

    /// Takes the lease for a deployment that nobody works on, in one step with the check that it
    /// could be taken over; it is running then, and its journal goes on. Audited. None where it
    /// could not, for example because somebody was faster.
    async fn take_over(
        &self,
        id: &str,
        owner: &Owner,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Option<Lease>, StoreError>;

    /// Replaces the brief of a deployment of which there is no record yet, by the holder of its
    /// lease: what ran before it may have changed while it was queued. Fails with
    /// [`StoreError::Conflict`] where there is a record.
    async fn revise_brief(
        &self,
        brief: &Brief,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<(), LeaseError>;

    /// Puts a running deployment back into the queue and lets go of its lease, for another
    /// process to go on with it. Audited.
    async fn hand_over(
        &self,
        deployment: &str,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<(), LeaseError>;

    /// Sends a signal to whoever works on a deployment, now or later; gives back its number.
    /// Audited. Fails with [`StoreError::Conflict`] where the deployment is not open any more.
    async fn signal(&self, deployment: &str, signal: &Signal) -> Result<u64, StoreError>;

    /// The signals of a deployment after that number, oldest first.
    async fn signals(&self, deployment: &str, after: u64) -> Result<Vec<SentSignal>, StoreError>;

    /// Marks a signal as acted on, by the holder of the lease of its deployment. The first time
    /// counts.
    async fn take_signal(
        &self,
        deployment: &str,
        number: u64,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<(), LeaseError>;

    /// Waits for news of a topic, from now on. Returns at once.
    fn watch(&self, topic: Topic) -> Watch;

    /// Where a deployment's record is kept, by the holder of its lease. Writes nothing by itself.
    fn journal(&self, deployment: &str, lease: &Lease) -> Box<dyn Journal>;

    /// A deployment's record, oldest first.
    async fn records(&self, deployment: &str) -> Result<Vec<Record>, StoreError> {
        self.records_from(deployment, 1).await
    }

    /// A deployment's record from that sequence on, oldest first. Whoever follows it asks again
    /// from the first one that had no outcome: that one changes.
    async fn records_from(&self, deployment: &str, first: u64) -> Result<Vec<Record>, StoreError>;

    /// Keeps a release that no deployment brought. The same again changes nothing; another one
    /// under the same id is a [`StoreError::Conflict`].
    async fn keep_release(
        &self,
        application: &str,
        release: &KnownRelease,
    ) -> Result<(), StoreError>;

    /// Releases of an application, newest first.
    async fn releases(
        &self,
        application: &str,
        query: &ReleaseQuery,
    ) -> Result<Vec<KnownRelease>, StoreError>;

    /// The releases that became the current one of an environment, latest first, each once;
    /// the first is the current one. At most `limit`.
    async fn current_releases(
        &self,
        scope: &Scope,
        limit: u32,
    ) -> Result<Vec<KnownRelease>, StoreError>;

    /// What a plugin put down in a deployment.
    async fn note(
        &self,
        deployment: &str,
        plugin: &str,
        key: &str,
    ) -> Result<Option<Value>, StoreError>;

    /// Puts something down for later calls of a plugin in a deployment. Seen at once, durable
    /// with the next change or [`Store::flush`].
    fn set_note(&self, deployment: &str, plugin: &str, key: &str, value: &Value);

    /// Takes a lock, for `ttl_ms` from `now`.
    async fn lock(
        &self,
        name: &str,
        holder: &str,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Lock, LockError>;

    /// Lengthens a lock to `ttl_ms` from `now`.
    async fn renew_lock(&self, lock: &Lock, ttl_ms: u64, now: Timestamp)
    -> Result<Lock, LockError>;

    /// Lets go of a lock. One that was lost already is left to its new holder.
    async fn unlock(&self, lock: &Lock) -> Result<(), StoreError>;

    /// Adds entries to the audit. Returns at once; they become durable with the next change, for
    /// example a journal's `begin` or `end`, at no cost of their own, or with [`Store::flush`].
    fn audit(&self, entries: Vec<AuditEntry>);

    /// Makes durable what waits for the next change.
    async fn flush(&self) -> Result<(), StoreError>;

    /// The audit of one deployment, or all of it, oldest first.
    async fn audit_rows(&self, deployment: Option<&str>) -> Result<Vec<AuditRow>, StoreError>;

    /// Checks every row's seal, and gives the end of the audit.
    ///
    /// Fails with [`StoreError::Tampered`] at the first row that was changed, removed or added
    /// from outside.
    async fn verify_audit(&self) -> Result<AuditHead, StoreError>;
}
