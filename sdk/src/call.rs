//! The call that the plugin is answering, and the time.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Duration, imports};

/// The same on every repetition of the same call, for other sides that take an idempotency key.
pub fn id() -> String {
    imports::call::id()
}

/// 1 the first time.
pub fn attempt() -> u32 {
    imports::call::attempt()
}

/// Grows with each holder of the deployment's lease.
pub fn token() -> u64 {
    imports::call::token()
}

/// How long the host will still wait for the answer.
pub fn remaining() -> Duration {
    Duration(imports::call::deadline().saturating_sub(now()))
}

/// What an earlier call of this plugin in this deployment put down. None, too, where it does
/// not read as a `T`.
pub fn note<T: DeserializeOwned>(key: &str) -> Option<T> {
    serde_json::from_str(&imports::call::note(key)?).ok()
}

/// Puts something down for later calls of this plugin in this deployment.
pub fn set_note(key: &str, value: &impl Serialize) -> crate::Result<()> {
    imports::call::set_note(key, &serde_json::to_string(value)?);
    Ok(())
}

/// Milliseconds since 1970, as the deployment sees it.
pub fn now() -> u64 {
    imports::clock::now()
}

/// Waits.
pub fn sleep(duration: Duration) {
    imports::clock::sleep(duration.as_ms());
}
