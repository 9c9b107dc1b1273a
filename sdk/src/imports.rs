//! Where the wrappers' calls go: to the host in a component, to the fake of
//! [`crate::testing`] elsewhere.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::imports::{
    analysis, call, clock, commands, course, files, health, http, locks, logs, machine, releases,
    sockets, traffic,
};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::imports::{
    analysis, call, clock, commands, course, files, health, http, locks, logs, machine, releases,
    sockets, traffic,
};
