//! The record of one run, and whoever writes it: processes that are killed, and a lease that is
//! taken away.

use async_trait::async_trait;
use engine::{Intent, Journal, JournalError, Outcome, Record, Timestamp};
use serde_json::Value;

use crate::{
    fault::{Fault, Moment, Way},
    world::Model,
};

/// The record, and the process that writes it.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    records: Vec<Record>,
    /// Only where another process may need them.
    keeps: bool,
    /// Another process than the first writes it.
    handed_on: bool,
    /// So many records were begun, by all processes.
    begun: u32,
    /// The record that is written down and not ended.
    open: Option<u64>,
    gone: Option<Gone>,
    dying: Option<(Moment, Way)>,
    kills: Vec<(u32, Moment, Way)>,
    losses: Vec<u32>,
}

/// Why the process writes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// It was killed.
    Killed(Way),
    /// Somebody else has the lease.
    Fenced,
}

impl Ledger {
    pub(crate) fn new(faults: &[Fault]) -> Self {
        let (mut kills, mut losses) = (Vec::new(), Vec::new());
        for fault in faults {
            match fault {
                Fault::Killed { at, moment, then } => kills.push((*at, *moment, *then)),
                Fault::LeaseLost { at } => losses.push(*at),
                _ => {}
            }
        }
        Self {
            records: Vec::new(),
            keeps: !kills.is_empty() || !losses.is_empty(),
            handed_on: false,
            begun: 0,
            open: None,
            gone: None,
            dying: None,
            kills,
            losses,
        }
    }

    /// Keeps everything, whoever may need it.
    pub(crate) fn keep_all(&mut self) {
        self.keeps = true;
    }

    /// What was written before the run began.
    pub(crate) fn begin_with(&mut self, records: &[Record]) {
        self.keep_all();
        self.records = records.to_vec();
    }

    /// Everything that was kept.
    pub(crate) fn written(&self) -> Vec<Record> {
        self.records.clone()
    }

    /// Whether the fault is one of those who write; the next record is the one of that number.
    pub(crate) fn takes(&mut self, fault: &Fault, next: u64) -> bool {
        // What was taken up again was begun more than once.
        let next = u32::try_from(next - 1).unwrap_or(u32::MAX);
        let begun = self.begun;
        let count = |at: u32| begun.saturating_add(at.saturating_sub(next));
        match fault {
            Fault::Killed { at, moment, then } => self.kills.push((count(*at), *moment, *then)),
            Fault::LeaseLost { at } => self.losses.push(count(*at)),
            _ => return false,
        }
        true
    }

    /// Whether the process may act on that record.
    pub(crate) fn allows(&self, sequence: u64) -> bool {
        self.gone.is_none() && self.open == Some(sequence)
    }

    /// Whether the process dies in the effect that begins now, and when in it.
    pub(crate) fn strikes(&mut self) -> Option<Moment> {
        let (moment, then) = self.dying.take()?;
        self.gone = Some(Gone::Killed(then));
        Some(moment)
    }

    /// Whether another process than the first writes it.
    pub(crate) fn is_handed_on(&self) -> bool {
        self.handed_on
    }

    /// Another process takes up what there is: how the last one ended, and what it left.
    pub(crate) fn taken_up(&mut self) -> (Option<Gone>, Vec<Record>) {
        self.open = None;
        self.dying = None;
        self.handed_on = true;
        (self.gone.take(), self.records.clone())
    }

    fn begin(&mut self, intent: &Intent, outcome: Option<&Outcome>) -> Result<(), JournalError> {
        self.alive()?;
        let number = self.begun;
        self.begun += 1;
        if self.losses.contains(&number) {
            self.gone = Some(Gone::Fenced);
            return self.alive();
        }
        let kill = self.kills.iter().find(|(at, ..)| *at == number).copied();
        if let Some((_, Moment::Unwritten, then)) = kill {
            self.gone = Some(Gone::Killed(then));
            return self.alive();
        }
        if self.keeps {
            self.keep(intent, outcome);
        }
        match (kill, outcome) {
            (Some((_, _, then)), Some(_)) => {
                self.gone = Some(Gone::Killed(then));
                self.alive()
            }
            (kill, None) => {
                self.dying = kill.map(|(_, moment, then)| (moment, then));
                self.open = Some(intent.sequence);
                Ok(())
            }
            (None, Some(_)) => Ok(()),
        }
    }

    fn keep(&mut self, intent: &Intent, outcome: Option<&Outcome>) {
        let record = Record {
            intent: intent.clone(),
            outcome: outcome.cloned(),
        };
        // One that nobody ended is taken up again as the same.
        match self.records.last_mut() {
            Some(last) if last.intent.sequence == intent.sequence => *last = record,
            _ => self.records.push(record),
        }
    }

    fn end(&mut self, sequence: u64, outcome: &Outcome) -> Result<(), JournalError> {
        // Killed in an effect that nobody was asked for.
        self.strikes();
        self.alive()?;
        self.open = None;
        if self.keeps
            && let Some(record) = self
                .records
                .iter_mut()
                .rev()
                .find(|record| record.intent.sequence == sequence)
        {
            record.outcome = Some(outcome.clone());
        }
        Ok(())
    }

    fn alive(&self) -> Result<(), JournalError> {
        match self.gone {
            None => Ok(()),
            Some(Gone::Killed(_)) => Err(JournalError::Store("the process was killed".into())),
            Some(Gone::Fenced) => Err(JournalError::LeaseLost {
                holder: "somebody else".into(),
            }),
        }
    }
}

/// Writes into the record of a run.
pub(crate) struct Clerk(pub(crate) Model);

#[async_trait]
impl Journal for Clerk {
    async fn begin(&mut self, intent: &Intent) -> Result<(), JournalError> {
        let mut inner = self.0.lock();
        inner.meets(intent);
        inner.ledger.begin(intent, None)
    }

    async fn end(&mut self, sequence: u64, outcome: &Outcome) -> Result<(), JournalError> {
        self.0.lock().ledger.end(sequence, outcome)
    }

    async fn note(&mut self, intent: &Intent, outcome: &Outcome) -> Result<(), JournalError> {
        let mut inner = self.0.lock();
        inner.meets(intent);
        inner.ledger.begin(intent, Some(outcome))
    }

    async fn close(&mut self, _: &Value, _: Timestamp) -> Result<(), JournalError> {
        self.0.lock().ledger.alive()
    }
}
