//! Tells an event in a sentence: for plain output, the log and the lines above the board.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use engine::{
    Admission, Approvers, Code, Effect, Event, Failure, Intent, Name, Operation, Origin, Outcome,
    Signal, StepRule, Traffic, Verdict, Wish,
};
use serde_json::{Value, json};

use super::facts;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// For whoever looks closely.
    Debug,
    /// For everyone.
    Info,
    /// Something went wrong that the deployment can live with.
    Warn,
    /// Something went wrong.
    Error,
}

impl Level {
    /// The word for it in a log line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// An event in words.
#[derive(Clone, Debug)]
pub(crate) struct Sentence {
    /// How much it matters.
    pub(crate) level: Level,
    /// The sentence.
    pub(crate) text: String,
    /// The same for programs.
    pub(crate) context: Value,
}

/// What to say of an event in a deployment with these steps; nothing where it is not worth a line.
pub(crate) fn tell(event: &Event<'_>, steps: &[StepRule]) -> Option<Sentence> {
    let (level, text, context) = match event {
        Event::Started(intent) => (
            Level::Debug,
            format!("{} …", doing(intent, steps)?),
            facts::of_intent(intent, steps),
        ),
        Event::Ended(intent, outcome) => return ended(intent, outcome, steps),
        Event::Stage(stage) => (
            Level::Info,
            format!("stage: {stage}"),
            json!({ "stage": stage }),
        ),
        // The change itself was told already.
        Event::Traffic(traffic) => (
            Level::Debug,
            format!("traffic: {}", shares(traffic)),
            json!({ "traffic": traffic }),
        ),
        Event::LeftOut { target, failure } => (
            Level::Warn,
            format!("left out {target}: {failure}"),
            json!({ "target": target, "failure": facts::of_failure(failure) }),
        ),
        Event::Resumed { records, drift } => (
            Level::Info,
            resumed(*records, drift),
            json!({ "records": records, "drift": drift }),
        ),
        Event::Undoing { cause } => (
            Level::Error,
            "taking everything back".to_owned(),
            json!({ "cause": facts::of_failure(cause) }),
        ),
        Event::Health {
            target,
            proven: false,
        } => (
            Level::Debug,
            format!("{target} is not proven healthy"),
            json!({ "target": target }),
        ),
        Event::Closed(verdict) => {
            let level = match verdict {
                Verdict::Succeeded { .. } => Level::Info,
                _ => Level::Error,
            };
            (level, closing(verdict), facts::of_verdict(verdict))
        }
        _ => return from_outside(event),
    };
    Some(Sentence {
        level,
        text,
        context,
    })
}

/// What has to do with people outside: what they are asked, and what they said.
fn from_outside(event: &Event<'_>) -> Option<Sentence> {
    let (level, text, context) = match event {
        Event::Waiting {
            effect:
                Effect::Approval {
                    question,
                    approvers,
                    ..
                },
            ..
        } => (
            Level::Warn,
            asks(question, approvers),
            json!({ "question": question, "approvers": approvers }),
        ),
        Event::Heeded(signal) => (Level::Warn, heeded(signal), json!({ "signal": signal })),
        Event::Interrupted(interruption) => (
            Level::Warn,
            format!(
                "asked to stop by {}: {}",
                interruption.by, interruption.reason
            ),
            json!({ "by": interruption.by, "reason": interruption.reason }),
        ),
        _ => return None,
    };
    Some(Sentence {
        level,
        text,
        context,
    })
}

/// Where the cause of a verdict says who asked to take the deployment back.
const TAKEN_BACK_BY: &str = "taken-back-by";

/// The cause of a deployment's end where somebody asked to take it back.
pub(crate) fn taken_back_by(actor: &str) -> Failure {
    let text = format!("{actor} asked to take the deployment back");
    Failure {
        details: json!({ TAKEN_BACK_BY: actor }),
        ..Failure::new(Code::Interrupted, text)
    }
}

/// The end, in one line.
pub(crate) fn closing(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Succeeded { left_out } if left_out.is_empty() => "succeeded".to_owned(),
        Verdict::Succeeded { left_out } => {
            let names = left_out
                .iter()
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>();
            let were = if names.len() == 1 { "was" } else { "were" };
            format!(
                "succeeded without {}, which {were} left out",
                names.join(", ")
            )
        }
        Verdict::RolledBack { cause } if !cause.details[TAKEN_BACK_BY].is_null() => {
            "was taken back; everything is as it was before it".to_owned()
        }
        Verdict::Refused { cause } if !cause.details[TAKEN_BACK_BY].is_null() => {
            "was taken back; nothing had been changed".to_owned()
        }
        Verdict::RolledBack { cause } => {
            format!("failed and was rolled back; everything is as it was: {cause}")
        }
        Verdict::Stuck { cause, .. } => {
            format!("is stuck: not everything could be taken back: {cause}")
        }
        Verdict::Frozen { cause, .. } => {
            format!("is frozen where it failed, nothing was taken back: {cause}")
        }
        Verdict::Refused { cause } => format!("was refused, nothing was changed: {cause}"),
        Verdict::Halted { halt } => format!("does not go on, nothing was touched: {halt}"),
        Verdict::Left => "was left to another process, which goes on with it".to_owned(),
        Verdict::Abandoned { cause } => {
            format!("was abandoned by this process, nothing was taken back: {cause}")
        }
    }
}

