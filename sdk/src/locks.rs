//! Mutual exclusion among everything that shares the operator's state store.

pub use crate::imports::locks::Lock;
use crate::{Duration, Result, imports};

/// Waits for the lock of that name, which is released when dropped.
pub fn acquire(name: &str, wait: Duration) -> Result<Lock> {
    imports::locks::acquire(name, wait.as_ms())
}
