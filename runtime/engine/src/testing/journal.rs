//! A journal in memory. It can die at any write, before it or after it, as a process would.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    journal::{Intent, Journal, JournalError, Outcome, Record},
    subject::Timestamp,
};

/// When the journal dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// With the write of that number, counted from 0, not done.
    Before(usize),
    /// With the write of that number done.
    After(usize),
}

/// A journal in memory; clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    records: Vec<Record>,
    verdict: Option<Value>,
    writes: usize,
    dies: Option<Write>,
    dead: bool,
    leaves: Option<usize>,
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything written, oldest first.
    pub fn records(&self) -> Vec<Record> {
        self.lock().records.clone()
    }

    /// The verdict, where one was written.
    pub fn verdict(&self) -> Option<Value> {
        self.lock().verdict.clone()
    }

    /// How often something was written.
    pub fn writes(&self) -> usize {
        self.lock().writes
    }

    /// Lets it die there.
    pub fn dies(&self, at: Write) {
        self.lock().dies = Some(at);
    }

    /// Leaves the deployment to another process once there were so many writes.
    pub fn leaves(&self, after: usize) {
        self.lock().leaves = Some(after);
    }

    /// Brings it back to life, as another process finds it.
    pub fn revive(&self) {
        let mut inner = self.lock();
        inner.leaves = None;
        inner.dead = false;
        inner.dies = None;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, change: impl FnOnce(&mut Inner)) -> Result<(), JournalError> {
        let mut inner = self.lock();
        let number = inner.writes;
        let dead = || Err(JournalError::Store("the process died".into()));
        if inner.dead || inner.dies == Some(Write::Before(number)) {
            inner.dead = true;
            return dead();
        }
        change(&mut inner);
        inner.writes += 1;
        if inner.dies == Some(Write::After(number)) {
            inner.dead = true;
            return dead();
        }
        Ok(())
    }
}

impl Inner {
    fn add(&mut self, intent: &Intent, outcome: Option<Outcome>) {
        // A record without an outcome is taken up by whoever goes on with the deployment.
        let last = self.records.last_mut();
        if let Some(record) = last.filter(|last| last.outcome.is_none())
            && record.intent.sequence == intent.sequence
        {
            assert!(intent.attempt > record.intent.attempt, "taken up once more");
            record.intent = intent.clone();
            return;
        }
        let added = Record {
            intent: intent.clone(),
            outcome,
        };
        let expected = self.records.len() as u64 + 1;
        if let Some(last) = self.records.last_mut()
            && last.intent.sequence == intent.sequence
        {
            assert!(last.outcome.is_none(), "what has ended is not begun again");
            assert!(
                last.intent.attempt < intent.attempt,
                "a further attempt says so"
            );
            *last = added;
            return;
        }
        assert_eq!(intent.sequence, expected, "records count without a gap");
        self.records.push(added);
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn begin(&mut self, intent: &Intent) -> Result<(), JournalError> {
        let inner = self.lock();
        if inner.leaves.is_some_and(|after| inner.writes >= after) {
            return Err(JournalError::Left);
        }
        drop(inner);
        self.write(|inner| inner.add(intent, None))
    }

    async fn end(&mut self, sequence: u64, outcome: &Outcome) -> Result<(), JournalError> {
        self.write(|inner| {
            let found = inner
                .records
                .iter_mut()
                .find(|record| record.intent.sequence == sequence);
            let record = found.expect("an outcome follows its intent");
            assert!(record.outcome.is_none(), "an outcome is written once");
            record.outcome = Some(outcome.clone());
        })
    }

    async fn note(&mut self, intent: &Intent, outcome: &Outcome) -> Result<(), JournalError> {
        self.write(|inner| inner.add(intent, Some(outcome.clone())))
    }

    async fn close(&mut self, verdict: &Value, _at: Timestamp) -> Result<(), JournalError> {
        self.write(|inner| inner.verdict = Some(verdict.clone()))
    }
}
