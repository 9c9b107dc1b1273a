//! The reverse proxy that comes with the program.
//!
//! [`run`] is the proxy. [`start`], [`stop`], [`status`] and [`restart`] are what others do with
//! one; everything else goes through its admin API, which the `proxy` driver speaks. It knows
//! nothing of deployments.
//!
//! It stands on hyper and tokio. Pingora was weighed and left: it needs zlib-ng, hence CMake, to
//! build, and forces it on every other user of flate2; and at a restart its old process closes
//! idle kept-alive connections at once, where a client may just have sent its next request.

mod admin;
mod control;
mod error;
mod forward;
mod handover;
mod options;
mod process;
mod router;
mod server;
mod sockets;
mod state;

pub use control::{
    MemberStatus, PoolStatus, Process, Started, Status, Totals, restart, start, status, stop,
};
pub use error::ProxyError;
pub use options::{Admin, AdminError, GRACE, Options, RESPONSE_TIMEOUT, Tls};
pub use process::run;
pub use state::{Admission, Member, Pool, Problem, Route, State, StateError, VERSION};
