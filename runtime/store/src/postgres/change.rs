//! A transaction that is being put together.

use std::{cell::RefCell, ops::Deref, rc::Rc};

use super::session::Session;
use crate::{
    audit::{AuditEntry, AuditHead},
    error::StoreError,
    pending::Pending,
    value::{number, unsigned},
};

/// What a change touches besides its own rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It adds to the audit. Such changes follow one after another, all of the database's.
    Audited,
    /// It does not, by itself.
    Plain,
}

/// By what a transaction is found again after the connection was lost.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    transaction: String,
    process: i32,
}

/// A transaction that is being put together. Reads and writes go to its session.
pub(super) struct Change {
    session: Rc<Session>,
    head: RefCell<AuditHead>,
}

impl Deref for Change {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Change {
    /// Begins one, with what waited for it; that came first.
    pub(super) async fn begin(
        session: Rc<Session>,
        kind: Kind,
        pending: &Pending,
    ) -> Result<(Self, Trace), StoreError> {
        // Whoever adds to the audit locks its end before anything else, so that no two changes
        // wait for each other.
        let audited = kind == Kind::Audited || !pending.audit.is_empty();
        let sql = if audited {
            "SELECT pg_current_xact_id()::text, pg_backend_pid(), last_sequence, hash
             FROM audit_head FOR UPDATE"
        } else {
            "SELECT pg_current_xact_id()::text, pg_backend_pid(), 0::bigint, ''"
        };
        let take = |row: &tokio_postgres::Row| {
            let trace = Trace {
                transaction: row.try_get(0)?,
                process: row.try_get(1)?,
            };
            let head = AuditHead {
                rows: unsigned(row.try_get(2)?),
                hash: row.try_get(3)?,
            };
            Ok((trace, head))
        };
        // Both go out at once, in this order.
        let (_, (trace, head)) =
            tokio::try_join!(session.batch("BEGIN"), session.row(sql, &[], take))?;
        let change = Self {
            session,
            head: RefCell::new(head),
        };
        change.write(pending).await?;
        Ok((change, trace))
    }

    async fn write(&self, pending: &Pending) -> Result<(), StoreError> {
        self.append(&pending.audit).await?;
        for note in &pending.notes {
            self.run(
                "INSERT INTO notes (deployment, plugin, name, value) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (deployment, plugin, name) DO UPDATE SET value = excluded.value",
                &[
                    &note.deployment,
                    &note.plugin,
                    &note.name,
                    &note.value.to_string(),
                ],
            )
            .await?;
        }
        Ok(())
    }

    /// Adds rows to the audit, each sealed with the one before, in one statement.
    pub(super) async fn append(&self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut head = self.head.borrow().clone();
        let mut numbers = [Vec::new(), Vec::new()];
        let mut texts: [Vec<Option<&str>>; 6] = Default::default();
        let (mut details, mut hashes) = (Vec::new(), Vec::new());
        for entry in entries {
            let detail = entry.details.to_string();
            head.advance(entry, &detail);
            numbers[0].push(number(head.rows));
            numbers[1].push(number(entry.at.0));
            let words = [
                entry.deployment.as_deref(),
                Some(entry.application.as_str()),
                Some(entry.environment.as_str()),
                Some(entry.action.as_str()),
                Some(entry.actor.as_str()),
                Some(entry.host.as_str()),
            ];
            for (column, word) in texts.iter_mut().zip(words) {
                column.push(word);
            }
            details.push(detail);
            hashes.push(head.hash.clone());
        }
        let [sequences, times] = &numbers;
        let [
            deployments,
            applications,
            environments,
            actions,
            actors,
            hosts,
        ] = &texts;
        self.run(
            "WITH moved AS (UPDATE audit_head SET last_sequence = $11, hash = $12)
             INSERT INTO audit (sequence, at, deployment, application, environment, action,
                                actor, host, details, hash)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[],
                 $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])",
            &[
                sequences,
                times,
                deployments,
                applications,
                environments,
                actions,
                actors,
                hosts,
                &details,
                &hashes,
                &number(head.rows),
                &head.hash,
            ],
        )
        .await?;
        self.head.replace(head);
        Ok(())
    }

    /// Wakes those who wait for news of a topic, once this is committed.
    pub(super) async fn tell(&self, topic: &str) -> Result<(), StoreError> {
        self.run("SELECT pg_notify('runtime', $1)", &[&topic])
            .await
            .map(drop)
    }
}

impl Trace {
    /// What became of the transaction: whether it was committed; none while it is not settled.
    ///
    /// One that is still open is ended: its client is gone.
    pub(super) async fn fate(&self, session: &Session) -> Result<Option<bool>, StoreError> {
        let status: Option<String> = session
            .row(
                "SELECT pg_xact_status($1::text::xid8)",
                &[&self.transaction],
                |row| row.try_get(0),
            )
            .await?;
        match status.as_deref() {
            Some("committed") => Ok(Some(true)),
            Some("in progress") => {
                session
                    .run(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                         WHERE pid = $1 AND backend_xid = $2::text::xid8::xid",
                        &[&self.process, &self.transaction],
                    )
                    .await?;
                Ok(None)
            }
            _ => Ok(Some(false)),
        }
    }
}
