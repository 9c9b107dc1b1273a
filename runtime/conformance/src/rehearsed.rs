//! A strategy against a model of the world in which everything goes wrong, over and over: nothing
//! that must hold is broken, and it comes to an end.

use std::{collections::BTreeSet, sync::Arc};

use engine::{
    Approvers, BalancerTraits, Brief, Count, Failure, Health, Name, Purpose, Rules, Strategy,
    Target, World,
};
use host::{Deployment, HostError, Plugin, Services, StrategyPlugin};
use rehearsal::{Finding, Plan, Scene, Strategies, Whose};
use serde_json::Value;

use crate::{
    case::{Case, Cases},
    subject,
};

const GROUP: &str = "rehearsal";

/// The seed of the first run: the same in each test, so that what was found is found again.
const SEED: u64 = 1;

/// Targets in a group that is one of several which a strategy names, or that it names alone, and in
/// the one that it names not: enough to lose one.
const ONE_OF_SEVERAL: usize = 2;
const ALONE: usize = 1;
const REST: usize = 3;

/// What the model's load balancer can do.
const TRAITS: [&str; 4] = ["shares", "drains", "counts-active", "weight-steps=10000"];

/// Tries a strategy with these settings in so many runs of each scene, over these targets; where
/// none are given, over some in the groups that it asks for. The `others` are the same plugin once
/// more, each for a thread of its own. Must not be called from a thread that others wait on.
pub fn rehearsed(
    plugin: &Plugin,
    others: &[Plugin],
    settings: &Value,
    targets: Vec<Target>,
    runs: u64,
) -> Vec<Case> {
    let mut cases = Cases::default();
    let actor = Actor { plugin, settings };
    let targets = if targets.is_empty() {
        actor.fleet()
    } else {
        targets
    };
    let brief = Arc::new(actor.brief(targets));
    let targets = brief.targets.len();
    let plan = Plan { runs, seed: SEED };
    let scenes = [
        (
            "over a release that runs",
            Scene::running(Arc::clone(&brief)),
        ),
        ("where nothing runs yet", Scene::empty(Arc::clone(&brief))),
    ];
    for (what, scene) in scenes {
        let name = format!("in {runs} runs with {targets} targets, {what}, no rule is broken");
        let beside = |plugin| Actor { plugin, settings }.strategies(&scene);
        let strategies = actor.strategies(&scene);
        let others: Result<Vec<_>, _> = others.iter().map(beside).collect();
        match (strategies, others) {
            (Ok(strategies), Ok(others)) => {
                let others = others.iter().map(|it| it as &dyn Strategies);
                let others: Vec<_> = others.collect();
                let summary = rehearsal::rehearse(&scene, &strategies, &others, plan);
                cases.tried(GROUP, name, told(&summary.findings));
            }
            (Err(error), _) | (_, Err(error)) => {
                cases.tried(GROUP, name, vec![error.to_string()]);
            }
        }
    }
    cases.all()
}

/// One reason for each rule: the finding with the fewest faults.
fn told(findings: &[Finding]) -> Vec<String> {
    let mut rules: BTreeSet<&str> = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut findings: Vec<&Finding> = findings.iter().collect();
    findings.sort_by_key(|finding| finding.faults.len());
    for finding in findings {
        let faults: Vec<String> = finding.faults.iter().map(ToString::to_string).collect();
        let faults = match faults.is_empty() {
            true => "with nothing going wrong".to_owned(),
            false => format!("where {}", faults.join("; ")),
        };
        for broken in &finding.broken {
            if rules.insert(&broken.rule) {
                let whose = match broken.by {
                    Whose::Strategy => "",
                    Whose::Program => " (a fault of the program: please report it)",
                };
                wrong.push(format!("{broken}{whose}, {faults} (seed {})", finding.seed));
            }
        }
    }
    wrong
}

struct Actor<'a> {
    plugin: &'a Plugin,
    settings: &'a Value,
}

impl Actor<'_> {
    /// The setting to which the manifest points, or its default.
    fn pointed_at(&self, pointer: &Value) -> Option<&Value> {
        let pointer = pointer.as_str()?;
        let schema = &self.plugin.description().settings_schema;
        let default = || schema.pointer(&format!("/properties{pointer}/default"));
        self.settings.pointer(pointer).or_else(default)
    }

    /// Groups that a setting names, one or several.
    fn groups(&self, pointer: &Value) -> Vec<String> {
        let named = match self.pointed_at(pointer) {
            Some(Value::Array(names)) => names.iter().collect(),
            Some(name) => vec![name],
            None => Vec::new(),
        };
        let names = named.into_iter().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    }

    /// A fleet with the groups that the strategy asks for.
    fn fleet(&self) -> Vec<Target> {
        let asked = &self.plugin.description().details["groups"];
        let mut named = self.groups(&asked["setting"]);
        named.retain(|group| asked["unless"] != group.as_str());
        let size = if named.len() == 1 {
            ALONE
        } else {
            ONE_OF_SEVERAL
        };
        let only = asked["targets"] == "only" && !named.is_empty();
        let mut groups: Vec<(String, usize)> =
            named.into_iter().map(|group| (group, size)).collect();
        if !only {
            groups.push(("rest".to_owned(), REST));
        }
        let names = groups
            .iter()
            .flat_map(|(group, size)| (1..=*size).map(move |number| (group, number)));
        let target = |(place, (group, number)): (usize, (&String, usize))| {
            let address = format!("192.0.2.{}:8080", place + 1);
            subject::target(&format!("{group}{number}"), &address, group)
        };
        names.enumerate().map(target).collect()
    }

    fn brief(&self, targets: Vec<Target>) -> Brief {
        let details = &self.plugin.description().details;
        let idle = self.groups(&details["idle-groups"]);
        Brief {
            id: "rehearsed".to_owned(),
            application: "shop".to_owned(),
            environment: "production".to_owned(),
            purpose: Purpose::Deploy,
            release: subject::new(),
            previous: Some(subject::old()),
            targets,
            bystanders: BTreeSet::new(),
            strategy: self.plugin.name().to_owned(),
            settings: self.settings.clone(),
            rules: Rules {
                minimum_serving: None,
                tolerate: Count::Number(0),
                drain_ms: 30_000,
                downtime: details["downtime"] == true,
                idle: idle.into_iter().map(Name::from).collect(),
                health: Health {
                    unchecked: false,
                    timeout_ms: 300_000,
                },
                automatic_rollback: true,
                approvers: Approvers::default(),
                steps: Vec::new(),
                balancer: Some(BalancerTraits {
                    names: TRAITS.map(str::to_owned).to_vec(),
                }),
                platform: Vec::new(),
            },
        }
    }

    /// What runs in a scene.
    fn strategies(
        &self,
        scene: &Scene,
    ) -> Result<impl Fn(&World) -> Result<Box<dyn Strategy>, Failure> + Sync + use<>, HostError>
    {
        let logs = Services::nothing().logs;
        let (plugin, settings) = (self.plugin.clone(), self.settings.clone());
        let brief = Arc::clone(scene.brief());
        let made = move |found: &World| {
            let told = Deployment::new(&brief, found, false);
            StrategyPlugin::new(plugin.clone(), &told, &settings, logs.clone())
        };
        let whole = made(&scene.found())?;
        Ok(move |found: &World| {
            // What is found is nearly always the same.
            let strategy = match found.unreachable.is_empty() {
                true => whole.clone(),
                false => made(found)?,
            };
            Ok(Box::new(strategy) as Box<dyn Strategy>)
        })
    }
}
