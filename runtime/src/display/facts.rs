//! What is told of an event to programs: plain JSON objects, times as text, names as the contract
//! has them. For the log; what people read is in `narration`.

use engine::{Effect, Failure, Intent, Origin, Outcome, StepRule, Timestamp, Verdict};
use serde_json::{Map, Value, json};

use crate::system;

/// What was about to be done, in a deployment with these steps.
pub(super) fn of_intent(intent: &Intent, steps: &[StepRule]) -> Value {
    let mut facts = intent.effect.as_ref().map(of_effect).unwrap_or_default();
    if let Some(rule) = facts
        .get("step")
        .and_then(Value::as_u64)
        .and_then(|step| steps.get(usize::try_from(step).ok()?))
    {
        facts.insert("step".to_owned(), json!(rule.name));
    }
    if let Some(operation) = &intent.operation {
        let written = serde_json::to_value(operation).unwrap_or_default();
        facts.insert("call".to_owned(), written["call"].clone());
    }
    let (by, of) = match intent.origin {
        Origin::Strategy => ("strategy", None),
        Origin::Step => ("step", None),
        Origin::Host => ("host", None),
        Origin::Undo(of) => ("undo", Some(of)),
        Origin::Turn(_) => ("turn", None),
    };
    facts.insert("by".to_owned(), json!(by));
    facts.extend(of.map(|of| ("undo_of".to_owned(), json!(of))));
    facts.insert("sequence".to_owned(), json!(intent.sequence));
    facts.insert("attempt".to_owned(), json!(intent.attempt));
    Value::Object(facts)
}

/// The same, with how it went.
pub(super) fn of_outcome(intent: &Intent, outcome: &Outcome, steps: &[StepRule]) -> Value {
    let mut facts = of_intent(intent, steps);
    facts["duration_ms"] = json!(outcome.ended.since_ms(intent.started));
    facts["succeeded"] = json!(outcome.result.is_ok());
    if let Err(failure) = &outcome.result {
        facts["failure"] = of_failure(failure);
    }
    let failed = outcome.report.iter().flat_map(|report| &report.failed);
    let failed: Map<_, _> = failed
        .map(|(target, failure)| (target.to_string(), of_failure(failure)))
        .collect();
    if !failed.is_empty() {
        facts["failed"] = Value::Object(failed);
    }
    let cut = super::narration::cut(outcome);
    if cut > 0 {
        facts["cut"] = json!(cut);
    }
    facts
}

/// How the deployment ended.
pub(super) fn of_verdict(verdict: &Verdict) -> Value {
    let ended = |how: &str, cause: &Failure| json!({ "verdict": how, "cause": of_failure(cause) });
    let with = |mut facts: Value, differences: &[String]| {
        facts["differences"] = json!(differences);
        facts
    };
    match verdict {
        Verdict::Succeeded { left_out } => {
            let left_out: Map<_, _> = left_out
                .iter()
                .map(|(target, failure)| (target.to_string(), of_failure(failure)))
                .collect();
            json!({ "verdict": "succeeded", "left_out": left_out })
        }
        Verdict::RolledBack { cause } => ended("rolled-back", cause),
        Verdict::Stuck { cause, differences } => with(ended("stuck", cause), differences),
        Verdict::Frozen { cause, differences } => with(ended("frozen", cause), differences),
        Verdict::Refused { cause } => ended("refused", cause),
        Verdict::Halted { halt } => json!({ "verdict": "halted", "halt": halt }),
        Verdict::Left => json!({ "verdict": "left" }),
        Verdict::Abandoned { cause } => ended("abandoned", cause),
    }
}

/// Why something did not happen.
pub(super) fn of_failure(failure: &Failure) -> Value {
    serde_json::to_value(failure).unwrap_or_default()
}

fn of_effect(effect: &Effect) -> Map<String, Value> {
    let mut facts = match serde_json::to_value(effect) {
        Ok(Value::Object(facts)) => facts,
        _ => Map::new(),
    };
    if let Some(until) = facts.get_mut("until") {
        let at = until.as_u64().map(Timestamp);
        *until = json!(at.map(system::rfc3339));
    }
    facts
}