/// What is not as it was at the end of a deployment, and the commands that go on from there.
pub(crate) fn remedies(id: &str, verdict: &Verdict) -> Vec<String> {
    let (differences, ways): (&[String], _) = match verdict {
        Verdict::Stuck { differences, .. } => (
            differences,
            format!("`runtime retry {id}` tries to take it back again"),
        ),
        Verdict::Frozen { differences, .. } => (differences, both_ways(id)),
        Verdict::Abandoned { .. } => (&[], both_ways(id)),
        _ => return Vec::new(),
    };
    let differences = differences
        .iter()
        .map(|difference| format!("- {difference}"));
    differences.chain([ways]).collect()
}

/// The two ways on from a deployment that stands still.
pub(crate) fn both_ways(id: &str) -> String {
    format!("`runtime resume {id}` goes on with it, `runtime rollback {id}` takes it back")
}

fn resumed(records: u64, drift: &[String]) -> String {
    let mut text = format!("goes on after record {records}");
    if !drift.is_empty() {
        let _ = write!(
            text,
            ", with what was changed meanwhile: {}",
            drift.join("; ")
        );
    }
    text
}

fn asks(question: &str, approvers: &Approvers) -> String {
    let by: Vec<&str> = approvers.by.iter().map(String::as_str).collect();
    let needed = match approvers.needed {
        0 | 1 => String::new(),
        needed => format!("{needed} of "),
    };
    format!(
        "{question} `runtime approve` or `runtime reject`, by {needed}{}",
        by.join(", ")
    )
}

pub(crate) fn heeded(signal: &Signal) -> String {
    let what = match signal.wish {
        Wish::Pause => "paused",
        Wish::Continue => "goes on",
        Wish::Promote { full: false } => "promoted",
        Wish::Promote { full: true } => "promoted, past every wait that is left",
        Wish::Approve => "approved",
        Wish::Reject => "rejected",
        Wish::Abort => "asked to stop",
        Wish::Retry => "tried again",
    };
    let because = match signal.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    format!("{what} by {}{because}", signal.by)
}

fn ended(intent: &Intent, outcome: &Outcome, steps: &[StepRule]) -> Option<Sentence> {
    let took = outcome.ended.since_ms(intent.started);
    let context = facts::of_outcome(intent, outcome, steps);
    if let Err(failure) = &outcome.result {
        let text = match doing(intent, steps) {
            Some(what) => format!("{what} failed: {}", explained(intent, failure, outcome)),
            None => failure.message.clone(),
        };
        return Some(Sentence {
            level: Level::Error,
            text,
            context,
        });
    }
    // Those on which it failed are left out, and told as that.
    let text = match &outcome.report {
        Some(report) if !report.failed.is_empty() => done(&without(intent, &report.failed)?, steps),
        _ => done(intent, steps),
    };
    let text = format!("{} ({})", text?, duration(took));
    let level = match intent.effect {
        Some(Effect::ReadTraffic) => Level::Debug,
        _ => Level::Info,
    };
    match cut(outcome) {
        0 => Some(Sentence {
            level,
            text,
            context,
        }),
        count => {
            let text = format!("{text}; {}", cut_off(count));
            Some(Sentence {
                level: Level::Warn,
                text,
                context,
            })
        }
    }
}

