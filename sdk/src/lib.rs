//! Write plugins for `runtime` in Rust.
//!
//! A plugin is a struct of its settings, [`Plugin`], the trait of its kind, and [`plugin!`]:
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_op_in_unsafe_fn)]

pub mod bindings;
pub mod call;
pub mod commands;
mod count;
mod duration;
mod export;
mod failure;
pub mod files;
pub mod fleet;
pub mod http;
mod imports;
mod kinds;
pub mod locks;
pub mod logs;
pub mod machine;
mod plugin;
pub mod rollout;
mod settings;
pub mod sockets;
pub mod template;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod weights;

pub use bindings::imports::types::{Failure, Release, Target};
pub use bindings::manifest::manifest::{Problem, Request};
pub use count::{Count, Percent};
pub use duration::Duration;
pub use failure::Result;
pub use kinds::{
    Deployment, Desired, Event, HealthCheck, InstalledRelease, LoadBalancer, Member, MemberState,
    MetricSource, Notifier, Occasion, Platform, Pool, Reading, Report, Route, Sample, Secret,
    SecretSource, Step, Strategy, Window,
};
pub use plugin::{Plugin, change, problem, read};

/// What the macros need; not for plugins.
#[doc(hidden)]
pub mod private {
    pub use crate::{export::*, settings::parse};
}

/// All that most plugins need.
pub mod prelude {
    pub use schemars::{self, JsonSchema};
    pub use serde::{self, Deserialize, Serialize};
    pub use serde_json::{self, Value, json};

    pub use crate::{
        Count, Deployment, Desired, Duration, Event, Failure, HealthCheck, InstalledRelease,
        LoadBalancer, Member, MemberState, MetricSource, Notifier, Occasion, Percent, Platform,
        Plugin, Pool, Problem, Reading, Release, Report, Request, Result, Route, Sample, Secret,
        SecretSource, Step, Strategy, Target, Window, change, http, logs, problem, read,
    };
}

pub use schemars;
pub use serde;
pub use serde_json;
