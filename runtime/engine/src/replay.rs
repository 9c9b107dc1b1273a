//! The record as answers: what is asked for again is told from here, as long as it is the same.
//! Decides nothing and touches nothing; who asks follows each record in the model.

use std::collections::VecDeque;

use crate::{
    effect::Effect,
    failure::Failure,
    halt::{Halt, Wanted},
    journal::{Intent, Origin, Record, Turn},
    operation::Operation,
    recorder::Draft,
    signal::Signal,
};

/// How to go on with a deployment whose process is gone.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// Everything written so far, oldest first.
    pub records: Vec<Record>,
    /// What somebody changed meanwhile stays as it is, and the deployment goes on from there.
    pub accept_drift: bool,
    /// What a person says of the step under way that may not be repeated.
    pub step: Option<StepWord>,
    /// The deployment is frozen, and goes forth: what failed is tried again. Without it one
    /// that was freezing when it was cut off ends frozen.
    pub thaw: bool,
}

/// What a person says of a step that was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepWord {
    /// It came to its end.
    Happened,
    /// It is to be done again.
    Again,
}

/// What is left of a record.
#[derive(Debug)]
pub(crate) struct Replay {
    tape: VecDeque<Entry>,
    pub(crate) accept_drift: bool,
    pub(crate) step: Option<StepWord>,
    /// The last record is a turn to a standstill, which is to be left.
    pub(crate) thaws: bool,
    /// Whoever listens knows that it goes on.
    pub(crate) resumed: bool,
    /// The step that a person says happened, of which the record says that it failed.
    pub(crate) happened: Option<usize>,
    /// Whoever acts from its end on is who acted before it: nothing is made sure of there.
    pub(crate) seamless: bool,
    turn: Option<(Turn, Failure)>,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    /// It failed and was tried again later: its answer is no longer one.
    void: bool,
}

/// What the record has to say to what is wanted.
#[derive(Debug)]
pub(crate) enum Told {
    /// Nothing: it ends here.
    Beyond,
    /// This.
    Record(Box<Record>),
    /// Something else.
    Differs(Box<Halt>),
}

impl Replay {
    pub(crate) fn new(resume: Resume) -> Self {
        let Resume {
            records,
            accept_drift,
            step,
            thaw,
        } = resume;
        let mut tape: VecDeque<Entry> = VecDeque::with_capacity(records.len());
        let mut turn = None;
        for record in records {
            if let Origin::Turn(way) = record.intent.origin {
                let cause = record.outcome.as_ref();
                let cause = cause.and_then(|outcome| outcome.result.as_ref().err());
                turn = cause.map(|cause| (way, cause.clone()));
                if way == Turn::Forth {
                    avoid(&mut tape);
                }
            }
            let void = false;
            tape.push_back(Entry { record, void });
        }
        let thaws = thaw && matches!(turn, Some((Turn::Freeze, _)));
        if thaws {
            turn = None;
            avoid(&mut tape);
        }
        Self {
            tape,
            accept_drift,
            step,
            thaws,
            resumed: false,
            happened: None,
            seamless: false,
            turn,
        }
    }

    /// A record as it was written, by one process or several, to be gone on from as if nothing
    /// had come between.
    pub(crate) fn seamless(records: Vec<Record>) -> Self {
        let resume = Resume {
            records,
            ..Resume::default()
        };
        Self {
            seamless: true,
            ..Self::new(resume)
        }
    }

    /// Where the deployment turned to before it was cut off, and why, where it was not going
    /// forth.
    pub(crate) fn turn(&self) -> Option<&(Turn, Failure)> {
        self.turn.as_ref()
    }

    /// Every record that was not told yet.
    pub(crate) fn into_records(self) -> impl Iterator<Item = Record> {
        self.tape.into_iter().map(|entry| entry.record)
    }

    /// Whether everything was told.
    pub(crate) fn is_done(&self) -> bool {
        self.tape.is_empty()
    }

    /// The next record.
    pub(crate) fn front(&self) -> Option<&Record> {
        self.tape.front().map(|entry| &entry.record)
    }

    /// The next record, where it is one that nobody asks for: what going on began with, a turn,
    /// or what was tried again later.
    pub(crate) fn aside(&mut self) -> Option<Record> {
        let aside = |entry: &Entry| {
            entry.void
                || match (&entry.record.intent.origin, &entry.record.intent.effect) {
                    (Origin::Turn(_), _) => true,
                    (Origin::Host, Some(effect)) => {
                        matches!(effect, Effect::Observe | Effect::AwaitHealthy { .. })
                    }
                    _ => false,
                }
        };
        let next = self.tape.front().is_some_and(aside);
        next.then(|| self.tape.pop_front())?
            .map(|entry| entry.record)
    }