/// Why, after what was tried: a target that was named there is not named again.
fn explained(intent: &Intent, failure: &Failure, outcome: &Outcome) -> String {
    let asked = intent.effect.as_ref().map(on).unwrap_or_default();
    let failed = match &outcome.report {
        Some(report) if report.failure.is_none() && !asked.is_empty() => &report.failed,
        _ => return failure.message.clone(),
    };
    let mut reasons = failed.iter();
    match (reasons.next(), reasons.next()) {
        (None, _) => failure.message.clone(),
        (Some((_, only)), None) if asked.len() == 1 => only.message.clone(),
        (Some((target, only)), None) => format!("{target}: {only}"),
        _ => failed
            .iter()
            .map(|(target, failure)| format!("\n    {target}: {failure}"))
            .collect(),
    }
}

/// The targets on which something is done, side by side.
fn on(effect: &Effect) -> BTreeSet<&Name> {
    match effect {
        Effect::Install { targets, .. }
        | Effect::Deactivate { targets }
        | Effect::Remove { targets, .. } => targets.iter().collect(),
        Effect::Activate { releases } | Effect::AwaitHealthy { releases, .. } => {
            releases.keys().collect()
        }
        _ => BTreeSet::new(),
    }
}

/// The same intent without these targets; none where that leaves nobody.
fn without(intent: &Intent, failed: &BTreeMap<Name, Failure>) -> Option<Intent> {
    let mut intent = intent.clone();
    let well = |name: &Name| !failed.contains_key(name);
    let left = match &mut intent.effect {
        Some(
            Effect::Install { targets, .. }
            | Effect::Deactivate { targets }
            | Effect::Remove { targets, .. },
        ) => {
            targets.retain(well);
            targets.len()
        }
        Some(Effect::Activate { releases } | Effect::AwaitHealthy { releases, .. }) => {
            releases.retain(|name, _| well(name));
            releases.len()
        }
        _ => return Some(intent),
    };
    (left > 0).then_some(intent)
}

/// How many requests or connections a drain cut off.
pub(crate) fn cut(outcome: &Outcome) -> u64 {
    let value = outcome.report.as_ref().map(|report| &report.value["cut"]);
    value.and_then(Value::as_u64).unwrap_or(0)
}

/// What a drain cut off, in words.
pub(crate) fn cut_off(count: u64) -> String {
    let what = if count == 1 {
        "connection was"
    } else {
        "connections were"
    };
    format!("{count} {what} still open when the time to drain was over, and may be cut")
}

/// What a record of a deployment with these steps is about, for lists.
pub(crate) fn describe(intent: &Intent, steps: &[StepRule]) -> String {
    let operation = match &intent.operation {
        Some(Operation::Begin { stage }) => Some(format!("stage: {stage}")),
        Some(Operation::Now) => Some("the time".to_owned()),
        Some(Operation::Split { shares }) if intent.effect.is_none() => {
            let part =
                |share: &engine::Share| format!("{} {}", share.group, percentage(share.percent));
            let parts: Vec<_> = shares.iter().map(part).collect();
            Some(format!("traffic to {}", parts.join(", ")))
        }
        Some(operation) if intent.effect.is_none() => Some(call(operation)),
        _ => None,
    };
    operation
        .or_else(|| phrase(intent, steps, ["install", "activate", "health of", "drain"]))
        .unwrap_or_default()
}

/// The name of a call, as the contract has it.
fn call(operation: &Operation) -> String {
    let written = serde_json::to_value(operation).unwrap_or_default();
    written["call"].as_str().unwrap_or_default().to_owned()
}

fn doing(intent: &Intent, steps: &[StepRule]) -> Option<String> {
    phrase(
        intent,
        steps,
        ["installing", "activating", "waiting for", "draining"],
    )
}

fn done(intent: &Intent, steps: &[StepRule]) -> Option<String> {
    phrase(
        intent,
        steps,
        ["installed", "activated", "proven healthy:", "drained"],
    )
}

