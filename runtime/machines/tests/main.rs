//! Machines as their callers see them: real files, real programs, real SSH servers.

#![expect(
    clippy::unwrap_used,
    reason = "a test that meets what it did not expect has failed"
)]

mod artifacts;
mod local;
mod ssh;
mod suite;
mod support;