    /// The pause that the next record is of, where it is of one.
    pub(crate) fn pause(&self) -> Option<Signal> {
        match &self.front()?.intent.effect {
            Some(Effect::Hold { pause }) => Some(pause.clone()),
            _ => None,
        }
    }

    /// The next record, where it answers this call without having done anything.
    pub(crate) fn note(&mut self, operation: &Operation) -> Option<Record> {
        let front = self.front()?;
        let Record { intent, outcome } = front;
        let answers = outcome.is_some()
            && intent.origin == Origin::Strategy
            && intent.effect.is_none()
            && intent.operation.as_ref() == Some(operation);
        answers
            .then(|| self.tape.pop_front())?
            .map(|entry| entry.record)
    }

    /// The next record, where it is of what is wanted.
    pub(crate) fn tell(&mut self, wanted: &Draft) -> Told {
        let Some(Record { intent, .. }) = self.front() else {
            return Told::Beyond;
        };
        // What a call means follows from the model, but for the time.
        let same = intent.origin == wanted.origin
            && intent.operation == wanted.operation
            && match (&intent.effect, &wanted.effect) {
                (Some(_), Some(_)) if intent.operation.is_some() => true,
                (recorded, wanted) => recorded == wanted,
            };
        // An abort kept a step from being begun, and nobody aborts now.
        let kept = intent.origin == Origin::Step
            && wanted.origin == Origin::Step
            && intent.effect.is_none();
        if !same && !kept {
            let asked = wanted_of(wanted.operation.as_ref(), wanted.effect.as_ref());
            return Told::Differs(Box::new(differs(intent, asked)));
        }
        match self.tape.pop_front() {
            Some(entry) => Told::Record(Box::new(entry.record)),
            None => Told::Beyond,
        }
    }

    /// The strategy came to its end, and the record goes on.
    pub(crate) fn left_over(&self) -> Option<Halt> {
        self.front()
            .map(|record| differs(&record.intent, Wanted::End))
    }
}

/// The part of a record that a strategy is told when it is asked again: up to where the
/// deployment turned back, or froze for good, and without what was cut off while it was under way.
pub fn told(records: &[Record]) -> &[Record] {
    let way = |record: &Record| match record.intent.origin {
        Origin::Turn(way) => Some(way),
        _ => None,
    };
    let forth = records
        .iter()
        .rposition(|record| way(record) == Some(Turn::Forth));
    let since = forth.map_or(0, |place| place + 1);
    let turned = records[since..]
        .iter()
        .position(|record| way(record).is_some());
    let told = &records[..turned.map_or(records.len(), |place| since + place)];
    match told.split_last() {
        Some((last, before)) if cut_off(last) => before,
        _ => told,
    }
}

/// Whether nobody heard how it went.
fn cut_off(record: &Record) -> bool {
    match &record.outcome {
        None => true,
        Some(outcome) => record.intent.effect.is_some() && outcome.report.is_none(),
    }
}

fn differs(intent: &Intent, asked: Wanted) -> Halt {
    Halt::Differs {
        sequence: intent.sequence,
        recorded: wanted_of(intent.operation.as_ref(), intent.effect.as_ref()),
        asked,
    }
}

fn wanted_of(operation: Option<&Operation>, effect: Option<&Effect>) -> Wanted {
    match (operation, effect) {
        (Some(operation), _) => Wanted::Call(operation.clone()),
        (None, Some(effect)) => Wanted::Effect(effect.clone()),
        (None, None) => Wanted::End,
    }
}

/// The failures that froze the deployment are none any more: the last ones in a row.
fn avoid(tape: &mut VecDeque<Entry>) {
    let asked = |Record { intent, .. }: &Record| match intent.origin {
        Origin::Strategy | Origin::Step => true,
        Origin::Host => matches!(intent.effect, Some(Effect::AwaitHealthy { .. })),
        Origin::Undo(_) | Origin::Turn(_) => false,
    };
    for entry in tape.iter_mut().rev() {
        if !asked(&entry.record) {
            continue;
        }
        let failed = |record: &Record| {
            let outcome = record.outcome.as_ref();
            outcome.is_some_and(|outcome| outcome.result.is_err())
        };
        if entry.void || !failed(&entry.record) {
            return;
        }
        entry.void = true;
    }
}
