//! What happens, stage by stage: each record that the deployment would write, at its time by the
//! model.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use engine::{
    Brief, Effect, Event, Failure, Fleet, Intent, Name, Observer, Operation, Outcome, Timestamp,
    Traffic, Verdict, World,
};
use rehearsal::Run;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{display, exit};

/// Shares that differ by less, in percent, are the same.
const SAME_PERCENT: f64 = 0.005;

/// What a deployment would do, and how it would end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Course {
    /// In their order; what comes before the strategy's first stage has no name.
    pub(crate) stages: Vec<Stage>,
    /// How long it takes, in milliseconds.
    pub(crate) took_ms: u64,
    /// How much of that is waiting for time to go by, or for people.
    pub(crate) waits_ms: u64,
    /// The fewest targets that serve at any time.
    pub(crate) least_serving: usize,
    /// How it ends with nothing going wrong: `succeeded`, `refused`, …
    pub(crate) verdict: String,
    /// Why it did not succeed.
    pub(crate) cause: Option<Failure>,
    /// Targets that are left out, and why.
    pub(crate) left_out: BTreeMap<Name, Failure>,
    /// The exit code that it ends with.
    pub(crate) exit_code: u8,
    /// Rules that the strategy breaks with nothing going wrong.
    pub(crate) broken: Vec<String>,
}

/// A named part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Stage {
    pub(crate) name: Option<String>,
    /// From the beginning of the deployment.
    pub(crate) at_ms: u64,
    pub(crate) took_ms: u64,
    pub(crate) operations: Vec<PlannedCall>,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct PlannedCall {
    /// Its place in the record, from 1.
    pub(crate) number: u64,
    /// Who wants it: `strategy`, `step`, `host`, `undo` or `turn`.
    pub(crate) by: String,
    /// For people.
    pub(crate) what: String,
    /// From the beginning of the deployment.
    pub(crate) at_ms: u64,
    pub(crate) took_ms: u64,
    /// What the strategy asks for, as `show --format json` has it.
    pub(crate) operation: Option<Value>,
    /// What is done, as `show --format json` has it, but for points in time: `for-ms` in the place
    /// of `since` and `until`.
    pub(crate) effect: Option<Value>,
    /// The targets that something is done on.
    pub(crate) targets: Vec<Name>,
    /// The operator's step that runs, by name.
    pub(crate) step: Option<String>,
    /// Groups whose share changes.
    pub(crate) groups: Vec<Shift>,
    /// Targets whose part of the traffic changes.
    pub(crate) traffic: Vec<Shift>,
    /// Why it fails.
    pub(crate) failure: Option<Failure>,
}

/// What part of the traffic somebody gets, in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shift {
    pub(crate) name: Name,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Course {
    /// Every operation, in its order.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &PlannedCall> {
        self.stages.iter().flat_map(|stage| &stage.operations)
    }

    /// Whether it comes to the end that was wanted, but perhaps for targets that are left out.
    pub(crate) fn succeeds(&self) -> bool {
        matches!(self.exit_code, exit::DONE | exit::LEFT_OUT)
    }
}

/// Hears a deployment in the model, and writes down what it does.
pub(super) struct Listener {
    brief: Arc<Brief>,
    heard: Mutex<Heard>,
}

struct Heard {
    began: Option<Timestamp>,
    stages: Vec<Stage>,
    groups: BTreeMap<Name, f64>,
    percents: BTreeMap<Name, f64>,
    waits_ms: u64,
    verdict: Option<Verdict>,
}

impl Listener {
    /// For a deployment that finds the world so.
    pub(super) fn new(brief: &Arc<Brief>, world: &World) -> Self {
        let fleet = Fleet::new(Arc::clone(brief), world);
        let percents: BTreeMap<Name, f64> = fleet
            .targets()
            .map(|view| (view.name.clone(), view.percent))
            .collect();
        let mut groups = BTreeMap::new();
        for view in fleet.targets() {
            *groups.entry(view.group.clone()).or_insert(0.0) += view.percent;
        }
        Self {
            brief: Arc::clone(brief),
            heard: Mutex::new(Heard {
                began: None,
                stages: vec![Stage::new(None, 0)],
                groups,
                percents,
                waits_ms: 0,
                verdict: None,
            }),
        }
    }

