//! The strategy of a deployment: the plugin, its settings, and what its manifest says that the
//! host must know before it starts.

use std::sync::Arc;

use configuration::Contents;
use engine::{BalancerTraits, Brief, Deployment, Failure, Name, Strategy as _, World};
use host::{LogSink, Plugin, StrategyPlugin};
use serde_json::Value;

use crate::{
    catalogue::{self, Used},
    report::{Problem, Reason},
};

/// Decides in what order targets get a release, and how traffic follows.
pub(crate) struct Strategy {
    plugin: Plugin,
    settings: Value,
    analysis: bool,
    logs: Arc<dyn LogSink>,
}

impl Strategy {
    /// Puts the strategy of a configuration together.
    pub(crate) fn new(used: &Used, contents: &Contents, logs: Arc<dyn LogSink>) -> Self {
        Self {
            plugin: used.plugin.clone(),
            settings: contents.strategy.settings.clone(),
            analysis: !contents.analysis.is_empty(),
            logs,
        }
    }

    /// The same for a thread of its own.
    pub(crate) async fn apart(&self) -> Result<Self, Problem> {
        Ok(Self {
            plugin: catalogue::apart(&self.plugin).await?,
            settings: self.settings.clone(),
            analysis: self.analysis,
            logs: self.logs.clone(),
        })
    }

    fn manifest(&self) -> &Value {
        &self.plugin.description().details
    }

    /// Groups that may end without traffic and on another release: those that the setting names
    /// to which the manifest points. A default counts only of a plugin that comes with the program:
    /// what loosens a rule is for the operator to write.
    pub(crate) fn idle_groups(&self) -> Vec<Name> {
        let Some(pointer) = self.manifest()["idle-groups"].as_str() else {
            return Vec::new();
        };
        let default = format!("/properties{pointer}/default");
        let groups = self.settings.pointer(pointer).or_else(|| {
            let schema = &self.plugin.description().settings_schema;
            schema.pointer(&default).filter(|_| self.plugin.bundled())
        });
        let groups = groups.and_then(Value::as_array).into_iter().flatten();
        groups
            .filter_map(|group| Some(Name::from(group.as_str()?)))
            .collect()
    }

    /// What it needs of a load balancer that this one does not have.
    pub(crate) fn lacks(&self, balancer: &BalancerTraits) -> Vec<String> {
        let needs = self.manifest()["needs"].as_array().into_iter().flatten();
        let needs = needs.filter_map(Value::as_str);
        needs
            .filter(|need| !balancer.has(need))
            .map(str::to_owned)
            .collect()
    }

    /// Whether it takes the application down, and whoever chose it knows: a plugin that comes with
    /// the program and says so of itself. Of any other the operator says it, in the limits.
    pub(crate) fn accepts_downtime(&self) -> bool {
        self.plugin.bundled() && self.manifest()["downtime"].as_bool().unwrap_or(false)
    }

    /// Makes its code ready: whoever polls it by hand cannot wait for that.
    pub(crate) async fn ready(&self) -> Result<(), Problem> {
        let ready = self.plugin.ready().await;
        ready.map_err(|failure| Problem::new(Reason::Configuration, failure.message))
    }

    /// The plugin.
    pub(crate) fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// The digest of its component.
    pub(crate) fn digest(&self) -> &str {
        self.plugin.digest()
    }

    /// Its component.
    pub(crate) fn bytes(&self) -> Arc<[u8]> {
        Arc::from(&*self.plugin.source().wasm)
    }

    /// Runs it to its end, in a deployment that has begun.
    pub(crate) async fn run(
        &self,
        brief: &Brief,
        deployment: &mut Deployment,
    ) -> Result<(), Failure> {
        let nothing = World::default();
        let world = deployment.found().unwrap_or(&nothing);
        self.prepared(brief, world)?.run(deployment).await
    }

    /// The strategy for a deployment that found the world so.
    pub(crate) fn prepared(&self, brief: &Brief, world: &World) -> Result<StrategyPlugin, Failure> {
        let subject = host::Deployment::new(brief, world, self.analysis);
        let (plugin, logs) = (self.plugin.clone(), self.logs.clone());
        Ok(StrategyPlugin::new(plugin, &subject, &self.settings, logs)?)
    }
}
