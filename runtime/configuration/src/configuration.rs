//! The checked configuration: everything that the operator wrote, typed, with its places.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    contents::Contents,
    parse,
    plugin::{Kind, PluginUse},
    pointer,
    problem::Problem,
    schema,
    source::{Place, Source},
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

/// A value that is not the canonical form of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no configuration as this version keeps it: {0}")]
pub struct NotCanonical(String);

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
        let kind = Kind::ALL.into_iter().find(|kind| kind.section() == key);
        let own = kind
            .map(|kind| schema::host_keys(schema::internal(), kind))
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
