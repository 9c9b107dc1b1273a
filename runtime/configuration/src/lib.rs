//! From the operator's TOML to checked, typed values; and from mistakes to problems with file,
//! line, column and the line itself. Reads no file and no environment: the program gives it
//! [`Sources`].

use std::{io, path::Path};

mod configuration;
mod count;
mod duration;
mod fleet;
mod health;
mod limits;
mod plugin;
mod pointer;
mod problem;
mod release;
mod render;
mod secret;
mod size;
mod source;
mod step;

pub use configuration::{Configuration, LoadBalancer};
pub use count::{Count, NotACount};
pub use duration::{Duration, NotADuration};
pub use fleet::{DEFAULT_GROUP, Destination, HERE, Machine, NotADestination, Target};
pub use health::{Analysis, HealthCheck, NoData};
pub use limits::{Approvals, Limits, Rollback, Scope};
pub use plugin::{Grants, Kind, Plugin, PluginLimits, PluginUse, Plugins};
pub use problem::{Problem, Problems};
pub use release::{Release, State};
pub use secret::{SecretDestination, SecretReference, SecretSource, SettingSecret};
pub use size::{NotASize, Size};
pub use source::{Place, Source};
pub use step::{Location, Notifier, Occasion, Point, Step, TARGETS};

/// Where texts and variables come from.
pub trait Sources {
    /// The text of a file.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// The value of an environment variable.
    fn variable(&self, name: &str) -> Option<String>;
}

/// What the command line says over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Each `key=value` of `--set`: a dotted key, and a TOML value or a bare word.
    pub set: Vec<String>,
    /// `--strategy`: the strategy's name. Where the file names another one, the settings of that
    /// one are left out.
    pub strategy: Option<String>,
}

/// Reads a configuration, with all that it extends, and checks it.
///
/// # Errors
/// With every problem that there is, in one go.
pub fn load(
    path: &Path,
    sources: &dyn Sources,
    overrides: &Overrides,
) -> Result<Configuration, Problems> {
    let _ = (path, sources, overrides);
    unimplemented!()
}

/// The settings of a plugin, for [`schema`].
#[derive(Clone, Copy, Debug)]
pub struct PluginSchema<'a> {
    /// What it is there for.
    pub kind: Kind,
    /// What `use = "…"` says.
    pub name: &'a str,
    /// The JSON Schema of its settings.
    pub settings: &'a serde_json::Value,
}

/// The JSON Schema (draft 2020-12) of the whole file, for editors, with the settings of these
/// plugins in the sections that use them.
pub fn schema(plugins: &[PluginSchema<'_>]) -> serde_json::Value {
    let _ = plugins;
    unimplemented!()
}
