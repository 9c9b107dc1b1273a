//! How much a plugin may use up in one call.

use std::time::Duration;

use bindings::{Broken, Limits, Overrun};

/// What a worker gets where the operator says nothing else. The memory is what a plugin in Python
/// needs with room to spare; a driver does not compute, so two seconds of that are a loop; nothing
/// sensible calls the host ten thousand times in one call.
pub const WORKER: Limits = Limits {
    memory_max: 64 << 20,
    compute_max: Duration::from_secs(2),
    calls_max: 10_000,
    transfer_max: 16 << 20,
};

/// The longest that a call of a worker takes where neither operator nor caller say less.
pub const WORKER_TIME: Duration = Duration::from_secs(600);

/// What a strategy gets for its whole run. It may plan for a thousand targets between two calls,
/// and may make a hundred of them for each.
pub const STRATEGY: Limits = Limits {
    memory_max: 256 << 20,
    compute_max: Duration::from_secs(10),
    calls_max: 100_000,
    transfer_max: 16 << 20,
};

/// For the pure functions of the manifest.
pub(crate) const MANIFEST: Limits = Limits {
    memory_max: 64 << 20,
    compute_max: Duration::from_secs(2),
    calls_max: 1_000,
    transfer_max: 4 << 20,
};

/// The longest that a pure function of the manifest takes, on a machine that is busy.
pub(crate) const MANIFEST_TIME: Duration = Duration::from_secs(10);

/// How often a guest that computes is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// The end of a call that the guest did not bring to its end.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It trapped, or went over a bound.
    Broken(Broken),
    /// It took longer than this.
    TimedOut(Duration),
}

impl Ended {
    /// The bound that was exceeded, where one was.
    pub(crate) fn overrun(&self) -> Option<Overrun> {
        match self {
            Self::Broken(broken) => broken.error.downcast_ref::<Overrun>().copied(),
            Self::TimedOut(_) => None,
        }
    }
}

/// Waits for a call, but not longer than `time`: past it, the call is dropped with its instance.
pub(crate) async fn within<T>(
    time: Duration,
    call: impl Future<Output = Result<T, Broken>>,
) -> Result<T, Ended> {
    match tokio::time::timeout(time, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(broken)) => Err(Ended::Broken(broken)),
        Err(_) => Err(Ended::TimedOut(time)),
    }
}
