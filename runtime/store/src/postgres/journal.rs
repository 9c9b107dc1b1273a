//! The journal in PostgreSQL: the check of the lease is part of the statement that writes, and
//! holds the lease where it is until that is committed.
//!
//! What is written again because its answer was lost is recognised. So each call is one statement
//! of its own, unless something waits for a change. A call holds while the database is away, and
//! what it finds out about the lease is never older than one answer may take.

use std::sync::Arc;

use async_trait::async_trait;
use engine::{Intent, Journal, JournalError, Outcome, Record, Timestamp, Verdict};
use serde_json::{Value, json};
use tokio_postgres::{Error, Row};

use super::{
    change::{Change, Kind},
    lease::{audit, whereabouts},
    link::Size,
    session::Session,
    thread::Calls,
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
    FROM records WHERE deployment = $1
    ";

/// Writes a deployment's record for the holder of its lease.
pub(super) struct PostgresJournal {
    calls: Calls,
    ticket: Arc<Ticket>,
}

impl PostgresJournal {
    pub(super) fn new(calls: Calls, deployment: &str, lease: &Lease) -> Self {
        Self {
            calls,
            ticket: Arc::new(Ticket::new(deployment, lease)),
        }
    }
}

#[async_trait]
impl Journal for PostgresJournal {
    async fn begin(&mut self, intent: &Intent) -> Result<(), JournalError> {
        let intent = IntentRow::of(&self.calls.place, intent)?;
        let ticket = Arc::clone(&self.ticket);
        self.calls
            .statement(async move |session| insert(session, &ticket, &intent, None).await)
            .await
    }

    async fn end(&mut self, sequence: u64, outcome: &Outcome) -> Result<(), JournalError> {
        let outcome = OutcomeRow::of(&self.calls.place, outcome)?;
        let ticket = Arc::clone(&self.ticket);
        self.calls
            .statement(async move |session| update(session, &ticket, sequence, &outcome).await)
            .await
    }

    async fn note(&mut self, intent: &Intent, outcome: &Outcome) -> Result<(), JournalError> {
        let intent = IntentRow::of(&self.calls.place, intent)?;
        let outcome = OutcomeRow::of(&self.calls.place, outcome)?;
        let ticket = Arc::clone(&self.ticket);
        self.calls
            .statement(async move |session| insert(session, &ticket, &intent, Some(&outcome)).await)
            .await
    }

    async fn close(&mut self, verdict: &Value, at: Timestamp) -> Result<(), JournalError> {
        let written = text(&self.calls.place, "verdict", verdict)?;
        let verdict: Verdict = parse(&self.calls.place, "verdict", &written)?;
        let state = State::of(&verdict);
        let ticket = Arc::clone(&self.ticket);
        self.calls
            .change(Kind::Audited, Size::Small, async move |change| {
                close(change, &ticket, state, &written, at).await
            })
            .await
    }
}

/// Fails where the lease was lost; where that is asked for, also where it ran out.
async fn check(
    session: &Session,
    ticket: &Ticket,
    at: Timestamp,
    running: bool,
) -> Result<(), JournalError> {
    match whereabouts(session, &ticket.lease, at, running).await? {
        Some(holder) => Err(JournalError::LeaseLost { holder }),
        None => Ok(()),
    }
}

/// Adds the row where the lease is held and the record has no gap; a further attempt at the
/// same thing, whose outcome is not known, takes the place of the one before.
async fn insert(
    session: &Session,
    ticket: &Ticket,
    intent: &IntentRow,
    outcome: Option<&OutcomeRow>,
) -> Result<(), JournalError> {
    let told: Vec<()> = session
        .rows(
            "WITH held AS (
                 SELECT FROM leases
                 WHERE application = $13 AND environment = $14 AND token = $8
                   AND until_at > coalesce($15, clock()) AND deployment = $1
                 FOR SHARE),
             written AS (
                 INSERT INTO records (deployment, sequence, origin, operation, effect, undo,
                                      attempt, token, started_at, result, report, ended_at)
                 SELECT $1, $2::bigint, $3, $4, $5, $6, $7, $8::bigint, $9, $10, $11, $12
                 FROM held
                 WHERE $2 = 1::bigint OR EXISTS (SELECT 1 FROM records
                                         WHERE deployment = $1 AND sequence = $2 - 1)
                 ON CONFLICT (deployment, sequence) DO UPDATE SET
                     attempt = excluded.attempt, token = excluded.token,
                     started_at = excluded.started_at, result = excluded.result,
                     report = excluded.report, ended_at = excluded.ended_at
                 WHERE records.ended_at IS NULL AND records.attempt < excluded.attempt
                   AND records.origin = excluded.origin AND records.undo = excluded.undo
                   AND records.operation IS NOT DISTINCT FROM excluded.operation
                   AND records.effect IS NOT DISTINCT FROM excluded.effect
                 RETURNING deployment)
             SELECT pg_notify('runtime', deployment) FROM written",
            &[
                &ticket.deployment,
                &number(intent.sequence),
                &intent.origin,
                &intent.operation,
                &intent.effect,
                &intent.undo,
                &i64::from(intent.attempt),
                &number(ticket.lease.token),
                &number(intent.started.0),
                &outcome.map(|outcome| &outcome.result),
                &outcome.and_then(|outcome| outcome.report.as_ref()),
                &outcome.map(|outcome| number(outcome.ended.0)),
                &ticket.lease.scope.application,
                &ticket.lease.scope.environment,
                &session.judge(intent.started),
            ],
            |_| Ok(()),
        )
        .await?;
    if !told.is_empty() {
        return Ok(());
    }
    check(session, ticket, intent.started, true).await?;
    let found = row(session, ticket, intent.sequence).await?;
    if found.is_some_and(|row| row.is(ticket, intent, outcome)) {
        return Ok(());
    }
    let last: i64 = session
        .row(
            "SELECT coalesce(max(sequence), 0) FROM records WHERE deployment = $1",
            &[&ticket.deployment],
            |row| row.try_get(0),
        )
        .await?;
    if intent.sequence == unsigned(last) + 1 {
        // The lease was renewed only after the statement looked at it.
        return Err(session.repeat().into());
    }
    Err(ticket.out_of_order(intent.sequence, unsigned(last)))
}

