//! Machines as their callers see them: real files, real programs, real SSH servers.

mod artifacts;
mod local;
mod ssh;
mod suite;
mod support;
