//! What a store holds, and the bounds that it keeps a guest within: memory, time spent in the
//! guest itself, number of calls of the host, size of what crosses over.

use std::time::{Duration, Instant};

use wasmtime::{ResourceLimiter, Store, UpdateDeadline, component::ResourceTable};

use crate::{
    calls::{StrategyCalls, WorkerCalls},
    logs::Level,
    wasi::Repeatable,
};

/// Core instances, tables and memories of one component: Python ones have 17 instances and
/// JavaScript ones tables of 8,000 elements.
const INSTANCES_MAX: usize = 64;
const TABLES_MAX: usize = 64;
const TABLE_ELEMENTS_MAX: usize = 100_000;

/// Characters of a guest's last complaint that are kept: enough for a panic's message.
const LAST_WORDS_MAX: usize = 2_000;

/// What a guest may use up in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all its memories together.
    pub memory_max: usize,
    /// Time in the guest itself, from one call of the host to the next.
    pub compute_max: Duration,
    /// How often it may call the host.
    pub calls_max: u64,
    /// Bytes that may cross from the guest to the host at once.
    pub transfer_max: usize,
}

/// A bound that a guest exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overrun {
    /// It wanted more memory than this many bytes.
    Memory(usize),
    /// It computed for longer than this without calling the host.
    Compute(Duration),
    /// It called the host more often than this.
    Calls(u64),
    /// It handed over more bytes than this at once.
    Transfer(usize),
}

impl std::fmt::Display for Overrun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory(bytes) => write!(f, "wanted more than {} MiB of memory", bytes >> 20),
            Self::Compute(time) => {
                write!(
                    f,
                    "computed for more than {} ms without a pause",
                    time.as_millis()
                )
            }
            Self::Calls(calls) => write!(f, "called the host more than {calls} times"),
            Self::Transfer(bytes) => {
                write!(f, "handed over more than {} MiB at once", bytes >> 20)
            }
        }
    }
}

impl std::error::Error for Overrun {}

/// Who answers the guest's calls.
pub enum Calls {
    /// Nobody: it is asked for what must be a pure function.
    Nobody,
    /// The host's capabilities.
    Worker(Box<dyn WorkerCalls>),
    /// The deployment.
    Strategy(Box<dyn StrategyCalls>),
}

/// The data of a store.
pub struct State {
    pub(crate) calls: Calls,
    pub(crate) table: ResourceTable,
    limits: Limits,
    memory_used: usize,
    calls_made: u64,
    entered: Instant,
    last_words: Option<String>,
    pub(crate) repeatable: Repeatable,
}

impl State {
    /// A store's data for one instance.
    pub fn new(calls: Calls, limits: Limits) -> Self {
        Self {
            calls,
            table: ResourceTable::new(),
            limits,
            memory_used: 0,
            calls_made: 0,
            entered: Instant::now(),
            last_words: None,
            repeatable: Repeatable::default(),
        }
    }

    /// Keeps the last complaints: where the guest traps next, they say why. A panic's message
    /// begins with where it was, and goes on in lines of its own.
    pub(crate) fn remember(&mut self, level: Level, message: &str) {
        if level != Level::Error {
            return;
        }
        let words = self.last_words.get_or_insert_default();
        if message.contains("panicked at") {
            words.clear();
        } else if !words.is_empty() {
            words.push(' ');
        }
        let room = LAST_WORDS_MAX.saturating_sub(words.chars().count());
        words.extend(message.chars().take(room));
    }

    /// The bound behind an error for which the engine has no type of its own.
    pub(crate) fn overrun_behind(&self, error: &wasmtime::Error) -> Option<Overrun> {
        let text = error.root_cause().to_string();
        text.contains("fuel allocated for hostcalls")
            .then_some(Overrun::Transfer(self.limits.transfer_max))
    }

    pub(crate) fn take_last_words(&mut self) -> Option<String> {
        self.last_words.take()
    }

    /// Counts a call of the host.
    pub(crate) fn count(&mut self) -> wasmtime::Result<()> {
        self.calls_made += 1;
        if self.calls_made > self.limits.calls_max {
            return Err(Overrun::Calls(self.limits.calls_max).into());
        }
        Ok(())
    }

    /// The guest goes on: from here its computing counts again.
    pub(crate) fn resume(&mut self) {
        self.entered = Instant::now();
    }

    pub(crate) fn worker(&mut self) -> wasmtime::Result<&mut dyn WorkerCalls> {
        match &mut self.calls {
            Calls::Worker(calls) => Ok(&mut **calls),
            _ => Err(wasmtime::Error::from(Impure)),
        }
    }

    pub(crate) fn strategy(&mut self) -> wasmtime::Result<&mut dyn StrategyCalls> {
        match &mut self.calls {
            Calls::Strategy(calls) => Ok(&mut **calls),
            _ => Err(wasmtime::Error::from(Impure)),
        }
    }

    /// A store around this state, with every bound in force.
    pub(crate) fn into_store(self, engine: &wasmtime::Engine) -> Store<Self> {
        let transfer_max = self.limits.transfer_max;
        let mut store = Store::new(engine, self);
        store.limiter(|state| state);
        store.set_hostcall_fuel(transfer_max);
        store.set_epoch_deadline(1);
        // At each tick the guest makes room for others of its thread, which also lets a timeout
        // around the whole call be seen.
        store.epoch_deadline_callback(|context| {
            let state = context.data();
            if state.entered.elapsed() > state.limits.compute_max {
                return Err(Overrun::Compute(state.limits.compute_max).into());
            }
            Ok(UpdateDeadline::Yield(1))
        });
        store.data_mut().resume();
        store
    }
}

/// A function that must be pure called the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Impure;

impl std::fmt::Display for Impure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("called the host where it may only compute")
    }
}

impl std::error::Error for Impure {}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self
            .memory_used
            .saturating_add(desired.saturating_sub(current));
        if used > self.limits.memory_max {
            // A refusal would end in the guest's allocator, which can only say `unreachable`.
            return Err(Overrun::Memory(self.limits.memory_max).into());
        }
        self.memory_used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        INSTANCES_MAX
    }
}
