//! Byte streams from the machine that the plugin works on. An endpoint is `tcp:host:port` or
//! `unix:/path`.

use crate::{Duration, Result, imports::sockets};

/// Connects, and closes again.
pub fn connect(endpoint: &str, timeout: Duration) -> Result<()> {
    sockets::connect(endpoint, timeout.as_ms())
}

/// Writes `payload`, closes the sending side, and reads to the end.
pub fn exchange(endpoint: &str, payload: &[u8], timeout: Duration) -> Result<Vec<u8>> {
    sockets::exchange(endpoint, payload, timeout.as_ms())
}

/// Writes `payload`, and reads until `until` was read, or the other side ends.
pub fn converse(
    endpoint: &str,
    payload: &[u8],
    until: &[u8],
    timeout: Duration,
) -> Result<Vec<u8>> {
    sockets::converse(endpoint, payload, until, timeout.as_ms())
}
