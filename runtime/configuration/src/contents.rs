//! Everything that a configuration can say, typed: each field is a key, each comment its
//! documentation.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    fleet::{Machine, Target},
    health::{Analysis, HealthCheck},
    limits::{Approvals, Limits, Rollback},
    plugin::{Kind, Plugin, PluginUse},
    rehearsal::Rehearsal,
    release::{Release, State},
    secret::{SecretOrigin, SecretSource},
    step::{Notifier, Step},
};

/// What is deployed, where to, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Contents {
    /// The file that this one goes on from; a relative path starts at this file's directory.
    /// Tables are put together key by key; anything else that stands here replaces what stands
    /// there.
    #[serde(skip_serializing)]
    pub extends: Option<String>,
    /// The application's name.
    #[schemars(extend("format" = "name"))]
    pub application: String,
    /// The environment's name, for example `production`. One deployment at a time goes on in an
    /// application's environment.
    #[schemars(extend("format" = "name"))]
    pub environment: String,
    /// What is deployed.
    pub release: Release,
    /// Where deployments are written down.
    #[serde(default)]
    pub state: State,
    /// Machines that are reached over SSH, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub machines: BTreeMap<String, Machine>,
    /// Where releases run.
    #[schemars(length(min = 1))]
    pub targets: Vec<Target>,
    /// How releases are put on targets.
    pub platform: PluginUse,
    /// In what order targets get a release, and how traffic follows.
    pub strategy: PluginUse,
    /// Who gets the traffic. Without it, what is active gets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<LoadBalancer>,
    /// What every target must pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_checks: Vec<HealthCheck>,
    /// Metrics that are held against limits while a strategy watches. Not in this version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub analysis: Vec<Analysis>,
    /// What else happens on the way, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Who hears of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifiers: Vec<Notifier>,
    /// What the host refuses, whatever the strategy asks.
    #[serde(default)]
    pub limits: Limits,
    /// What happens after a failure.
    #[serde(default)]
    pub rollback: Rollback,
    /// Who may approve where a strategy asks for it.
    #[serde(default)]
    pub approvals: Approvals,
    /// What a rehearsal assumes of the world.
    #[serde(default, skip_serializing_if = "Rehearsal::is_default")]
    pub rehearsal: Rehearsal,
    /// Where the values of secrets come from, in the order in which they are asked. Without it:
    /// the environment.
    #[serde(default = "Contents::environment_secrets")]
    #[schemars(schema_with = "one_or_more::<SecretSource>")]
    pub secrets: Vec<SecretSource>,
    /// Plugins by name: where those come from that do not come with the program, and what they
    /// may do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub plugins: BTreeMap<String, Plugin>,
    /// Settings that every use of the plugin of that name has, unless it says otherwise.
    #[serde(default, skip_serializing)]
    pub sources: BTreeMap<String, Map<String, Value>>,
}

/// Who gets the traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LoadBalancer {
    /// The machine it runs on: a name of `[machines]`, or `here`. Without it: this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// The plugin that speaks its language, and its settings.
    #[serde(flatten)]
    pub plugin: PluginUse,
}

/// The schema of one table, or of a list of them.
fn one_or_more<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let one = generator.subschema_for::<T>();
    json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
}

impl Contents {
    fn environment_secrets() -> Vec<SecretSource> {
        vec![SecretSource::environment()]
    }

    /// Every use of a plugin that is spoken to through its component, with the plugin's kind.
    pub fn uses(&self) -> Vec<(Kind, &PluginUse)> {
        let mut uses = vec![
            (Kind::Platform, &self.platform),
            (Kind::Strategy, &self.strategy),
        ];
        uses.extend(
            self.load_balancer
                .iter()
                .map(|each| (Kind::LoadBalancer, &each.plugin)),
        );
        uses.extend(
            self.health_checks
                .iter()
                .map(|each| (Kind::HealthCheck, &each.plugin)),
        );
        uses.extend(
            self.analysis
                .iter()
                .map(|each| (Kind::MetricSource, &each.plugin)),
        );
        uses.extend(self.steps.iter().map(|each| (Kind::Step, &each.plugin)));
        uses.extend(
            self.notifiers
                .iter()
                .map(|each| (Kind::Notifier, &each.plugin)),
        );
        uses.extend(
            self.secrets
                .iter()
                .filter_map(|source| match source.origin() {
                    SecretOrigin::Plugin(plugin) => Some((Kind::SecretSource, plugin)),
                    SecretOrigin::Environment(_) | SecretOrigin::File(_) => None,
                }),
        );
        uses
    }

    /// Tells every section its place.
    pub(crate) fn point(&mut self, one_secret_source: bool) {
        fn each<'a>(kind: Kind, plugins: impl Iterator<Item = &'a mut PluginUse>) {
            for (index, plugin) in plugins.enumerate() {
                plugin.pointer = format!("/{}/{index}", kind.section());
            }
        }
        fn one(kind: Kind, plugin: &mut PluginUse) {
            plugin.pointer = format!("/{}", kind.section());
        }
        one(Kind::Platform, &mut self.platform);
        one(Kind::Strategy, &mut self.strategy);
        if let Some(balancer) = &mut self.load_balancer {
            one(Kind::LoadBalancer, &mut balancer.plugin);
        }
        each(
            Kind::HealthCheck,
            self.health_checks.iter_mut().map(|each| &mut each.plugin),
        );
        each(
            Kind::MetricSource,
            self.analysis.iter_mut().map(|each| &mut each.plugin),
        );
        each(
            Kind::Step,
            self.steps.iter_mut().map(|each| &mut each.plugin),
        );
        each(
            Kind::Notifier,
            self.notifiers.iter_mut().map(|each| &mut each.plugin),
        );
        match &mut self.secrets[..] {
            [source] if one_secret_source => one(Kind::SecretSource, &mut source.plugin),
            sources => {
                each(
                    Kind::SecretSource,
                    sources.iter_mut().map(|each| &mut each.plugin),
                );
            }
        }
    }
}
