//! Deployments in SQLite, read back: one, many, and what they are pinned to.

use engine::{Purpose, Timestamp};
use rusqlite::{Row, params};

use super::database::{Change, Database, Read};
use crate::{
    deployment::{Blob, Deployment, Filter, Pinned, PluginPin, State},
    error::StoreError,
    lease::Scope,
    row::deployment::{CANDIDATES_MAX, DeploymentRow, missing, sole},
    value::{number, parse, time, unsigned},
};

/// Reads a [`DeploymentRow`]. ?1 is the time: a running deployment whose lease is not held by its
/// own process then is cut off.
pub(super) const SELECT: &str = "
    SELECT d.id, d.application, d.environment, d.purpose, d.release_id, d.version, d.strategy,
           d.actor, d.host, d.token, d.started_at, d.ended_at,
           CASE WHEN d.state = 'running' AND l.token IS NULL THEN 'cut-off' ELSE d.state END,
           d.verdict, d.detached
    FROM deployments d
    LEFT JOIN leases l ON l.application = d.application AND l.environment = d.environment
         AND l.deployment = d.id AND l.token = d.token AND l.until_at > ?1
    ";

pub(super) fn take(row: &Row<'_>) -> rusqlite::Result<DeploymentRow> {
    let ended: Option<i64> = row.get(11)?;
    let deployment = Deployment {
        id: row.get(0)?,
        scope: Scope {
            application: row.get(1)?,
            environment: row.get(2)?,
        },
        purpose: Purpose::Deploy,
        release: row.get(4)?,
        version: row.get(5)?,
        strategy: row.get(6)?,
        actor: row.get(7)?,
        host: row.get(8)?,
        token: unsigned(row.get(9)?),
        started: time(row.get(10)?),
        ended: ended.map(time),
        state: State::CutOff,
        verdict: None,
        detached: row.get(14)?,
    };
    Ok(DeploymentRow {
        deployment,
        purpose: row.get(3)?,
        state: row.get(12)?,
        verdict: row.get(13)?,
    })
}

/// The one with that id, which must exist.
pub(super) fn existing(
    change: &Change<'_>,
    id: &str,
    now: Timestamp,
) -> Result<Deployment, StoreError> {
    change
        .first(
            &format!("{SELECT} WHERE d.id = ?2"),
            params![number(now.0), id],
            take,
        )?
        .ok_or_else(|| missing(id))?
        .read(change.place)
}

/// Deployments, newest first.
pub(super) fn list(
    database: &Database,
    filter: &Filter,
    now: Timestamp,
) -> Result<Vec<Deployment>, StoreError> {
    // Only what is asked for, so that the index serves it.
    let conditions = [
        (filter.application.is_some(), "d.application = ?2"),
        (filter.environment.is_some(), "d.environment = ?3"),
        (
            filter.open,
            "d.state IN ('queued', 'running', 'stuck', 'frozen')",
        ),
    ];
    let conditions: String = conditions
        .iter()
        .filter(|(asked, _)| *asked)
        .map(|(_, condition)| format!(" AND {condition}"))
        .collect();
    let sql = format!(
        "{SELECT} WHERE 1 = 1{conditions}
         ORDER BY d.started_at DESC, d.token DESC, d.id DESC LIMIT ?4"
    );
    let parameters = params![
        number(now.0),
        filter.application,
        filter.environment,
        filter.limit.map_or(i64::MAX, i64::from)
    ];
    let found = database.rows(&sql, parameters, take)?;
    found
        .into_iter()
        .map(|found| found.read(&database.place))
        .collect()
}

/// The one with that id, or the only one whose id begins so.
pub(super) fn find(
    database: &Database,
    prefix: &str,
    now: Timestamp,
) -> Result<Option<Deployment>, StoreError> {
    // The id itself comes first: it is the shortest that begins so.
    let sql = format!(
        "{SELECT} WHERE substr(d.id, 1, length(?2)) = ?2 ORDER BY length(d.id), d.id LIMIT ?3"
    );
    let parameters = params![number(now.0), prefix, CANDIDATES_MAX];
    let found = database.rows(&sql, parameters, take)?;
    let found = found.into_iter().map(|found| found.read(&database.place));
    sole(prefix, found.collect::<Result<_, _>>()?)
}

/// What the deployment with that id is pinned to.
pub(super) fn pinned(database: &Database, id: &str) -> Result<Pinned, StoreError> {
    let blob = |row: &Row<'_>, at: usize| {
        let bytes: Vec<u8> = row.get(at + 1)?;
        Ok::<_, rusqlite::Error>(Blob {
            digest: row.get(at)?,
            bytes: bytes.into(),
        })
    };
    let found = database.first(
        "SELECT d.brief, c.digest, c.bytes, s.digest, s.bytes, d.folder
         FROM deployments d JOIN blobs c ON c.digest = d.configuration_digest
         JOIN blobs s ON s.digest = d.strategy_digest WHERE d.id = ?1",
        [id],
        |row| {
            let brief: String = row.get(0)?;
            Ok((brief, blob(row, 1)?, blob(row, 3)?, row.get(5)?))
        },
    )?;
    let (brief, configuration, strategy, folder) = found.ok_or_else(|| missing(id))?;
    let plugins = database.rows(
        "SELECT kind, name, digest FROM plugin_pins WHERE deployment = ?1 ORDER BY kind, name",
        [id],
        |row| {
            Ok(PluginPin {
                kind: row.get(0)?,
                name: row.get(1)?,
                digest: row.get(2)?,
            })
        },
    )?;
    let brief = parse(&database.place, "brief", &brief)?;
    Ok(Pinned {
        brief,
        configuration,
        folder,
        strategy,
        plugins,
    })
}