    /// What it heard, of a run that is over.
    pub(super) fn course(&self, run: &Run) -> Course {
        let heard = self.lock();
        let mut stages = heard.stages.clone();
        stages.retain(|stage| stage.name.is_some() || !stage.operations.is_empty());
        let verdict = heard.verdict.clone();
        let facts = verdict
            .as_ref()
            .and_then(|it| serde_json::to_value(it).ok());
        let name = facts.and_then(|facts| facts["verdict"].as_str().map(str::to_owned));
        let (cause, left_out) = match &verdict {
            Some(Verdict::Succeeded { left_out }) => (None, left_out.iter().cloned().collect()),
            Some(
                Verdict::RolledBack { cause }
                | Verdict::Refused { cause }
                | Verdict::Stuck { cause, .. }
                | Verdict::Frozen { cause, .. }
                | Verdict::Abandoned { cause },
            ) => (Some(cause.clone()), BTreeMap::new()),
            Some(Verdict::Halted { .. } | Verdict::Left) | None => (None, BTreeMap::new()),
        };
        Course {
            stages,
            took_ms: run.took_ms,
            waits_ms: heard.waits_ms,
            least_serving: run.least_serving,
            verdict: name.unwrap_or_else(|| "unfinished".to_owned()),
            cause,
            left_out,
            exit_code: verdict.as_ref().map_or(exit::FROZEN, exit::of),
            broken: run.broken.iter().map(ToString::to_string).collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, heard: &mut Heard, intent: &Intent, outcome: &Outcome) {
        let began = heard.began.unwrap_or(intent.started);
        let at_ms = intent.started.since_ms(began);
        let took_ms = outcome.ended.since_ms(intent.started);
        if let Some(Operation::Begin { stage }) = &intent.operation {
            heard.stages.push(Stage::new(Some(stage.clone()), at_ms));
        }
        let (groups, traffic) = match &intent.effect {
            Some(Effect::Apply { traffic, .. }) if outcome.result.is_ok() => {
                self.changes(heard, traffic)
            }
            _ => (Vec::new(), Vec::new()),
        };
        if let Some(Effect::Wait { .. } | Effect::Watch { .. } | Effect::Approval { .. }) =
            &intent.effect
        {
            heard.waits_ms += took_ms;
        }
        let steps = &self.brief.rules.steps;
        let step = match &intent.effect {
            Some(Effect::Step { step, .. } | Effect::UndoStep { step, .. }) => steps.get(*step),
            _ => None,
        };
        let planned = PlannedCall {
            number: intent.sequence,
            by: display::origin(intent.origin).to_owned(),
            what: display::describe(intent, steps),
            at_ms,
            took_ms,
            operation: intent.operation.as_ref().map(|operation| json!(operation)),
            effect: intent.effect.as_ref().map(timeless),
            targets: concerned(intent.effect.as_ref()),
            step: step.map(|step| step.name.clone()),
            groups,
            traffic,
            failure: outcome.result.as_ref().err().cloned(),
        };
        if let Some(stage) = heard.stages.last_mut() {
            stage.operations.push(planned);
            stage.took_ms = (at_ms + took_ms).saturating_sub(stage.at_ms);
        }
    }

    /// What a change of the traffic means for groups and targets.
    fn changes(&self, heard: &mut Heard, traffic: &Traffic) -> (Vec<Shift>, Vec<Shift>) {
        let percents = traffic.percents(&self.brief.targets);
        let group = |name: &Name| traffic.share(name.as_str());
        let groups = heard.groups.keys().map(|name| (name.clone(), group(name)));
        let groups: BTreeMap<Name, f64> = groups.collect();
        let changed = (
            differing(&heard.groups, &groups),
            differing(&heard.percents, &percents),
        );
        (heard.groups, heard.percents) = (groups, percents);
        changed
    }
}

impl Observer for Listener {
    fn event(&self, at: Timestamp, event: &Event<'_>) {
        let mut heard = self.lock();
        match event {
            Event::Started(intent) => drop(heard.began.get_or_insert(intent.started)),
            Event::Ended(intent, outcome) => self.ended(&mut heard, intent, outcome),
            Event::Closed(verdict) => heard.verdict = Some(Verdict::clone(verdict)),
            _ => drop(heard.began.get_or_insert(at)),
        }
    }
}

impl Stage {
    fn new(name: Option<String>, at_ms: u64) -> Self {
        Self {
            name,
            at_ms,
            took_ms: 0,
            operations: Vec::new(),
        }
    }
}

fn differing(before: &BTreeMap<Name, f64>, after: &BTreeMap<Name, f64>) -> Vec<Shift> {
    let shift = |(name, to): (&Name, &f64)| {
        let from = before.get(name).copied().unwrap_or(0.0);
        ((from - to).abs() > SAME_PERCENT).then(|| Shift {
            name: name.clone(),
            from,
            to: *to,
        })
    };
    after.iter().filter_map(shift).collect()
}

/// An effect without points in time: they are the model's.
fn timeless(effect: &Effect) -> Value {
    let mut facts = serde_json::to_value(effect).unwrap_or_default();
    let Some(fields) = facts.as_object_mut() else {
        return facts;
    };
    let (since, until) = (fields.remove("since"), fields.remove("until"));
    let number = |value: Option<Value>| value.as_ref().and_then(Value::as_u64);
    if let (Some(since), Some(until)) = (number(since), number(until)) {
        fields.insert("for-ms".to_owned(), json!(until.saturating_sub(since)));
    }
    facts
}

fn concerned(effect: Option<&Effect>) -> Vec<Name> {
    match effect {
        Some(
            Effect::Install { targets, .. }
            | Effect::Deactivate { targets }
            | Effect::Remove { targets, .. }
            | Effect::Step { targets, .. }
            | Effect::UndoStep { targets, .. },
        ) => targets.iter().cloned().collect(),
        Some(Effect::Activate { releases } | Effect::AwaitHealthy { releases, .. }) => {
            releases.keys().cloned().collect()
        }
        Some(Effect::Apply {
            drained, joining, ..
        }) => drained.union(joining).cloned().collect(),
        Some(Effect::Watch {
            candidate,
            baseline,
            ..
        }) => candidate.union(baseline).cloned().collect(),
        _ => Vec::new(),
    }
}
