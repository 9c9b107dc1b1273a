//! The journal in SQLite: each of its calls is one commit, and the check of the lease is part of
//! the statement that writes.

use std::sync::Arc;

use async_trait::async_trait;
use engine::{Intent, Journal, JournalError, Outcome, Record, Timestamp, Verdict};
use rusqlite::{Row, params};
use serde_json::{Value, json};

use super::{
    database::{Change, Database, Read},
    lease::{audit, whereabouts},
    thread::Jobs,
};
use crate::{
    deployment::State,
    error::StoreError,
    lease::Lease,
    row::record::{IntentRow, OutcomeRow, RecordRow, Ticket},
    value::{number, parse, text, time, unsigned},
};

/// Reads a [`RecordRow`].
const SELECT: &str = "
    SELECT sequence, origin, operation, effect, undo, attempt, started_at, result, report,
           ended_at, token
    FROM records WHERE deployment = ?1
    ";

/// Writes a deployment's record for the holder of its lease.
pub(super) struct SqliteJournal {
    jobs: Jobs,
    ticket: Arc<Ticket>,
}

impl SqliteJournal {
    pub(super) fn new(jobs: Jobs, deployment: &str, lease: &Lease) -> Self {
        Self {
            jobs,
            ticket: Arc::new(Ticket::new(deployment, lease)),
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
        let intent = IntentRow::of(&self.jobs.place, intent)?;
        self.change(move |change, ticket| insert(change, ticket, &intent, None))
            .await
    }

    async fn end(&mut self, sequence: u64, outcome: &Outcome) -> Result<(), JournalError> {
        let outcome = OutcomeRow::of(&self.jobs.place, outcome)?;
        self.change(move |change, ticket| update(change, ticket, sequence, &outcome))
            .await
    }

    async fn note(&mut self, intent: &Intent, outcome: &Outcome) -> Result<(), JournalError> {
        let intent = IntentRow::of(&self.jobs.place, intent)?;
        let outcome = OutcomeRow::of(&self.jobs.place, outcome)?;
        self.change(move |change, ticket| insert(change, ticket, &intent, Some(&outcome)))
            .await
    }

    async fn close(&mut self, verdict: &Value, at: Timestamp) -> Result<(), JournalError> {
        let written = text(&self.jobs.place, "verdict", verdict)?;
        let verdict: Verdict = parse(&self.jobs.place, "verdict", &written)?;
        let state = State::of(&verdict);
        self.change(move |change, ticket| close(change, ticket, state, &written, at))
            .await
    }
}

/// Fails where the lease was lost; with a time, also where it ran out.
fn check(change: &Change<'_>, ticket: &Ticket, at: Option<Timestamp>) -> Result<(), JournalError> {
    match whereabouts(change, &ticket.lease, at)? {
        Some(holder) => Err(JournalError::LeaseLost { holder }),
        None => Ok(()),
    }
}

/// Adds the row where the lease is held and the record has no gap; a further attempt at the
/// same thing, whose outcome is not known, takes the place of the one before.
fn insert(
    change: &Change<'_>,
    ticket: &Ticket,
    intent: &IntentRow,
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
            number(intent.sequence),
            intent.origin,
            intent.operation,
            intent.effect,
            intent.undo,
            intent.attempt,
            number(ticket.lease.token),
            number(intent.started.0),
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
    check(change, ticket, Some(intent.started))?;
    if row(change, ticket, intent.sequence)?.is_some_and(|row| row.is(ticket, intent, outcome)) {
        return Ok(());
    }
    let last: i64 = change.row(
        "SELECT coalesce(max(sequence), 0) FROM records WHERE deployment = ?1",
        [&ticket.deployment],
        |row| row.get(0),
    )?;
    Err(ticket.out_of_order(intent.sequence, unsigned(last)))
}

/// Adds the outcome to the row that this holder began. A lease that ran out, and that nobody
/// took, is good enough: what happened has happened.
fn update(
    change: &Change<'_>,
    ticket: &Ticket,
    sequence: u64,
    outcome: &OutcomeRow,
) -> Result<(), JournalError> {
    let written = change.run(
        "UPDATE records SET result = ?3, report = ?4, ended_at = ?5
         WHERE deployment = ?1 AND sequence = ?2 AND token = ?6 AND ended_at IS NULL
           AND EXISTS (SELECT 1 FROM leases WHERE application = ?7 AND environment = ?8
                         AND token = ?6 AND until_at IS NOT NULL)",
        params![
            ticket.deployment,
            number(sequence),
            outcome.result,
            outcome.report,
            number(outcome.ended.0),
            number(ticket.lease.token),
            ticket.lease.scope.application,
            ticket.lease.scope.environment
        ],
    )?;
    if written == 1 {
        return Ok(());
    }
    check(change, ticket, None)?;
    if row(change, ticket, sequence)?.is_some_and(|row| row.has(ticket, outcome)) {
        return Ok(());
    }
    Err(ticket.not_under_way(sequence))
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
        check(change, ticket, None)?;
        let closed = change.first(
            "SELECT 1 FROM deployments WHERE id = ?1 AND token = ?2 AND verdict = ?3
               AND ended_at = ?4",
            params![deployment, number(lease.token), verdict, number(at.0)],
            |_| Ok(()),
        )?;
        return closed.ok_or_else(|| ticket.not_running());
    }
    let mut by = lease.owner.clone();
    by.deployment = Some(deployment.clone());
    let details = json!({ "state": state.as_str() });
    audit(change, &lease.scope, &by, at, "deployment_closed", details)?;
    Ok(())
}

fn row(
    change: &Change<'_>,
    ticket: &Ticket,
    sequence: u64,
) -> Result<Option<RecordRow>, StoreError> {
    change.first(
        &format!("{SELECT} AND sequence = ?2"),
        params![ticket.deployment, number(sequence)],
        take,
    )
}

/// The record of a deployment from that sequence on, oldest first.
pub(super) fn records(
    database: &Database,
    deployment: &str,
    first: u64,
) -> Result<Vec<Record>, StoreError> {
    let rows = database.rows(
        &format!("{SELECT} AND sequence >= ?2 ORDER BY sequence"),
        params![deployment, number(first)],
        take,
    )?;
    rows.iter().map(|row| row.read(&database.place)).collect()
}

fn take(row: &Row<'_>) -> rusqlite::Result<RecordRow> {
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
    Ok(RecordRow {
        token: unsigned(row.get(10)?),
        intent,
        outcome,
    })
}
