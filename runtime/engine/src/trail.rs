//! What a deployment did that lasts, and what of it was taken back: kept from each record as it
//! is written, or as it is read again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    effect::Effect,
    journal::{Intent, Origin, Outcome, Undo},
    rules::Point,
    subject::Name,
    traffic::Traffic,
};

/// Everything that lasts, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail {
    entries: Vec<Entry>,
    undone: BTreeSet<u64>,
}

/// One record with something to take back.
#[derive(Clone, Debug)]
struct Entry {
    sequence: u64,
    undo: Undo,
    step: Option<StepDone>,
}

/// A step that was run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StepDone {
    pub(crate) step: usize,
    pub(crate) point: Point,
    pub(crate) targets: BTreeSet<Name>,
    /// What it returned; null where it failed or did not answer.
    pub(crate) outcome: Value,
}

/// One thing to take back; several records where they are taken back in one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    /// The oldest of its records.
    pub(crate) sequence: u64,
    pub(crate) what: What,
}

/// What is to be as it was.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Traffic(Traffic),
    Active(BTreeMap<Name, Option<Name>>),
    Installed(Vec<Name>),
    Step(StepDone),
    /// A step that cannot be taken back.
    Irreversible(StepDone),
}

impl Trail {
    /// Takes a record in, whether it ended or not.
    pub(crate) fn add(&mut self, intent: Intent, outcome: Option<&Outcome>) {
        let ok = outcome.is_some_and(|outcome| outcome.result.is_ok());
        if let Origin::Undo(of) = intent.origin {
            let whole = matches!(
                intent.effect,
                Some(Effect::Apply { .. } | Effect::UndoStep { .. })
            );
            if ok && whole {
                self.undone.insert(of);
            }
            return;
        }
        if intent.undo == Undo::Nothing {
            return;
        }
        let step = match intent.effect {
            Some(Effect::Step {
                step,
                point,
                targets,
            }) => {
                let report = outcome.and_then(|outcome| outcome.report.as_ref());
                let outcome = report.map_or(Value::Null, |report| report.value.clone());
                Some(StepDone {
                    step,
                    point,
                    targets,
                    outcome,
                })
            }
            _ => None,
        };
        self.entries.push(Entry {
            sequence: intent.sequence,
            undo: intent.undo,
            step,
        });
    }

    /// Whether anything was done that lasts.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the traffic state or step of that record was taken back already.
    pub(crate) fn undone(&self, sequence: u64) -> bool {
        self.undone.contains(&sequence)
    }

    /// The steps that were run and cannot be taken back.
    pub(crate) fn irreversible(&self) -> impl Iterator<Item = &StepDone> {
        let entries = self
            .entries
            .iter()
            .filter(|entry| entry.undo == Undo::Irreversible);
        entries.filter_map(|entry| entry.step.as_ref())
    }

    /// Everything there is to take back, newest first.
    ///
    /// Neighbouring changes of the traffic, with no activation between them, are one: back to
    /// the oldest. Where a target was activated several times, only what it had before the first
    /// counts.
    pub(crate) fn items(&self) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        let mut traffic: Option<usize> = None;
        for entry in self.entries.iter().rev() {
            let what = match (&entry.undo, &entry.step) {
                (Undo::Nothing, _) | (Undo::Step | Undo::Irreversible, None) => continue,
                (Undo::Traffic { before }, _) => {
                    if let Some(place) = traffic {
                        items[place] = Item::traffic(entry.sequence, before);
                        continue;
                    }
                    traffic = Some(items.len());
                    What::Traffic(before.clone())
                }
                (Undo::Reactivate { releases }, _) => {
                    traffic = None;
                    let older: BTreeMap<Name, Option<Name>> = releases.iter().cloned().collect();
                    for item in &mut items {
                        if let What::Active(newer) = &mut item.what {
                            newer.retain(|name, _| !older.contains_key(name));
                        }
                    }
                    What::Active(older)
                }
                (Undo::Remove { targets, .. }, _) => What::Installed(targets.clone()),
                (Undo::Step, Some(step)) => What::Step(step.clone()),
                (Undo::Irreversible, Some(step)) => What::Irreversible(step.clone()),
            };
            items.push(Item {
                sequence: entry.sequence,
                what,
            });
        }
        items
    }
}

impl Item {
    fn traffic(sequence: u64, before: &Traffic) -> Self {
        Self {
            sequence,
            what: What::Traffic(before.clone()),
        }
    }
}
