//! What is to go out, and how: the arguments that every verb takes which rolls a release out, or
//! says what that would do.

use std::collections::BTreeSet;

use clap::Args;
use configuration::{Configuration, Overrides};
use engine::Name;

use crate::{
    cli::Chosen,
    fleet,
    report::{self, Problem, Reason},
    site,
};

/// A configuration, and what the command line says over it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Amended {
    #[command(flatten)]
    pub(crate) chosen: Chosen,
    /// Another strategy than the configuration's
    #[arg(long, value_name = "NAME")]
    pub(crate) strategy: Option<String>,
    /// Another value than the configuration's, for example `strategy.soak=10s`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Only these targets
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) servers: Vec<String>,
}

/// The same with the version that goes out.
#[derive(Clone, Debug, Args)]
pub(crate) struct Rollout {
    #[command(flatten)]
    pub(crate) amended: Amended,
    /// The version that goes out: `{version}` in the artifact's name
    #[arg(long, env = "RUNTIME_VERSION")]
    pub(crate) version: Option<String>,
}

impl Amended {
    /// The configuration with all that is said over it, and the targets that are passed over.
    pub(crate) fn configuration(&self) -> Result<(Configuration, BTreeSet<Name>), Problem> {
        let overrides = Overrides {
            set: self.set.clone(),
            strategy: self.strategy.clone(),
        };
        let configuration = site::configuration(&self.chosen, &overrides)?;
        let bystanders = fleet::bystanders(&configuration, &self.servers)?;
        Ok((configuration, bystanders))
    }
}

impl Rollout {
    /// The configuration with all that is said over it, and the targets that are passed over.
    pub(crate) fn configuration(&self) -> Result<(Configuration, BTreeSet<Name>), Problem> {
        self.amended.configuration()
    }

    /// The version that goes out. Fails where the artifact hangs on one and nobody names it.
    pub(crate) fn version(&self, configuration: &Configuration) -> Result<String, Problem> {
        let release = &configuration.contents.release;
        if let Some(version) = &self.version {
            return usable(version).map(|()| version.clone());
        }
        match &release.version {
            Some(version) => match unusable(version) {
                None => Ok(version.clone()),
                Some(wrong) => {
                    let title = format!("the version {wrong}");
                    let problem = configuration.problem("/release/version", "wrong-form", title);
                    Err(report::one(configuration, problem))
                }
            },
            None if release.artifact.contains("{version}") => {
                Err(Problem::new(Reason::Usage, "which version is to go out?")
                    .hint("`--version 1.2.3`, or `version` under `[release]` in the configuration"))
            }
            None => Ok("unversioned".to_owned()),
        }
    }

    /// The same where no artifact is looked for, so that any version will do.
    pub(crate) fn any_version(&self, configuration: &Configuration) -> Result<String, Problem> {
        let release = &configuration.contents.release;
        match (&self.version, &release.version) {
            (None, None) => Ok("next".to_owned()),
            _ => self.version(configuration),
        }
    }
}

/// Fails where a version on the command line cannot be one.
fn usable(version: &str) -> Result<(), Problem> {
    unusable(version).map_or(Ok(()), |wrong| {
        Err(Problem::new(Reason::Usage, format!("`--version` {wrong}"))
            .hint("write it like `--version 1.2.3`"))
    })
}

/// What is wrong with a version: it is shown in lists, and becomes part of paths.
fn unusable(version: &str) -> Option<&'static str> {
    if version.trim().is_empty() {
        Some("is empty")
    } else if version.contains(char::is_control) {
        Some("has a control character in it")
    } else {
        None
    }
}
