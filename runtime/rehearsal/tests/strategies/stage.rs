//! A strategy that comes with the program, and fleets for it to go through.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use engine::{
    Approvers, BalancerTraits, Brief, Count, Failure, Health, Name, Purpose, Release, Rules,
    Strategy, Target, World,
};
use host::{Deployment, Host, HostOptions, Kind, Plugin, PluginSource, Services, StrategyPlugin};
use rehearsal::Scene;
use serde_json::Value;

/// One strategy with its settings.
pub(crate) struct Stage {
    plugin: Plugin,
    settings: Value,
}

impl Stage {
    /// A strategy that comes with the program.
    pub(crate) fn bundled(name: &str, settings: Value) -> Self {
        let bundled = bundle::plugin("strategy", name).expect("it comes with the program");
        let source = PluginSource {
            name: name.to_owned(),
            kind: Some(Kind::Strategy),
            wasm: Bytes::from_static(bundled.wasm),
            digest: bundled.digest.to_owned(),
            bundled: true,
        };
        let threads = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let plugin = threads.expect("threads").block_on(async {
            let options = HostOptions {
                cache_directory: None,
                pooled: 2,
            };
            let host = Host::new(options).expect("the engine starts");
            host.load(source).await.expect("the strategy loads")
        });
        Self { plugin, settings }
    }

    /// A deployment with it to these targets.
    pub(crate) fn brief(&self, targets: Vec<Target>) -> Brief {
        let details = &self.plugin.description().details;
        let schema = &self.plugin.description().settings_schema;
        let idle = details["idle-groups"].as_str().and_then(|pointer| {
            let default = schema.pointer(&format!("/properties{pointer}/default"));
            self.settings.pointer(pointer).or(default)
        });
        let idle = idle.and_then(Value::as_array).into_iter().flatten();
        let release = |id: &str| Release {
            id: id.into(),
            version: id.into(),
            digest: "sha256:0".into(),
            labels: Vec::new(),
            details: Value::Null,
        };
        Brief {
            id: "rehearsed".into(),
            application: "shop".into(),
            environment: "production".into(),
            purpose: Purpose::Deploy,
            release: release("v2"),
            previous: Some(release("v1")),
            targets,
            bystanders: BTreeSet::new(),
            strategy: self.plugin.name().to_owned(),
            settings: self.settings.clone(),
            rules: Rules {
                minimum_serving: None,
                tolerate: Count::Number(0),
                drain_ms: 30_000,
                downtime: details["downtime"].as_bool().unwrap_or(false),
                idle: idle.filter_map(Value::as_str).map(Name::from).collect(),
                health: Health {
                    unchecked: false,
                    timeout_ms: 300_000,
                },
                automatic_rollback: true,
                approvers: Approvers::default(),
                steps: Vec::new(),
                balancer: Some(BalancerTraits {
                    names: ["shares", "drains", "counts-active", "weight-steps=10000"]
                        .map(str::to_owned)
                        .to_vec(),
                }),
                platform: Vec::new(),
            },
        }
    }

    /// What a rehearsal of the scene runs.
    pub(crate) fn strategies(
        &self,
        scene: &Scene,
    ) -> impl Fn(&World) -> Result<Box<dyn Strategy>, Failure> + Sync + use<> {
        let logs = Services::nothing().logs;
        let (plugin, settings) = (self.plugin.clone(), self.settings.clone());
        let brief = Arc::clone(scene.brief());
        let made = move |found: &World| {
            let told = Deployment::new(&brief, found, false);
            StrategyPlugin::new(plugin.clone(), &told, &settings, logs.clone())
        };
        let whole = made(&scene.found()).expect("it is a strategy");
        move |found| {
            // What is found is nearly always the same.
            let strategy = match found.unreachable.is_empty() {
                true => whole.clone(),
                false => made(found)?,
            };
            Ok(Box::new(strategy) as Box<dyn Strategy>)
        }
    }
}

/// So many targets in each of these groups.
pub(crate) fn targets(groups: &[(&str, usize)]) -> Vec<Target> {
    let each = |(group, count): &(&str, usize)| {
        let group = Name::from(*group);
        (1..=*count).map(move |number| Target {
            name: Name::from(format!("{group}{number:04}")),
            address: Some(format!("10.0.{}.{}:8080", number / 250, number % 250)),
            group: group.clone(),
            labels: Vec::new(),
            details: Value::Null,
        })
    };
    groups.iter().flat_map(each).collect()
}
