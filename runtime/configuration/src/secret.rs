//! Secrets: how a setting names one, and where their values are kept. No value ever gets here.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    plugin::PluginUse,
    tree::{Kind, Node},
};

/// Where a secret's value may go besides requests to the setting's own origin.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SecretDestination {
    /// Into a file on the machine, written with mode 0600.
    File,
    /// Into a program's environment or input on the machine.
    Environment,
}

/// Names a secret in the place of its value: `{ secret = "NAME" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("format" = "secret-reference"))]
pub struct SecretReference {
    /// The secret's name.
    #[schemars(length(min = 1))]
    pub secret: String,
    /// Where its value may go besides requests to the setting's own origin.
    #[serde(rename = "use", default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<SecretDestination>,
}

/// A secret that a plugin's settings name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingSecret {
    /// The reference's place: a JSON Pointer into the settings.
    pub pointer: String,
    /// What stands there.
    pub reference: SecretReference,
}

/// Where the values of secrets come from.
///
/// `environment` and `file` come with the program; any other name is a plugin's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecretSource {
    /// The source, and its settings.
    #[serde(flatten)]
    pub plugin: PluginUse,
}

/// Where the values of secrets come from, in detail.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretOrigin<'a> {
    /// Environment variables.
    Environment(EnvironmentSecrets),
    /// Files.
    File(FileSecrets),
    /// A plugin.
    Plugin(&'a PluginUse),
}

/// Secrets in environment variables: `use = "environment"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct EnvironmentSecrets {
    /// What stands before a secret's name in the variable's.
    pub prefix: String,
}

/// Secrets in files: `use = "file"`. One of `file` and `directory` is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FileSecrets {
    /// A file with a line `NAME=value` for each secret. A relative path starts at this file's
    /// directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// A directory with a file for each secret, as systemd, Docker and Kubernetes make it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
}

/// The name of [`EnvironmentSecrets`] in `use`.
pub(crate) const ENVIRONMENT: &str = "environment";
/// The name of [`FileSecrets`] in `use`.
pub(crate) const FILE: &str = "file";

impl SecretSource {
    /// What is asked where the operator says nothing.
    pub(crate) fn environment() -> Self {
        let settings = Value::Object(Map::new());
        Self {
            plugin: PluginUse {
                name: ENVIRONMENT.into(),
                settings,
                pointer: String::new(),
            },
        }
    }

    /// Where the values come from, in detail.
    pub fn origin(&self) -> SecretOrigin<'_> {
        let settings = &self.plugin.settings;
        // The settings of these two were checked against the very types.
        match self.plugin.name.as_str() {
            ENVIRONMENT => {
                SecretOrigin::Environment(Deserialize::deserialize(settings).unwrap_or_default())
            }
            FILE => SecretOrigin::File(Deserialize::deserialize(settings).unwrap_or_default()),
            _ => SecretOrigin::Plugin(&self.plugin),
        }
    }
}

/// Whether the value names a secret, rightly or not: no plugin has a table of just these keys.
pub(crate) fn is_reference(node: &Node) -> bool {
    node.table().is_some_and(|table| {
        table
            .keys()
            .all(|key| matches!(key.as_str(), "secret" | "use"))
            && table
                .get("secret")
                .is_some_and(|entry| !matches!(entry.node.kind, Kind::Table(_)))
    })
}

/// Every secret that a value names, by its place below `pointer`.
pub(crate) fn find(value: &Value, pointer: &str, found: &mut Vec<SettingSecret>) {
    match value {
        Value::Object(entries) => {
            if entries.contains_key("secret")
                && let Ok(reference) = SecretReference::deserialize(value)
            {
                found.push(SettingSecret {
                    pointer: pointer.into(),
                    reference,
                });
                return;
            }
            for (key, value) in entries {
                find(value, &crate::pointer::join(pointer, key), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                find(item, &format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}
