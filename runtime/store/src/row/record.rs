//! A record's row: an intent, and its outcome once there is one.

use engine::{Intent, JournalError, Outcome, Record, Timestamp};

use crate::{
    error::StoreError,
    lease::Lease,
    place::Place,
    value::{parse, text},
};

/// Which record is written, under which lease.
pub(crate) struct Ticket {
    pub(crate) deployment: String,
    pub(crate) lease: Lease,
}

impl Ticket {
    pub(crate) fn new(deployment: &str, lease: &Lease) -> Self {
        Self {
            deployment: deployment.to_owned(),
            lease: lease.clone(),
        }
    }

    fn conflict(&self, what: &str) -> JournalError {
        JournalError::Store(format!("deployment {}: {what}", self.deployment))
    }

    /// A record does not follow from what is there.
    pub(crate) fn out_of_order(&self, sequence: u64, last: u64) -> JournalError {
        self.conflict(&format!(
            "record {sequence} cannot be written: {last} is the last one, and only the one after \
             it, or a further attempt at it while its outcome is not known, can be"
        ))
    }

    /// There is no intent of this holder's that waits for an outcome.
    pub(crate) fn not_under_way(&self, sequence: u64) -> JournalError {
        self.conflict(&format!("record {sequence} is not under way"))
    }

    /// The deployment has a verdict already.
    pub(crate) fn not_running(&self) -> JournalError {
        self.conflict("it is not running")
    }
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

/// An intent as it is kept.
#[derive(PartialEq)]
pub(crate) struct IntentRow {
    pub(crate) sequence: u64,
    pub(crate) origin: String,
    pub(crate) operation: Option<String>,
    pub(crate) effect: Option<String>,
    pub(crate) undo: String,
    pub(crate) attempt: u32,
    pub(crate) started: Timestamp,
}

impl IntentRow {
    pub(crate) fn of(place: &Place, intent: &Intent) -> Result<Self, StoreError> {
        let operation = intent.operation.as_ref();
        let effect = intent.effect.as_ref();
        Ok(Self {
            sequence: intent.sequence,
            origin: text(place, "origin", &intent.origin)?,
            operation: operation
                .map(|it| text(place, "operation", it))
                .transpose()?,
            effect: effect.map(|it| text(place, "effect", it)).transpose()?,
            undo: text(place, "undo", &intent.undo)?,
            attempt: intent.attempt,
            started: intent.started,
        })
    }
}

/// An outcome as it is kept.
#[derive(PartialEq)]
pub(crate) struct OutcomeRow {
    pub(crate) result: String,
    pub(crate) report: Option<String>,
    pub(crate) ended: Timestamp,
}

impl OutcomeRow {
    pub(crate) fn of(place: &Place, outcome: &Outcome) -> Result<Self, StoreError> {
        let report = outcome.report.as_ref();
        Ok(Self {
            result: text(place, "result", &outcome.result)?,
            report: report.map(|it| text(place, "report", it)).transpose()?,
            ended: outcome.ended,
        })
    }
}

/// A row of the record, and the token that it was written under.
pub(crate) struct RecordRow {
    pub(crate) token: u64,
    pub(crate) intent: IntentRow,
    pub(crate) outcome: Option<OutcomeRow>,
}

impl RecordRow {
    /// Whether it is what this holder wanted written: the answer to an earlier call was lost, and
    /// the call was made again.
    pub(crate) fn is(
        &self,
        ticket: &Ticket,
        intent: &IntentRow,
        outcome: Option<&OutcomeRow>,
    ) -> bool {
        self.token == ticket.lease.token
            && self.intent == *intent
            && self.outcome.as_ref() == outcome
    }

    /// Whether it has the outcome that this holder wanted written.
    pub(crate) fn has(&self, ticket: &Ticket, outcome: &OutcomeRow) -> bool {
        self.token == ticket.lease.token && self.outcome.as_ref() == Some(outcome)
    }

    /// What it says.
    pub(crate) fn read(&self, place: &Place) -> Result<Record, StoreError> {
        let intent = &self.intent;
        let operation = intent.operation.as_deref();
        let effect = intent.effect.as_deref();
        let outcome = self.outcome.as_ref().map(|row| {
            let report = row.report.as_deref();
            Ok(Outcome {
                result: parse(place, "result", &row.result)?,
                report: report.map(|it| parse(place, "report", it)).transpose()?,
                ended: row.ended,
            })
        });
        Ok(Record {
            intent: Intent {
                sequence: intent.sequence,
                origin: parse(place, "origin", &intent.origin)?,
                operation: operation
                    .map(|it| parse(place, "operation", it))
                    .transpose()?,
                effect: effect.map(|it| parse(place, "effect", it)).transpose()?,
                undo: parse(place, "undo", &intent.undo)?,
                attempt: intent.attempt,
                started: intent.started,
            },
            outcome: outcome.transpose()?,
        })
    }
}
