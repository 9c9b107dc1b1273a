//! Runs against the model, with strategies in Rust.

mod faults;
mod planted;
mod replays;
mod runs;

use std::sync::Arc;

use async_trait::async_trait;
use engine::{
    Approvers, BalancerTraits, Brief, Count, Failure, Health, Name, Operation, Operations, Point,
    Purpose, Release, Rules, Share, StepRule, Strategy, Target, World,
};
use serde_json::Value;

use crate::{Fault, Run, Scene, run};

fn name(text: &str) -> Name {
    Name::from(text)
}

fn brief() -> Brief {
    let release = |id: &str| Release {
        id: id.into(),
        version: id.into(),
        digest: "sha256:0".into(),
        labels: Vec::new(),
        details: Value::Null,
    };
    let target = |(name, group): (&str, &str)| Target {
        name: name.into(),
        address: None,
        group: group.into(),
        labels: Vec::new(),
        details: Value::Null,
    };
    Brief {
        id: "rehearsed".into(),
        application: "shop".into(),
        environment: "test".into(),
        purpose: Purpose::Deploy,
        release: release("v2"),
        previous: Some(release("v1")),
        targets: [
            ("a", "canary"),
            ("b", "stable"),
            ("c", "stable"),
            ("d", "stable"),
        ]
        .map(target)
        .to_vec(),
        bystanders: Default::default(),
        strategy: "script".into(),
        settings: Value::Null,
        rules: Rules {
            minimum_serving: None,
            tolerate: Count::Number(0),
            drain_ms: 30_000,
            downtime: false,
            idle: Default::default(),
            health: Health {
                unchecked: false,
                timeout_ms: 120_000,
            },
            automatic_rollback: true,
            approvers: Approvers::default(),
            steps: vec![StepRule {
                name: "smoke tests".into(),
                at: Point::BeforeTraffic,
                each: false,
                irreversible: false,
                repeat: true,
            }],
            balancer: Some(BalancerTraits {
                names: vec![
                    "shares".into(),
                    "drains".into(),
                    "weight-steps=10000".into(),
                ],
            }),
            platform: Vec::new(),
        },
    }
}

fn scene() -> Arc<Scene> {
    Arc::new(Scene::running(brief()))
}

fn names(targets: &[&str]) -> Vec<Name> {
    targets.iter().copied().map(Name::from).collect()
}

fn split(shares: &[(&str, f64)]) -> Operation {
    let share = |(group, percent): &(&str, f64)| Share {
        group: (*group).into(),
        percent: *percent,
    };
    Operation::Split {
        shares: shares.iter().map(share).collect(),
    }
}

fn install(targets: &[&str]) -> Operation {
    Operation::Install {
        targets: names(targets),
    }
}

/// Another release on targets that get no traffic now, proven.
fn switch(targets: &[&str]) -> [Operation; 2] {
    [
        Operation::Activate {
            targets: names(targets),
        },
        healthy(targets),
    ]
}

fn healthy(targets: &[&str]) -> Operation {
    Operation::AwaitHealthy {
        targets: names(targets),
        timeout_ms: None,
    }
}

fn soak() -> Operation {
    Operation::Wait {
        duration_ms: Some(300_000),
    }
}

/// A canary as it should be: one target at 10 and at 50 percent, then the others one by one.
fn canary() -> Vec<Operation> {
    let mut calls = vec![install(&["a", "b", "c", "d"]), split(&[("stable", 100.0)])];
    calls.extend(switch(&["a"]));
    for share in [10.0, 50.0] {
        calls.push(split(&[("canary", share), ("stable", 100.0 - share)]));
        calls.push(soak());
    }
    for target in ["b", "c", "d"] {
        calls.push(Operation::Drain {
            targets: names(&[target]),
            timeout_ms: None,
        });
        calls.extend(switch(&[target]));
        calls.push(Operation::Restore {
            targets: names(&[target]),
        });
    }
    calls.push(split(&[("canary", 25.0), ("stable", 75.0)]));
    calls
}

/// Makes its calls in order. Where it is careless, a failure does not keep it from the next.
#[derive(Clone)]
struct Script {
    calls: Vec<Operation>,
    careless: bool,
}

#[async_trait]
impl Strategy for Script {
    async fn run(&mut self, operations: &mut dyn Operations) -> Result<(), Failure> {
        for call in self.calls.clone() {
            let answer = operations.perform(call).await;
            if operations.over() || !self.careless {
                answer?;
            }
        }
        Ok(())
    }
}

type Made = Result<Box<dyn Strategy>, Failure>;

fn script(calls: Vec<Operation>) -> impl Fn(&World) -> Made + Sync {
    let careless = false;
    move |_| {
        Ok(Box::new(Script {
            calls: calls.clone(),
            careless,
        }))
    }
}

fn careless(calls: Vec<Operation>) -> impl Fn(&World) -> Made + Sync {
    move |_| {
        Ok(Box::new(Script {
            calls: calls.clone(),
            careless: true,
        }))
    }
}

/// The canary with these faults.
fn with(faults: &[Fault]) -> Run {
    run::run(&scene(), &script(canary()), 1, faults)
}