fn phrase(
    intent: &Intent,
    steps: &[StepRule],
    [install, activate, healthy, drain]: [&str; 4],
) -> Option<String> {
    let undo = if matches!(intent.origin, Origin::Undo(_)) {
        "undo: "
    } else {
        ""
    };
    let text = match (&intent.effect, &intent.operation) {
        (Some(Effect::Install { targets, release }), _) => {
            format!("{install} {release} on {}", names(targets))
        }
        (Some(Effect::Activate { releases }), _) => {
            let ids: BTreeSet<&Name> = releases.values().collect();
            let ids = ids
                .iter()
                .map(|id| id.as_str())
                .collect::<Vec<_>>()
                .join(", ");
            format!("{activate} {ids} on {}", names(releases.keys()))
        }
        (Some(Effect::Deactivate { targets }), _) => format!("deactivate {}", names(targets)),
        (Some(Effect::Remove { targets, release }), _) => {
            format!("remove {release} from {}", names(targets))
        }
        (Some(Effect::AwaitHealthy { releases, .. }), _) => {
            format!("{healthy} {}", names(releases.keys()))
        }
        (Some(Effect::Apply { drained, .. }), Some(Operation::Drain { .. })) => {
            format!("{drain} {}", names(drained))
        }
        (Some(Effect::Apply { traffic, .. }), _) => format!("traffic to {}", shares(traffic)),
        (Some(Effect::Step { step, point, .. } | Effect::UndoStep { step, point, .. }), _) => {
            match steps.get(*step) {
                Some(rule) => format!("step \"{}\" at {}", rule.name, kebab(point)),
                None => format!("step {} at {}", step + 1, kebab(point)),
            }
        }
        (Some(Effect::Observe), _) => "look at every target and the load balancer".to_owned(),
        (Some(Effect::ReadTraffic), _) => "read the load balancer".to_owned(),
        (Some(Effect::Wait { .. }), _) => "wait".to_owned(),
        (Some(Effect::Watch { .. }), _) => "watch".to_owned(),
        (Some(Effect::Hold { pause }), _) => format!("pause by {}", pause.by),
        (Some(Effect::Approval { question, .. }), _) => format!("approval: {question}"),
        _ => return None,
    };
    Some(format!("{undo}{text}"))
}

/// Who wanted something, in a word.
pub(crate) fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Strategy => "strategy",
        Origin::Step => "step",
        Origin::Host => "host",
        Origin::Undo(_) => "undo",
        Origin::Turn(_) => "turn",
    }
}

/// Group by group, what part of the traffic each gets.
pub(crate) fn shares(traffic: &Traffic) -> String {
    if traffic.shares.is_empty() {
        return "nobody".to_owned();
    }
    let part = |(group, percent): (&Name, &f64)| format!("{group} {}", percentage(*percent));
    traffic
        .shares
        .iter()
        .map(part)
        .collect::<Vec<_>>()
        .join(", ")
}

/// `25 %`, `33.3 %`.
pub(crate) fn percentage(percent: f64) -> String {
    let rounded = (percent * 10.0).round() / 10.0;
    format!("{rounded} %")
}

/// `0.42 s`, `12.3 s`, `4m 05s`, `2h 03m`.
pub(crate) fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..10 => format!("{}.{:02} s", seconds, milliseconds % 1000 / 10),
        10..60 => format!("{}.{} s", seconds, milliseconds % 1000 / 100),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `1 target`, `2 targets`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// Up to six names, then how many more.
pub(crate) fn names<'a>(targets: impl IntoIterator<Item = &'a Name>) -> String {
    const SHOWN: usize = 6;
    let all: Vec<&str> = targets.into_iter().map(Name::as_str).collect();
    match all.len() {
        0 => "no target".to_owned(),
        count if count <= SHOWN => all.join(", "),
        count => format!("{} and {} more", all[..SHOWN].join(", "), count - SHOWN),
    }
}

/// What the load balancer does with a target, in a word.
pub(crate) fn word(admission: Admission) -> &'static str {
    match admission {
        Admission::Ready => "ready",
        Admission::Draining => "draining",
        Admission::Out => "out",
    }
}

fn kebab(point: &engine::Point) -> String {
    serde_json::to_value(point)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
