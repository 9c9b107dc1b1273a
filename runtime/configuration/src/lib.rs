//! From the operator's TOML to checked, typed values; and from mistakes to problems with file,
//! line, column and the line itself. Reads no file and no environment: the program gives it
//! [`Sources`].

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use read::Read;

mod configuration;
mod contents;
mod count;
mod duration;
mod fleet;
mod health;
mod limits;
mod nearest;
mod overrides;
mod parse;
mod plugin;
mod pointer;
mod problem;
mod read;
#[cfg(test)]
mod reference;
mod rehearsal;
mod release;
mod render;
mod rules;
mod schema;
mod secret;
mod shared;
mod size;
mod source;
mod step;
mod structure;
mod tree;
mod variables;

pub use configuration::{Configuration, NotCanonical};
pub use contents::{Contents, LoadBalancer};
pub use count::{Count, NotACount};
pub use duration::{Duration, NotADuration};
pub use fleet::{DEFAULT_GROUP, Destination, HERE, Machine, NotADestination, Target};
pub use health::{Analysis, HealthCheck, NoData};
pub use limits::{Approvals, Limits, Rollback, Scope};
pub use nearest::nearest;
pub use plugin::{Grants, Kind, Plugin, PluginLimits, PluginUse};
pub use problem::{Problem, Problems};
pub use rehearsal::{Faults, Rehearsal};
pub use release::{Release, State};
pub use schema::{PluginSchema, schema};
pub use secret::{
    EnvironmentSecrets, FileSecrets, SecretDestination, SecretOrigin, SecretReference,
    SecretSource, SettingSecret,
};
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
    let mut problems = Vec::new();
    let Read { mut root, files } = read::read(path, sources, &mut problems);
    // What is missing because a file could not be read or understood is no problem of its own.
    if problems.is_empty() {
        overrides::apply(&mut root, overrides, &mut problems);
        variables::expand_all(&mut root, &|name| sources.variable(name), &mut problems);
        shared::put_below(&mut root);
        problems.extend(structure::check(&root, schema::internal()));
        problems.extend(rules::check(&root));
    }
    match Problems::new(path, in_order(problems, &files)) {
        Some(problems) => Err(problems),
        None => Configuration::from_tree(root, files).map_err(|error| {
            let problem = Problem::new("internal", format!("this cannot be used: {error}"));
            Problems::one(path, problem)
        }),
    }
}

/// The problems in the order in which the files are read, each once: what is shared is checked
/// wherever it is used.
fn in_order(problems: Vec<Problem>, files: &[PathBuf]) -> Vec<Problem> {
    let mut seen = HashSet::new();
    let mut once: Vec<Problem> = Vec::new();
    for problem in problems {
        let place = problem.place.as_ref();
        let at = place.map(|place| (Arc::as_ptr(&place.source), place.span.clone()));
        if seen.insert((problem.title.clone(), at)) {
            once.push(problem);
        }
    }
    once.sort_by_key(|problem| {
        let place = problem.place.as_ref();
        let path = place.and_then(|place| place.source.path.as_ref());
        let file = files.iter().position(|file| Some(file) == path);
        (file, place.map_or(0, |place| place.span.start))
    });
    once
}
