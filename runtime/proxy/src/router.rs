//! Decides which member gets the next request, and counts. The state it goes by is replaced in
//! one step; a request that was decided by the old one just before is decided again.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwap;

use crate::{
    control::{MemberStatus, PoolStatus, Totals},
    state::{State, StateFile},
};

mod hold;
mod schedule;
mod upstream;

pub(crate) use hold::{Counters, Hold};
pub(crate) use upstream::{Connection, Reuse, Upstream};

/// How many members of a group are looked at for the one with the least to do; past that the
/// best of those whose turn it is must do, so that a large group costs no more than a small one.
const LOOKED_AT_MAX: usize = 32;

/// The members and who is next.
pub(crate) struct Router {
    table: ArcSwap<Table>,
    turn: AtomicUsize,
    counters: Arc<Counters>,
    /// Held while the state changes. True where it may not, since it is being handed over.
    frozen: Mutex<bool>,
    workers: usize,
    started: Instant,
}

/// A state, made ready to decide by.
struct Table {
    state: State,
    groups: Vec<Group>,
    /// The groups in the order of their turns, by their places in `groups`; empty where none has
    /// both a share and a ready member.
    schedule: Box<[u16]>,
}

struct Group {
    members: Vec<Arc<Upstream>>,
    /// Those of `members` that are ready, where the group has a share.
    serving: Vec<Arc<Upstream>>,
    turn: AtomicUsize,
}

/// Why a state was not taken.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is based on another revision than the one there is.
    Conflict { current: u64 },
    /// Another process takes over; it will answer soon.
    Frozen,
    /// It could not be kept.
    Unkept(io::Error),
}

impl Router {
    /// A router that goes by `state`, for so many threads.
    pub(crate) fn new(state: State, workers: usize) -> Self {
        let router = Self {
            table: ArcSwap::from_pointee(Table::empty()),
            turn: AtomicUsize::new(0),
            counters: Arc::default(),
            frozen: Mutex::new(false),
            workers,
            started: Instant::now(),
        };
        router.swap(state);
        router
    }

    /// The member for a request, other than those that were `tried`. None where no other has a
    /// share and is ready.
    pub(crate) fn pick(&self, tried: &[Arc<Upstream>]) -> Option<Hold> {
        let turn = if tried.is_empty() {
            self.turn.fetch_add(1, Ordering::Relaxed)
        } else {
            self.turn.load(Ordering::Relaxed)
        };
        let now_ms = || self.now_ms();
        loop {
            let table = self.table.load();
            let scheduled = *table
                .schedule
                .get(turn.checked_rem(table.schedule.len())?)?;
            let first = &table.groups[usize::from(scheduled)];
            let groups = || std::iter::once(first).chain(&table.groups);
            let reachable = groups().find_map(|group| group.choose(tried, Some(&now_ms)));
            // Where all seem to be gone, one of them may be back.
            let chosen =
                reachable.or_else(|| groups().find_map(|group| group.choose(tried, None)))?;
            let hold = Hold::new(Arc::clone(chosen), Arc::clone(&self.counters));
            // Counted first, then asked: either this sees that the member was taken out, or
            // whoever took it out sees this request among those under way.
            if hold.upstream().serves() {
                return Some(hold);
            }
        }
    }

    /// Serves another state, once it is kept in `file`. Based on `expected`, where one is given.
    /// Returns the revision; the same as before where nothing changes.
    pub(crate) fn apply(
        &self,
        mut state: State,
        expected: Option<u64>,
        file: &StateFile,
    ) -> Result<u64, Refusal> {
        let frozen = self.lock();
        let current = self.table.load();
        // The same again is no conflict: it may be the repetition of a call whose answer was lost.
        if current.state.same_content(&state) {
            return Ok(current.state.revision);
        }
        if *frozen {
            return Err(Refusal::Frozen);
        }
        if expected.is_some_and(|expected| expected != current.state.revision) {
            return Err(Refusal::Conflict {
                current: current.state.revision,
            });
        }
        state.revision = current.state.revision + 1;
        let revision = state.revision;
        file.write(&state).map_err(Refusal::Unkept)?;
        self.swap(state);
        Ok(revision)
    }

    /// Serves a state that another process has kept.
    pub(crate) fn follow(&self, state: State) {
        let _held = self.lock();
        self.swap(state);
    }

    /// From now on, or no longer, changes are refused.
    pub(crate) fn freeze(&self, frozen: bool) {
        *self.lock() = frozen;
    }

    /// Notes that a member could not be reached, or could.
    pub(crate) fn note_reachable(&self, upstream: &Upstream, reachable: bool) {
        upstream.note_reachable(reachable, || self.now_ms());
    }

