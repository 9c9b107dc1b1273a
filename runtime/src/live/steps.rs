//! The operator's steps: on this machine, on one that is named, or on the targets concerned.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use engine::{Brief, Call, Failure, Name, Point, Report, Target};
use futures::future;
use serde_json::{Value, json};

use crate::live::Live;

/// Where a step runs.
pub(crate) enum Location {
    /// In one place, with all targets concerned.
    Once(host::Step),
    /// On the machine of each target concerned.
    Targets(BTreeMap<Name, host::Step>),
}

impl Location {
    /// The plugin with its settings, which are the same everywhere.
    pub(crate) fn worker(&self) -> Option<&host::Worker> {
        match self {
            Self::Once(step) => Some(step.worker()),
            Self::Targets(steps) => steps.values().next().map(host::Step::worker),
        }
    }
}

/// One of the operator's steps.
pub(crate) struct Step {
    /// Where.
    pub(crate) location: Location,
    /// How long it may take.
    pub(crate) timeout: Duration,
    /// Whether there is anything to take back of it.
    pub(crate) reversible: bool,
    /// What the deployment is about.
    pub(crate) brief: Arc<Brief>,
}

impl Live {
    pub(super) async fn step(
        &self,
        index: usize,
        point: Point,
        targets: &BTreeSet<Name>,
        call: &Call,
    ) -> Report {
        let Some(step) = self.steps.get(index) else {
            return unknown(index);
        };
        if let Some(worker) = step.location.worker()
            && let Err(failure) = worker.prepare().await
        {
            return Report {
                value: not_begun(),
                ..Report::failed(failure)
            };
        }
        let targets = self.concerned(targets);
        match &step.location {
            Location::Once(worker) => {
                let occasion = step.occasion(point, targets);
                let context = self.subject.call(call, "step", step.timeout);
                match worker.run(&occasion, &context).await {
                    Ok(value) => Report {
                        value,
                        ..Report::default()
                    },
                    Err(failure) => Report::failed(failure),
                }
            }
            Location::Targets(workers) => {
                let runs = targets.into_iter().filter_map(|target| {
                    let worker = workers.get(&target.name)?;
                    let name = target.name.clone();
                    let context = self
                        .subject
                        .call(call, &format!("step/{name}"), step.timeout);
                    let occasion = step.occasion(point, vec![target]);
                    Some(async move { (name, worker.run(&occasion, &context).await) })
                });
                gather(future::join_all(runs).await)
            }
        }
    }

    pub(super) async fn undo_step(
        &self,
        index: usize,
        point: Point,
        targets: &BTreeSet<Name>,
        outcome: &Value,
        call: &Call,
    ) -> Report {
        let Some(step) = self.steps.get(index) else {
            return unknown(index);
        };
        if !step.reversible || *outcome == not_begun() {
            return Report::default();
        }
        let targets = self.concerned(targets);
        match &step.location {
            Location::Once(worker) => {
                let occasion = step.occasion(point, targets);
                let context = self.subject.call(call, "undo-step", step.timeout);
                match worker.undo(&occasion, outcome, &context).await {
                    Ok(()) => Report::default(),
                    Err(failure) => Report::failed(failure),
                }
            }
            Location::Targets(workers) => {
                let runs = targets.into_iter().filter_map(|target| {
                    let worker = workers.get(&target.name)?;
                    let name = target.name.clone();
                    let part = format!("undo-step/{name}");
                    let context = self.subject.call(call, &part, step.timeout);
                    let outcome = outcome.get(name.as_str()).cloned().unwrap_or(Value::Null);
                    let occasion = step.occasion(point, vec![target]);
                    Some(async move {
                        let undone = worker.undo(&occasion, &outcome, &context).await;
                        (name, undone.map(|()| Value::Null))
                    })
                });
                gather(future::join_all(runs).await)
            }
        }
    }

    fn concerned(&self, targets: &BTreeSet<Name>) -> Vec<Target> {
        targets
            .iter()
            .filter_map(|name| self.subject.targets.get(name))
            .cloned()
            .collect()
    }
}

impl Step {
    fn occasion(&self, point: Point, targets: Vec<Target>) -> host::Occasion {
        let brief = &self.brief;
        host::Occasion {
            deployment: brief.id.clone(),
            application: brief.application.clone(),
            environment: brief.environment.clone(),
            point,
            purpose: brief.purpose,
            release: brief.release.clone(),
            previous: brief.previous.clone(),
            targets,
            details: json!({}),
        }
    }
}

/// What the runs on several targets come to: outcomes by target's name.
fn gather(runs: Vec<(Name, Result<Value, Failure>)>) -> Report {
    let mut report = Report::default();
    let mut outcomes = serde_json::Map::new();
    for (name, result) in runs {
        match result {
            Ok(value) => drop(outcomes.insert(name.to_string(), value)),
            Err(failure) => drop(report.failed.insert(name, failure)),
        }
    }
    report.value = Value::Object(outcomes);
    report
}

/// Stands in the record as the outcome of a step whose plugin was never called: nothing is to be
/// taken back of it.
fn not_begun() -> Value {
    json!({ "runtime": "not begun" })
}

fn unknown(index: usize) -> Report {
    let text = format!("the configuration has no step number {}", index + 1);
    Report::failed(Failure::new(engine::Code::Internal, text))
}
