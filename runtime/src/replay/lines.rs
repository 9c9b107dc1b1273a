//! A record, step by step: what was asked for, how long it took, what came of it, and what takes it
//! back.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    Answer, Effect, Intent, Name, Operation, Origin, Outcome, Record, StepRule, Turn, Undo,
};

use crate::{display, system, terminal::Terminal};

/// The widest that what was asked for gets before what came of it moves to the right.
const ASKED_MAX: usize = 60;

/// Prints records of one deployment.
pub(crate) struct Lines<'a> {
    /// The deployment's steps.
    pub(crate) steps: &'a [StepRule],
    /// Where to.
    pub(crate) terminal: &'a Terminal,
}

/// One step in words.
struct Line {
    number: u64,
    by: String,
    asked: String,
    took: String,
    got: String,
    more: Vec<String>,
}

impl Lines<'_> {
    /// Prints these, each with what takes it back under it.
    pub(crate) fn print(&self, records: &[Record]) {
        let lines: Vec<Line> = records.iter().map(|record| self.line(record)).collect();
        let widest = |of: fn(&Line) -> &str, most: usize| {
            let widths = lines.iter().map(|line| of(line).chars().count());
            widths.max().unwrap_or(0).min(most)
        };
        let by = widest(|line| &line.by, ASKED_MAX);
        let asked = widest(|line| &line.asked, ASKED_MAX);
        let took = widest(|line| &line.took, ASKED_MAX);
        for line in &lines {
            let text = format!(
                "{:>4}  {:<by$}  {:<asked$}  {:>took$}  {}",
                line.number, line.by, line.asked, line.took, line.got
            );
            self.terminal.line(text.trim_end());
            for more in &line.more {
                self.terminal.line(&format!("{:by$}        {more}", ""));
            }
        }
    }

    fn line(&self, record: &Record) -> Line {
        let Record { intent, outcome } = record;
        let mut more: Vec<String> = undo(&intent.undo)
            .map(|undo| format!("undo: {undo}"))
            .into_iter()
            .collect();
        let (took, got) = match outcome {
            None => ("-".to_owned(), "under way".to_owned()),
            Some(outcome) => {
                more.extend(aside(outcome));
                let took = outcome.ended.since_ms(intent.started);
                let took = match intent.effect {
                    Some(_) => display::duration(took),
                    None => String::new(),
                };
                (took, got(intent, outcome))
            }
        };
        Line {
            number: intent.sequence,
            by: by(intent),
            asked: self.asked(intent),
            took,
            got,
            more,
        }
    }

    fn asked(&self, intent: &Intent) -> String {
        let what = match intent.origin {
            Origin::Turn(Turn::Back) => "everything is taken back".to_owned(),
            Origin::Turn(Turn::Freeze) => "everything stays as it is".to_owned(),
            Origin::Turn(Turn::Forth) => "it goes forth again".to_owned(),
            _ => display::describe(intent, self.steps),
        };
        let how = match (&intent.operation, &intent.effect) {
            (Some(Operation::Wait { duration_ms: None }), _) => " until it is promoted".to_owned(),
            (
                Some(Operation::Wait {
                    duration_ms: Some(ms),
                }),
                _,
            ) => {
                format!(" for {}", display::duration(*ms))
            }
            (
                Some(Operation::Watch {
                    candidate,
                    baseline,
                    duration_ms,
                }),
                _,
            ) => {
                let against = match baseline.is_empty() {
                    true => String::new(),
                    false => format!(" against {}", display::names(baseline)),
                };
                let long = display::duration(*duration_ms);
                format!(" {}{against} for {long}", display::names(candidate))
            }
            (_, Some(Effect::AwaitHealthy { timeout_ms, .. })) => {
                format!(" within {}", display::duration(*timeout_ms))
            }
            (
                _,
                Some(Effect::Apply {
                    drained, drain_ms, ..
                }),
            ) if !drained.is_empty() => {
                format!(", drained within {}", display::duration(*drain_ms))
            }
            _ => String::new(),
        };
        format!("{what}{how}")
    }
}

/// Who wanted it.
pub(crate) fn by(intent: &Intent) -> String {
    match intent.origin {
        Origin::Undo(of) => format!("undo of {of}"),
        origin => display::origin(origin).to_owned(),
    }
}

fn got(intent: &Intent, outcome: &Outcome) -> String {
    match &outcome.result {
        Err(failure) if matches!(intent.origin, Origin::Turn(_)) => failure.message.clone(),
        Err(failure) => format!("{}: {}", failure.code, failure.message),
        Ok(Answer::Done) => "ok".to_owned(),
        Ok(Answer::Time(time)) => system::rfc3339(*time),
        Ok(Answer::Verdict { kind, .. }) => kind.clone(),
        Ok(Answer::Traffic(shares)) if shares.is_empty() => "nobody gets any".to_owned(),
        Ok(Answer::Traffic(shares)) => {
            let part = |share: &engine::Share| {
                format!("{} {}", share.group, display::percentage(share.percent))
            };
            shares.iter().map(part).collect::<Vec<_>>().join(", ")
        }
    }
}

/// What else there is to say of how it went.
fn aside(outcome: &Outcome) -> Vec<String> {
    let Some(report) = &outcome.report else {
        return Vec::new();
    };
    let mut said: Vec<String> = report.signals.iter().map(display::heeded).collect();
    if outcome.result.is_ok() {
        let left_out = report.failed.iter();
        said.extend(left_out.map(|(name, failure)| format!("left out {name}: {failure}")));
    }
    if let Some(world) = &report.world {
        let lost = world.unreachable.iter();
        said.extend(lost.map(|(name, failure)| format!("{name} could not be asked: {failure}")));
    }
    said
}

/// What takes it back; none where nothing lasts.
fn undo(undo: &Undo) -> Option<String> {
    Some(match undo {
        Undo::Nothing => return None,
        Undo::Remove { targets, release } => {
            format!("remove {release} from {}", display::names(targets))
        }
        Undo::Reactivate { releases } => {
            let mut by_release: BTreeMap<Option<&Name>, BTreeSet<&Name>> = BTreeMap::new();
            for (target, release) in releases {
                by_release
                    .entry(release.as_ref())
                    .or_default()
                    .insert(target);
            }
            let told = |(release, targets): (&Option<&Name>, &BTreeSet<&Name>)| {
                let targets = display::names(targets.iter().copied());
                match release {
                    Some(release) => format!("activate {release} on {targets}"),
                    None => format!("deactivate {targets}"),
                }
            };
            by_release.iter().map(told).collect::<Vec<_>>().join("; ")
        }
        Undo::Traffic { before } => format!("traffic to {}", display::shares(before)),
        Undo::Step => "take the step back".to_owned(),
        Undo::Irreversible => "cannot be taken back".to_owned(),
    })
}
