//! The journal in SQLite: each of its calls is one commit, and the check of the lease is part of
//! the statement that writes.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use engine::{Intent, Journal, JournalError, Outcome, Record, Timestamp, Verdict};
use rusqlite::params;
use serde_json::{Value, json};

use super::{
    database::{Change, Database, Read},
    lease::{audit, whereabouts},
    thread::Jobs,
    value::{number, parse, text, time, unsigned},
};
use crate::{deployment::State, error::StoreError, lease::Lease};

/// Writes a deployment's record for the holder of its lease.
pub(super) struct SqliteJournal {
    jobs: Jobs,
    ticket: Arc<Ticket>,
}

/// Which record, under which lease.
struct Ticket {
    deployment: String,
    lease: Lease,
}

impl SqliteJournal {
    pub(super) fn new(jobs: Jobs, deployment: &str, lease: &Lease) -> Self {
        let ticket = Ticket {
            deployment: deployment.to_owned(),
            lease: lease.clone(),
        };
        Self {
            jobs,
            ticket: Arc::new(ticket),
        }
    }

    /// Makes one change under the ticket.
    async fn change(
        &self,
        work: impl FnOnce(&mut Change<'_>, &Ticket) -> Result<(), JournalError> + Send + 'static,
    ) -> Result<(), JournalError> {
        let ticket = Arc::clone(&self.ticket);
        self.jobs.change(move |change| work(change, &ticket)).await
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn begin(&mut self, intent: &Intent) -> Result<(), JournalError> {
        let intent = IntentRow::of(&self.jobs.path, intent)?;
        self.change(move |change, ticket| intent.insert(change, ticket, None))
            .await
    }

    async fn end(&mut self, sequence: u64, outcome: &Outcome) -> Result<(), JournalError> {
        let outcome = OutcomeRow::of(&self.jobs.path, outcome)?;
        self.change(move |change, ticket| outcome.update(change, ticket, sequence))
            .await
    }

    async fn note(&mut self, intent: &Intent, outcome: &Outcome) -> Result<(), JournalError> {
        let intent = IntentRow::of(&self.jobs.path, intent)?;
        let outcome = OutcomeRow::of(&self.jobs.path, outcome)?;
        self.change(move |change, ticket| intent.insert(change, ticket, Some(&outcome)))
            .await
    }

    async fn close(&mut self, verdict: &Value, at: Timestamp) -> Result<(), JournalError> {
        let written = text(&self.jobs.path, "verdict", verdict)?;
        let verdict: Verdict = parse(&self.jobs.path, "verdict", &written)?;
        let state = State::of(&verdict);
        self.change(move |change, ticket| close(change, ticket, state, &written, at))
            .await
    }
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

/// An intent as it is kept.
struct IntentRow {
    sequence: u64,
    origin: String,
    operation: Option<String>,
    effect: Option<String>,
    undo: String,
    attempt: u32,
    started: Timestamp,
}

impl IntentRow {
    fn of(path: &Path, intent: &Intent) -> Result<Self, StoreError> {
        let operation = intent.operation.as_ref();
        let effect = intent.effect.as_ref();
        Ok(Self {
            sequence: intent.sequence,
            origin: text(path, "origin", &intent.origin)?,
            operation: operation
                .map(|it| text(path, "operation", it))
                .transpose()?,
            effect: effect.map(|it| text(path, "effect", it)).transpose()?,
            undo: text(path, "undo", &intent.undo)?,
            attempt: intent.attempt,
            started: intent.started,
        })
    }

    /// Adds the row where the lease is held and the record has no gap; a further attempt at the
    /// same thing, whose outcome is not known, takes the place of the one before.
    fn insert(
        &self,
        change: &Change<'_>,
        ticket: &Ticket,
        outcome: Option<&OutcomeRow>,
    ) -> Result<(), JournalError> {
        let written = change.run(
            "INSERT INTO records (deployment, sequence, origin, operation, effect, undo, attempt,
                                  token, started_at, result, report, ended_at)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 FROM leases
             WHERE application = ?13 AND environment = ?14 AND token = ?8 AND until_at > ?9
               AND deployment = ?1
               AND (?2 = 1 OR EXISTS (SELECT 1 FROM records
                                      WHERE deployment = ?1 AND sequence = ?2 - 1))
             ON CONFLICT (deployment, sequence) DO UPDATE SET
                 attempt = excluded.attempt, token = excluded.token,
                 started_at = excluded.started_at, result = excluded.result,
                 report = excluded.report, ended_at = excluded.ended_at
             WHERE records.ended_at IS NULL AND records.attempt < excluded.attempt
               AND records.origin = excluded.origin AND records.undo = excluded.undo
               AND records.operation IS NOT DISTINCT FROM excluded.operation
               AND records.effect IS NOT DISTINCT FROM excluded.effect",
            params![
                ticket.deployment,
                number(self.sequence),
                self.origin,
                self.operation,
                self.effect,
                self.undo,
                self.attempt,
                number(ticket.lease.token),
                number(self.started.0),
                outcome.map(|outcome| &outcome.result),
                outcome.and_then(|outcome| outcome.report.as_ref()),
                outcome.map(|outcome| number(outcome.ended.0)),
                ticket.lease.scope.application,
                ticket.lease.scope.environment
            ],
        )?;
        if written == 1 {
            return Ok(());
        }
        ticket.check(change, Some(self.started))?;
        let last: i64 = change.row(
            "SELECT coalesce(max(sequence), 0) FROM records WHERE deployment = ?1",
            [&ticket.deployment],
            |row| row.get(0),
        )?;
        Err(ticket.conflict(format!(
            "record {} cannot be written: {last} is the last one, and only the one after it, or \
             a further attempt at it while its outcome is not known, can be",
            self.sequence
        )))
    }
}

/// An outcome as it is kept.
struct OutcomeRow {
    result: String,
    report: Option<String>,
    ended: Timestamp,
}

impl OutcomeRow {
    fn of(path: &Path, outcome: &Outcome) -> Result<Self, StoreError> {
        let report = outcome.report.as_ref();
        Ok(Self {
            result: text(path, "result", &outcome.result)?,
            report: report.map(|it| text(path, "report", it)).transpose()?,
            ended: outcome.ended,
        })
    }

    /// Adds the outcome to the row that this holder began. A lease that ran out, and that nobody
    /// took, is good enough: what happened has happened.
    fn update(
        &self,
        change: &Change<'_>,
        ticket: &Ticket,
        sequence: u64,
    ) -> Result<(), JournalError> {
        let written = change.run(
            "UPDATE records SET result = ?3, report = ?4, ended_at = ?5
             WHERE deployment = ?1 AND sequence = ?2 AND token = ?6 AND ended_at IS NULL
               AND EXISTS (SELECT 1 FROM leases WHERE application = ?7 AND environment = ?8
                             AND token = ?6 AND until_at IS NOT NULL)",
            params![
                ticket.deployment,
                number(sequence),
                self.result,
                self.report,
                number(self.ended.0),
                number(ticket.lease.token),
                ticket.lease.scope.application,
                ticket.lease.scope.environment
            ],
        )?;
        if written == 1 {
            return Ok(());
        }
        ticket.check(change, None)?;
        Err(ticket.conflict(format!("record {sequence} is not under way")))
    }
}

impl Ticket {
    /// Fails where the lease was lost; with a time, also where it ran out.
    fn check(&self, change: &Change<'_>, at: Option<Timestamp>) -> Result<(), JournalError> {
        match whereabouts(change, &self.lease, at)? {
            Some(holder) => Err(JournalError::LeaseLost { holder }),
            None => Ok(()),
        }
    }

    fn conflict(&self, what: String) -> JournalError {
        JournalError::Store(format!("deployment {}: {what}", self.deployment))
    }
}

/// Sets the verdict where this holder still works on the deployment.
fn close(
    change: &mut Change<'_>,
    ticket: &Ticket,
    state: State,
    verdict: &str,
    at: Timestamp,
) -> Result<(), JournalError> {
    let Ticket { deployment, lease } = ticket;
    let written = change.run(
        "UPDATE deployments SET state = ?2, verdict = ?3, ended_at = ?4
         WHERE id = ?1 AND state = 'running' AND token = ?5
           AND EXISTS (SELECT 1 FROM leases WHERE application = ?6 AND environment = ?7
                         AND token = ?5 AND until_at IS NOT NULL)",
        params![
            deployment,
            state.as_str(),
            verdict,
            number(at.0),
            number(lease.token),
            lease.scope.application,
            lease.scope.environment
        ],
    )?;
    if written == 0 {
        ticket.check(change, None)?;
        return Err(ticket.conflict("it is not running".to_owned()));
    }
    let mut by = lease.owner.clone();
    by.deployment = Some(deployment.clone());
    let details = json!({ "state": state.as_str() });
    audit(change, &lease.scope, &by, at, "deployment_closed", details)?;
    Ok(())
}

/// The record of a deployment, oldest first.
pub(super) fn records(database: &Database, deployment: &str) -> Result<Vec<Record>, StoreError> {
    let rows = database.rows(
        "SELECT sequence, origin, operation, effect, undo, attempt, started_at, result, report,
                ended_at
         FROM records WHERE deployment = ?1 ORDER BY sequence",
        [deployment],
        |row| {
            let intent = IntentRow {
                sequence: unsigned(row.get(0)?),
                origin: row.get(1)?,
                operation: row.get(2)?,
                effect: row.get(3)?,
                undo: row.get(4)?,
                attempt: row.get(5)?,
                started: time(row.get(6)?),
            };
            let ended: Option<i64> = row.get(9)?;
            let outcome = match ended {
                Some(ended) => Some(OutcomeRow {
                    result: row.get(7)?,
                    report: row.get(8)?,
                    ended: time(ended),
                }),
                None => None,
            };
            Ok((intent, outcome))
        },
    )?;
    let path = &database.path;
    rows.into_iter()
        .map(|(intent, outcome)| record(path, &intent, outcome.as_ref()))
        .collect()
}

fn record(
    path: &Path,
    intent: &IntentRow,
    outcome: Option<&OutcomeRow>,
) -> Result<Record, StoreError> {
    let operation = intent.operation.as_deref();
    let effect = intent.effect.as_deref();
    let outcome = outcome.map(|row| {
        let report = row.report.as_deref();
        Ok(Outcome {
            result: parse(path, "result", &row.result)?,
            report: report.map(|it| parse(path, "report", it)).transpose()?,
            ended: row.ended,
        })
    });
    Ok(Record {
        intent: Intent {
            sequence: intent.sequence,
            origin: parse(path, "origin", &intent.origin)?,
            operation: operation
                .map(|it| parse(path, "operation", it))
                .transpose()?,
            effect: effect.map(|it| parse(path, "effect", it)).transpose()?,
            undo: parse(path, "undo", &intent.undo)?,
            attempt: intent.attempt,
            started: intent.started,
        },
        outcome: outcome.transpose()?,
    })
}