    /// What is counted over all members.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The state, and how the groups do.
    pub(crate) fn report(&self) -> Report {
        let table = self.table.load_full();
        let pools = table.state.pools.iter().zip(&table.groups);
        let pools = pools.map(|(pool, group)| PoolStatus {
            group: pool.group.clone(),
            percent: pool.percent,
            members: (pool.members.iter().zip(&group.members))
                .map(|(member, upstream)| MemberStatus {
                    target: member.target.clone(),
                    address: member.address.clone(),
                    admission: member.admission,
                    active: upstream.active(),
                    requests: upstream.requests(),
                    idle: upstream.idle(),
                    up: upstream.is_up(),
                })
                .collect(),
        });
        Report {
            pools: pools.collect(),
            ready: !table.schedule.is_empty(),
            totals: self.counters.totals(),
            state: table.state.clone(),
        }
    }

    /// Each member with its group's name.
    pub(crate) fn upstreams(&self) -> Vec<(String, Arc<Upstream>)> {
        let table = self.table.load();
        let pools = table.state.pools.iter().zip(&table.groups);
        let named = pools.flat_map(|(pool, group)| {
            let members = group.members.iter();
            members.map(|member| (pool.group.clone(), Arc::clone(member)))
        });
        named.collect()
    }

    /// Closes connections to members that have waited too long for a request.
    pub(crate) fn sweep(&self, worker: usize) {
        let table = self.table.load_full();
        for upstream in table.groups.iter().flat_map(|group| &group.members) {
            upstream.sweep(worker);
        }
    }

    fn swap(&self, state: State) {
        let old = self.table.load_full();
        let mut known = HashMap::new();
        for upstream in old.groups.iter().flat_map(|group| &group.members) {
            known.insert(upstream.key(), upstream);
        }
        let mut groups = Vec::with_capacity(state.pools.len());
        for pool in &state.pools {
            let mut members = Vec::with_capacity(pool.members.len());
            let mut serving = Vec::new();
            for member in &pool.members {
                let upstream = match known.get(&(member.target.as_str(), member.address.as_str())) {
                    Some(upstream) => Arc::clone(upstream),
                    None => Arc::new(Upstream::new(member, self.workers)),
                };
                if member.admission.is_ready() && pool.percent > 0.0 {
                    upstream.admit();
                    serving.push(Arc::clone(&upstream));
                }
                members.push(upstream);
            }
            groups.push(Group {
                members,
                serving,
                turn: AtomicUsize::new(0),
            });
        }
        let shares: Vec<f64> = (state.pools.iter().zip(&groups))
            .map(|(pool, group)| {
                if group.serving.is_empty() {
                    0.0
                } else {
                    pool.percent
                }
            })
            .collect();
        let new = Arc::new(Table {
            schedule: schedule::schedule(&shares),
            groups,
            state,
        });
        self.table.store(Arc::clone(&new));
        let serving = new.groups.iter().flat_map(|group| &group.serving);
        let serving: HashSet<_> = serving.map(Arc::as_ptr).collect();
        for upstream in old.groups.iter().flat_map(|group| &group.serving) {
            if !serving.contains(&Arc::as_ptr(upstream)) {
                upstream.dismiss();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        // What it guards is whole at any time.
        self.frozen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        // Never 0, which stands for «never».
        u64::try_from(self.started.elapsed().as_millis()).map_or(u64::MAX, |ms| ms + 1)
    }
}

/// The state, and how the groups do.
pub(crate) struct Report {
    pub(crate) state: State,
    pub(crate) pools: Vec<PoolStatus>,
    pub(crate) ready: bool,
    pub(crate) totals: Totals,
}

impl Table {
    fn empty() -> Self {
        Self {
            state: State::empty(),
            groups: Vec::new(),
            schedule: Box::default(),
        }
    }
}

impl Group {
    /// The member with the fewest requests under way; among equals, in turn. With a clock, only
    /// of those that are not known to be unreachable now.
    fn choose(
        &self,
        tried: &[Arc<Upstream>],
        now_ms: Option<&dyn Fn() -> u64>,
    ) -> Option<&Arc<Upstream>> {
        let start = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.serving.len();
        let candidates = (0..count.min(LOOKED_AT_MAX))
            .map(|step| &self.serving[start.wrapping_add(step) % count])
            .filter(|each| !tried.iter().any(|tried| Arc::ptr_eq(tried, each)))
            .filter(|each| now_ms.is_none_or(|now_ms| !each.is_shunned(now_ms)));
        candidates.min_by_key(|each| each.active())
    }
}

/// One more, where order among threads does not matter.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
