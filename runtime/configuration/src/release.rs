//! What is deployed, and where it is written down.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::SecretReference;

/// What is deployed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Release {
    /// A `.tar`, `.tar.gz`, `.tar.zst` or `.zip`, a directory, or an `https://` address of one.
    /// `{version}` stands for the version. A relative path starts at this file's directory.
    #[schemars(length(min = 1))]
    pub artifact: String,
    /// How many releases stay on each target, the active one among them. Of fetched
    /// artifacts at least as many stay here.
    #[serde(default = "Release::keep")]
    #[schemars(range(min = 1))]
    pub keep: u32,
    /// The version that goes out where `--version` names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Anything worth keeping with the release, for example the commit; plugins see it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Release {
    const fn keep() -> u32 {
        // Enough to go back over a bad week, few enough for a small disk.
        5
    }
}

/// Where deployments are written down.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct State {
    /// A PostgreSQL database, as `postgres://user@host/database`, where several machines deploy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The database's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretReference>,
    /// The directory of the state that lies in files. Without it: `.runtime` beside this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}
