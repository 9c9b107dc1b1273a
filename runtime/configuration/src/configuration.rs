//! The checked configuration: everything that the operator wrote, typed, with its places.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    fleet::{Machine, Target},
    health::{Analysis, HealthCheck},
    limits::{Approvals, Limits, Rollback},
    parse,
    plugin::{Kind, Plugin, PluginUse},
    pointer,
    problem::Problem,
    release::{Release, State},
    schema,
    secret::{SecretOrigin, SecretSource},
    source::{Place, Source},
    step::{Notifier, Step},
    structure,
    tree::Node,
};

/// What one configuration file says, with all that it extends.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The file, as it was named.
    pub path: PathBuf,
    /// Every file that it is made of: itself, then what it extends, nearest first.
    pub files: Vec<PathBuf>,
    /// What they say.
    pub contents: Contents,
    /// Where it is written.
    root: Arc<Node>,
}

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
    /// Metrics that are held against limits while a strategy watches.
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

/// A value that is not the canonical form of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no configuration as this version keeps it: {0}")]
pub struct NotCanonical(String);

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
    fn point(&mut self, one_secret_source: bool) {
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

impl Configuration {
    /// From a tree in which nothing is wrong.
    ///
    /// # Errors
    /// Where something is wrong all the same: a fault of the checks.
    pub(crate) fn from_tree(root: Node, files: Vec<PathBuf>) -> Result<Self, serde_json::Error> {
        let mut value = root.to_json();
        let one_secret_source = match value.get_mut("secrets") {
            Some(secrets) if secrets.is_object() => {
                *secrets = Value::Array(vec![secrets.take()]);
                true
            }
            _ => false,
        };
        let mut contents: Contents = serde_json::from_value(value)?;
        contents.point(one_secret_source);
        let path = files.first().cloned().unwrap_or_default();
        Ok(Self {
            path,
            files,
            contents,
            root: Arc::new(root),
        })
    }

    /// Everything that the configuration says, defaults filled in, environment variables
    /// replaced, secrets as references, keys sorted: equal for equal deployments.
    pub fn canonical(&self) -> Value {
        sorted(serde_json::to_value(&self.contents).unwrap_or_default())
    }

    /// The configuration that [`Configuration::canonical`] gave, as it was then: nothing is read,
    /// replaced or checked again. Places point into its own text.
    ///
    /// # Errors
    /// Where it is not one that this version wrote.
    pub fn from_canonical(path: &Path, canonical: &Value) -> Result<Self, NotCanonical> {
        let text = toml::to_string(canonical).map_err(|error| NotCanonical(error.to_string()))?;
        let name = format!("{} as it was", path.display());
        let source = Arc::new(Source {
            name,
            path: None,
            text,
        });
        let mut problems = Vec::new();
        let root = parse::document(&source, &mut problems);
        if let Some(problem) = problems.into_iter().next() {
            return Err(NotCanonical(problem.title));
        }
        let files = vec![path.to_owned()];
        Self::from_tree(root, files).map_err(|error| NotCanonical(error.to_string()))
    }

    /// The place of a value, by its JSON Pointer into the configuration; none where there is no
    /// such value.
    pub fn place(&self, pointer: &str) -> Option<Place> {
        match self.root.locate(pointer) {
            (node, None) => Some(node.place.clone()),
            (_, Some(_)) => None,
        }
    }

    /// A problem at a value, by its JSON Pointer into the configuration: at the nearest value
    /// around it where there is none.
    pub fn problem(&self, pointer: &str, code: &'static str, title: impl Into<String>) -> Problem {
        let problem = Problem::new(code, title);
        let (node, missing) = self.root.locate(pointer);
        let label = missing
            .map(|key| format!("there is no `{key}` here"))
            .unwrap_or_default();
        problem.at(node.place.clone(), label)
    }

    /// A problem that a plugin found in its own settings. `pointer` is a JSON Pointer into them;
    /// `plugin` is what found it, for example "strategy `canary` 0.1.0".
    pub fn problem_at(
        &self,
        section: &PluginUse,
        pointer: &str,
        message: &str,
        plugin: &str,
    ) -> Problem {
        let problem = self.problem(&format!("{}{pointer}", section.pointer), "plugin", message);
        problem.note(
            self.place(&format!("{}/use", section.pointer)),
            format!("checked by {plugin}"),
        )
    }

    /// Holds the settings of a section against the plugin's JSON Schema: unknown and missing
    /// keys, wrong types, numbers out of range. What the schema says beyond that is not checked.
    pub fn check_settings(
        &self,
        section: &PluginUse,
        schema: &Value,
        plugin: &str,
    ) -> Vec<Problem> {
        let (node, None) = self.root.locate(&section.pointer) else {
            return Vec::new();
        };
        let key = pointer::keys(&section.pointer).next().unwrap_or_default();
        let internal = schema::internal();
        let kind = Kind::ALL.into_iter().find(|kind| kind.section() == key);
        let own = kind
            .map(|kind| schema::host_keys(&internal, kind))
            .unwrap_or_default();
        let used = node.get("use").map(|used| &used.place);
        let problems = structure::check_settings(node, schema, &own).into_iter();
        problems
            .map(|problem| problem.note(used.cloned(), format!("checked by {plugin}")))
            .collect()
    }
}

/// The same value with the keys of all objects sorted, whatever their order was.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let entries: BTreeMap<_, _> = entries.into_iter().collect();
            entries
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}
