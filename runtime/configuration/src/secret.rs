//! Secrets: how a setting names one, and where their values are kept. No value ever gets here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plugin::PluginUse;

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
pub struct SecretReference {
    /// The secret's name.
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

/// Where the values of secrets come from: one of `environment` and `file`, which come with the
/// program, or a plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecretSource {
    /// The source, and its settings.
    #[serde(flatten)]
    pub plugin: PluginUse,
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