/// Adds the outcome to the row that this holder began. A lease that ran out, and that nobody
/// took, is good enough: what happened has happened.
async fn update(
    session: &Session,
    ticket: &Ticket,
    sequence: u64,
    outcome: &OutcomeRow,
) -> Result<(), JournalError> {
    let told: Vec<()> = session
        .rows(
            "WITH held AS (
                 SELECT FROM leases
                 WHERE application = $7 AND environment = $8 AND token = $6
                   AND until_at IS NOT NULL
                 FOR SHARE),
             written AS (
                 UPDATE records SET result = $3, report = $4, ended_at = $5 FROM held
                 WHERE deployment = $1 AND sequence = $2 AND token = $6 AND ended_at IS NULL
                 RETURNING deployment)
             SELECT pg_notify('runtime', deployment) FROM written",
            &[
                &ticket.deployment,
                &number(sequence),
                &outcome.result,
                &outcome.report,
                &number(outcome.ended.0),
                &number(ticket.lease.token),
                &ticket.lease.scope.application,
                &ticket.lease.scope.environment,
            ],
            |_| Ok(()),
        )
        .await?;
    if !told.is_empty() {
        return Ok(());
    }
    check(session, ticket, outcome.ended, false).await?;
    let found = row(session, ticket, sequence).await?;
    if found.is_some_and(|row| row.has(ticket, outcome)) {
        return Ok(());
    }
    Err(ticket.not_under_way(sequence))
}

/// Sets the verdict where this holder still works on the deployment.
async fn close(
    change: &Change,
    ticket: &Ticket,
    state: State,
    verdict: &str,
    at: Timestamp,
) -> Result<(), JournalError> {
    let Ticket { deployment, lease } = ticket;
    let written = change
        .run(
            "WITH held AS (
                 SELECT FROM leases
                 WHERE application = $6 AND environment = $7 AND token = $5
                   AND until_at IS NOT NULL
                 FOR SHARE)
             UPDATE deployments SET state = $2, verdict = $3, ended_at = $4 FROM held
             WHERE id = $1 AND state = 'running' AND token = $5",
            &[
                deployment,
                &state.as_str(),
                &verdict,
                &number(at.0),
                &number(lease.token),
                &lease.scope.application,
                &lease.scope.environment,
            ],
        )
        .await?;
    if written == 0 {
        check(change, ticket, at, false).await?;
        let closed = change
            .first(
                "SELECT 1 FROM deployments WHERE id = $1 AND token = $2 AND verdict = $3
                   AND ended_at = $4",
                &[deployment, &number(lease.token), &verdict, &number(at.0)],
                |_| Ok(()),
            )
            .await?;
        return closed.ok_or_else(|| ticket.not_running());
    }
    let mut by = lease.owner.clone();
    by.deployment = Some(deployment.clone());
    let details = json!({ "state": state.as_str() });
    audit(change, &lease.scope, &by, at, "deployment_closed", details).await?;
    Ok(change.tell(deployment).await?)
}

async fn row(
    session: &Session,
    ticket: &Ticket,
    sequence: u64,
) -> Result<Option<RecordRow>, StoreError> {
    session
        .first(
            &format!("{SELECT} AND sequence = $2"),
            &[&ticket.deployment, &number(sequence)],
            take,
        )
        .await
}

/// The record of a deployment from that sequence on, oldest first.
pub(super) async fn records(
    session: &Session,
    deployment: &str,
    first: u64,
) -> Result<Vec<Record>, StoreError> {
    let rows = session
        .rows(
            &format!("{SELECT} AND sequence >= $2 ORDER BY sequence"),
            &[&deployment, &number(first)],
            take,
        )
        .await?;
    rows.iter().map(|row| row.read(&session.place)).collect()
}

fn take(row: &Row) -> Result<RecordRow, Error> {
    let attempt: i64 = row.try_get(5)?;
    let intent = IntentRow {
        sequence: unsigned(row.try_get(0)?),
        origin: row.try_get(1)?,
        operation: row.try_get(2)?,
        effect: row.try_get(3)?,
        undo: row.try_get(4)?,
        attempt: u32::try_from(attempt).unwrap_or(u32::MAX),
        started: time(row.try_get(6)?),
    };
    let ended: Option<i64> = row.try_get(9)?;
    let outcome = match ended {
        Some(ended) => Some(OutcomeRow {
            result: row.try_get(7)?,
            report: row.try_get(8)?,
            ended: time(ended),
        }),
        None => None,
    };
    Ok(RecordRow {
        token: unsigned(row.try_get(10)?),
        intent,
        outcome,
    })
}
