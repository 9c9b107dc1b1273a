//! Deployments in PostgreSQL, read back: one, many, and what they are pinned to.

use engine::{Purpose, Timestamp};
use tokio_postgres::{Error, Row};

use super::session::Session;
use crate::{
    deployment::{Blob, Deployment, Filter, Pinned, PluginPin, State},
    error::StoreError,
    lease::Scope,
    row::deployment::{CANDIDATES_MAX, DeploymentRow, missing, sole},
    value::{parse, time, unsigned},
};

/// Reads a [`DeploymentRow`]. $1 is the time where the database's does not count: a running
/// deployment whose lease is not held by its own process then is cut off.
pub(super) const SELECT: &str = "
    SELECT d.id, d.application, d.environment, d.purpose, d.release_id, d.version, d.strategy,
           d.actor, d.host, d.token, d.started_at, d.ended_at,
           CASE WHEN d.state = 'running' AND l.token IS NULL THEN 'cut-off' ELSE d.state END,
           d.verdict, d.detached
    FROM deployments d
    LEFT JOIN leases l ON l.application = d.application AND l.environment = d.environment
         AND l.deployment = d.id AND l.token = d.token AND l.until_at > coalesce($1, clock())
    ";

pub(super) fn take(row: &Row) -> Result<DeploymentRow, Error> {
    let ended: Option<i64> = row.try_get(11)?;
    let deployment = Deployment {
        id: row.try_get(0)?,
        scope: Scope {
            application: row.try_get(1)?,
            environment: row.try_get(2)?,
        },
        purpose: Purpose::Deploy,
        release: row.try_get(4)?,
        version: row.try_get(5)?,
        strategy: row.try_get(6)?,
        actor: row.try_get(7)?,
        host: row.try_get(8)?,
        token: unsigned(row.try_get(9)?),
        started: time(row.try_get(10)?),
        ended: ended.map(time),
        state: State::CutOff,
        verdict: None,
        detached: row.try_get::<_, i64>(14)? != 0,
    };
    Ok(DeploymentRow {
        deployment,
        purpose: row.try_get(3)?,
        state: row.try_get(12)?,
        verdict: row.try_get(13)?,
    })
}

/// The one with that id, which must exist.
pub(super) async fn existing(
    session: &Session,
    id: &str,
    now: Timestamp,
) -> Result<Deployment, StoreError> {
    session
        .first(
            &format!("{SELECT} WHERE d.id = $2"),
            &[&session.judge(now), &id],
            take,
        )
        .await?
        .ok_or_else(|| missing(id))?
        .read(&session.place)
}

/// Deployments, newest first.
pub(super) async fn list(
    session: &Session,
    filter: &Filter,
    now: Timestamp,
) -> Result<Vec<Deployment>, StoreError> {
    let sql = format!(
        "{SELECT}
         WHERE ($2::text IS NULL OR d.application = $2)
           AND ($3::text IS NULL OR d.environment = $3)
           AND (NOT $4 OR d.state IN ('queued', 'running', 'stuck', 'frozen'))
         ORDER BY d.started_at DESC, d.token DESC, d.id COLLATE \"C\" DESC LIMIT $5"
    );
    let found = session
        .rows(
            &sql,
            &[
                &session.judge(now),
                &filter.application,
                &filter.environment,
                &filter.open,
                &filter.limit.map(i64::from),
            ],
            take,
        )
        .await?;
    read(session, found)
}

pub(super) fn read(
    session: &Session,
    found: Vec<DeploymentRow>,
) -> Result<Vec<Deployment>, StoreError> {
    found
        .into_iter()
        .map(|found| found.read(&session.place))
        .collect()
}

/// The one with that id, or the only one whose id begins so.
pub(super) async fn find(
    session: &Session,
    prefix: &str,
    now: Timestamp,
) -> Result<Option<Deployment>, StoreError> {
    // The id itself comes first: it is the shortest that begins so.
    let sql = format!(
        "{SELECT} WHERE starts_with(d.id, $2) ORDER BY length(d.id), d.id COLLATE \"C\" LIMIT $3"
    );
    let found = session
        .rows(
            &sql,
            &[&session.judge(now), &prefix, &i64::from(CANDIDATES_MAX)],
            take,
        )
        .await?;
    sole(prefix, read(session, found)?)
}

/// What the deployment with that id is pinned to. Nothing of that changes
/// once it has a record.
pub(super) async fn pinned(session: &Session, id: &str) -> Result<Pinned, StoreError> {
    let blob = |row: &Row, at: usize| {
        let bytes: Vec<u8> = row.try_get(at + 1)?;
        Ok::<_, Error>(Blob {
            digest: row.try_get(at)?,
            bytes: bytes.into(),
        })
    };
    let found = session
        .first(
            "SELECT d.brief, c.digest, c.bytes, s.digest, s.bytes, d.folder
             FROM deployments d JOIN blobs c ON c.digest = d.configuration_digest
             JOIN blobs s ON s.digest = d.strategy_digest WHERE d.id = $1",
            &[&id],
            |row| {
                let brief: String = row.try_get(0)?;
                Ok((brief, blob(row, 1)?, blob(row, 3)?, row.try_get(5)?))
            },
        )
        .await?;
    let (brief, configuration, strategy, folder) = found.ok_or_else(|| missing(id))?;
    let plugins = session
        .rows(
            "SELECT kind, name, digest FROM plugin_pins WHERE deployment = $1
             ORDER BY kind COLLATE \"C\", name COLLATE \"C\"",
            &[&id],
            |row| {
                Ok(PluginPin {
                    kind: row.try_get(0)?,
                    name: row.try_get(1)?,
                    digest: row.try_get(2)?,
                })
            },
        )
        .await?;
    let brief = parse(&session.place, "brief", &brief)?;
    Ok(Pinned {
        brief,
        configuration,
        folder,
        strategy,
        plugins,
    })
}
