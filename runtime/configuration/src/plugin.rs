//! Plugins as the configuration names them: where one is used, and what one may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    duration::Duration,
    pointer,
    secret::{self, SettingSecret},
    size::Size,
};

/// What a plugin is there for. Names of plugins are unique within one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Decides in what order targets get a release, and how traffic follows.
    Strategy,
    /// Speaks one load balancer's language.
    LoadBalancer,
    /// Puts releases on targets.
    Platform,
    /// Tells whether a target is well.
    HealthCheck,
    /// Asks a monitoring system for numbers.
    MetricSource,
    /// Does one piece of work at a point of a deployment.
    Step,
    /// Tells people and other systems.
    Notifier,
    /// Brings secrets from where they are kept.
    SecretSource,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Strategy,
        Self::LoadBalancer,
        Self::Platform,
        Self::HealthCheck,
        Self::MetricSource,
        Self::Step,
        Self::Notifier,
        Self::SecretSource,
    ];

    /// The key of the section that uses plugins of this kind.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Strategy => "strategy",
            Self::LoadBalancer => "load-balancer",
            Self::Platform => "platform",
            Self::HealthCheck => "health-checks",
            Self::MetricSource => "analysis",
            Self::Step => "steps",
            Self::Notifier => "notifiers",
            Self::SecretSource => "secrets",
        }
    }

    /// The kind in a sentence.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strategy => "strategy",
            Self::LoadBalancer => "load balancer",
            Self::Platform => "platform",
            Self::HealthCheck => "health check",
            Self::MetricSource => "metric source",
            Self::Step => "step",
            Self::Notifier => "notifier",
            Self::SecretSource => "secret source",
        }
    }
}

/// A section that uses a plugin: `use = "name"`, and the plugin's settings beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PluginUse {
    /// The plugin's name.
    #[serde(rename = "use")]
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// An object of everything in the section that the host does not keep for itself, above what
    /// `[sources.<name>]` has. A secret stands there as its reference.
    #[serde(flatten)]
    pub settings: Value,
    /// The section's place: a JSON Pointer into the configuration, for example `/steps/0`.
    #[serde(skip)]
    pub pointer: String,
}

impl PluginUse {
    /// The secrets that the settings name.
    pub fn secrets(&self) -> Vec<SettingSecret> {
        let mut found = Vec::new();
        // The settings as a whole are no reference, even where they have just a key `secret`.
        for (key, value) in self.settings.as_object().into_iter().flatten() {
            secret::find(value, &pointer::join("", key), &mut found);
        }
        found
    }
}

/// What the operator says of one plugin, wherever it is used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Plugin {
    /// Where a plugin that does not come with the program is found: a path; a relative one starts
    /// at this file's directory. `https://…` and `oci://…` are not in this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The digest that the plugin must have: `sha256:` and 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "digest"))]
    pub digest: Option<String>,
    /// What the plugin may do, of what its manifest asks for. Nothing written means nothing
    /// allowed, but for what stands in its settings.
    pub grants: Grants,
    /// The bounds of one call.
    pub limits: PluginLimits,
}

/// What a plugin may do. A scope is written as the plugin's manifest asks for it
/// (`runtime plugin inspect NAME` shows it).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Grants {
    /// Origins that it may send requests to: `https://api.example.com`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<String>,
    /// Files and directories: `read:/etc/nginx`, `write:/etc/nginx/conf.d`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Programs with their arguments, `*` for any: `nginx -s reload`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// Names of locks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<String>,
    /// Byte streams: `tcp:host:port`, `unix:/path`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sockets: Vec<String>,
    /// Names of secrets whose values it may see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Recipients that it may send mail to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mail: Vec<String>,
}

impl Grants {
    /// Every grant, as capability and scope.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all: [(&'static str, &Vec<String>); 7] = [
            ("http", &self.http),
            ("files", &self.files),
            ("commands", &self.commands),
            ("locks", &self.locks),
            ("sockets", &self.sockets),
            ("secrets", &self.secrets),
            ("mail", &self.mail),
        ];
        all.into_iter()
            .flat_map(|(name, scopes)| scopes.iter().map(move |scope| (name, &**scope)))
    }
}

/// The bounds of one call of a plugin, where the program's own are not the right ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PluginLimits {
    /// Memory, for example `64 MiB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// Time, waiting included, for example `30s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Duration>,
}
