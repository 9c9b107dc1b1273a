//! A request's claim on its member, and what is counted over all of them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use http::StatusCode;

use super::{Upstream, count};
use crate::control::Totals;

/// One request under way at a member; it is counted until this is dropped.
pub(crate) struct Hold {
    upstream: Arc<Upstream>,
    counters: Arc<Counters>,
}

/// What is counted over all members.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) active: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) unserved: AtomicU64,
    pub(crate) failed: AtomicU64,
}

impl Hold {
    pub(super) fn new(upstream: Arc<Upstream>, counters: Arc<Counters>) -> Self {
        upstream.enter();
        counters.active.fetch_add(1, Ordering::SeqCst);
        Self { upstream, counters }
    }

    pub(crate) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// Counts the member's answer.
    pub(crate) fn answered(&self, status: StatusCode) {
        self.upstream.count_answer(status);
    }

    /// Counts that none came.
    pub(crate) fn failed(&self) {
        self.upstream.count_failure();
        count(&self.counters.failed);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.upstream.leave();
        self.counters.active.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Counters {
    pub(crate) fn active(&self) -> u64 {
        self.active.load(Ordering::SeqCst)
    }

    pub(super) fn totals(&self) -> Totals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            requests: read(&self.requests),
            active: self.active.load(Ordering::SeqCst),
            connections: read(&self.connections),
            retries: read(&self.retries),
            unserved: read(&self.unserved),
            failed: read(&self.failed),
        }
    }
}
