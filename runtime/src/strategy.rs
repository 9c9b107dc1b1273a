//! The strategy of a deployment: the plugin, its settings, and what its manifest says that the
//! host must know before it starts.

use std::sync::Arc;

use bytes::Bytes;
use configuration::{Contents, PluginUse};
use engine::{Brief, Deployment, Failure, Name};
use host::{LogSink, StrategyPlugin};
use serde_json::Value;

use crate::{
    assemble,
    catalogue::Used,
    report::{Problem, Reason},
};

/// Decides in what order targets get a release, and how traffic follows.
pub(crate) struct Strategy {
    plugin: StrategyPlugin,
    wasm: Bytes,
    manifest: Value,
    schema: Value,
    settings: Value,
    details: Value,
}

impl Strategy {
    /// Puts a strategy together.
    pub(crate) fn new(
        used: &Used,
        section: &PluginUse,
        contents: &Contents,
        logs: Arc<dyn LogSink>,
        traits: &[String],
    ) -> Result<Self, Problem> {
        let description = used.plugin.description();
        let plugin = StrategyPlugin::new(used.plugin.clone(), logs)
            .map_err(|error| Problem::new(Reason::Configuration, error.to_string()))?;
        Ok(Self {
            plugin,
            wasm: used.wasm.clone(),
            manifest: description.details.clone(),
            schema: description.settings_schema.clone(),
            settings: section.settings.clone(),
            details: assemble::details(contents, traits),
        })
    }

    /// Groups that may end without traffic and on another release: those that the setting names
    /// to which the manifest points.
    pub(crate) fn idle_groups(&self) -> Vec<Name> {
        let Some(pointer) = self.manifest["idle-groups"].as_str() else { return Vec::new() };
        let default = format!("/properties{pointer}/default");
        let groups = self.settings.pointer(pointer).or_else(|| self.schema.pointer(&default));
        let groups = groups.and_then(Value::as_array).into_iter().flatten();
        groups.filter_map(|group| Some(Name::from(group.as_str()?))).collect()
    }

    /// Whether it says of itself that it takes the application down.
    pub(crate) fn accepts_downtime(&self) -> bool {
        self.manifest["downtime"].as_bool().unwrap_or(false)
    }

    /// The digest of its component.
    pub(crate) fn digest(&self) -> &str {
        self.plugin.plugin().digest()
    }

    /// Its component.
    pub(crate) fn bytes(&self) -> Arc<[u8]> {
        Arc::from(&*self.wasm)
    }

    /// Runs it to its end.
    pub(crate) async fn run(
        &self,
        brief: &Brief,
        deployment: &mut Deployment,
    ) -> Result<(), Failure> {
        let active = deployment.fleet().map(|fleet| fleet.active()).unwrap_or_default();
        let subject = host::StrategyDeployment {
            brief,
            active,
            region: None,
            details: self.details.clone(),
        };
        self.plugin.run(&subject, &self.settings, deployment).await
    }
}
