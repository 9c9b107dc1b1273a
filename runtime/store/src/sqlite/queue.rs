//! Work that no process has yet, or has any more, in SQLite.

use engine::Timestamp;
use rusqlite::params;
use serde_json::json;

use super::{
    database::{Change, Database, Read},
    deployment::{insert, settle_unfinished},
    lease::{acquire, audit, holder, lost, release},
    listing::{SELECT, existing, take},
};
use crate::{
    deployment::{Deployment, NewDeployment},
    error::{LeaseError, StoreError},
    lease::{Lease, Owner},
    row::deployment::{Before, Texts, begun, not_running},
    value::number,
};

/// Those that could be taken over; follows a SELECT.
const UNATTENDED: &str = "
    LEFT JOIN leases s ON s.application = d.application AND s.environment = d.environment
    WHERE d.ended_at IS NULL AND (
        (d.state = 'running' AND l.token IS NULL AND s.deployment = d.id AND s.token = d.token
         AND s.until_at IS NOT NULL)
        OR (d.state = 'queued' AND (s.until_at > ?1) IS NOT TRUE
            AND NOT EXISTS (
                SELECT 1 FROM deployments o
                WHERE o.application = d.application AND o.environment = d.environment
                  AND o.ended_at IS NULL
                  AND (o.state = 'running'
                       OR (o.state = 'queued'
                           AND (o.started_at, o.id) < (d.started_at, d.id))))))
    ";

/// Writes a deployment down for whoever takes it.
pub(super) fn queue(
    change: &mut Change<'_>,
    new: &NewDeployment,
    texts: &Texts,
    now: Timestamp,
) -> Result<(), LeaseError> {
    let (scope, owner) = (new.scope(), new.owner());
    let running = holder(change, &scope)?.filter(|held| held.is_live(now));
    settle_unfinished(change, new, Before::Running(running.as_ref()), now)?;
    insert(change, new, texts, None, now)?;
    let details = new.details();
    Ok(audit(
        change,
        &scope,
        &owner,
        now,
        "deployment_queued",
        details,
    )?)
}

/// Those that could be taken over, in the order in which they should be.
pub(super) fn unattended(
    database: &Database,
    now: Timestamp,
) -> Result<Vec<Deployment>, StoreError> {
    let sql = format!("{SELECT} {UNATTENDED} ORDER BY d.state = 'queued', d.started_at, d.id");
    let found = database.rows(&sql, params![number(now.0)], take)?;
    found
        .into_iter()
        .map(|found| found.read(&database.place))
        .collect()
}

/// Takes the lease for one that nobody works on, where it still can be taken over.
pub(super) fn take_over(
    change: &mut Change<'_>,
    id: &str,
    owner: &Owner,
    ttl_ms: u64,
    now: Timestamp,
) -> Result<Option<Lease>, StoreError> {
    let sql = format!("{SELECT} {UNATTENDED} AND d.id = ?2");
    let Some(found) = change.first(&sql, params![number(now.0), id], take)? else {
        // Somebody was faster; or there is no such deployment, which is another matter.
        return existing(change, id, now).map(|_| None);
    };
    let before = found.read(change.place)?;
    let owner = Owner {
        deployment: Some(id.to_owned()),
        ..owner.clone()
    };
    let lease = match acquire(change, &before.scope, &owner, ttl_ms, now) {
        Ok(lease) => lease,
        Err(LeaseError::Store(error)) => return Err(error),
        Err(_) => return Ok(None),
    };
    change.run(
        "UPDATE deployments SET state = 'running', token = ?2 WHERE id = ?1",
        params![id, number(lease.token)],
    )?;
    let details = json!({ "purpose": owner.purpose, "state": before.state.as_str() });
    audit(
        change,
        &before.scope,
        &owner,
        now,
        "deployment_taken_over",
        details,
    )?;
    Ok(Some(lease))
}

/// Replaces the brief of one that has no record yet.
pub(super) fn revise(
    change: &mut Change<'_>,
    id: &str,
    brief: &str,
    lease: &Lease,
) -> Result<(), LeaseError> {
    let written = change.run(
        "UPDATE deployments SET brief = ?2
         WHERE id = ?1 AND state = 'running' AND token = ?3
           AND EXISTS (SELECT 1 FROM leases WHERE application = ?4 AND environment = ?5
                         AND token = ?3 AND until_at IS NOT NULL)
           AND NOT EXISTS (SELECT 1 FROM records WHERE deployment = ?1)",
        params![
            id,
            brief,
            number(lease.token),
            lease.scope.application,
            lease.scope.environment
        ],
    )?;
    if written > 0 {
        return Ok(());
    }
    Err(lost(change, lease)?.unless_held(begun(id)))
}

/// Puts it back into the queue, and lets go of its lease.
pub(super) fn hand_over(
    change: &mut Change<'_>,
    id: &str,
    lease: &Lease,
    now: Timestamp,
) -> Result<(), LeaseError> {
    let written = change.run(
        "UPDATE deployments SET state = 'queued', detached = 1
         WHERE id = ?1 AND state = 'running' AND token = ?2
           AND EXISTS (SELECT 1 FROM leases WHERE application = ?3 AND environment = ?4
                         AND token = ?2 AND until_at IS NOT NULL)",
        params![
            id,
            number(lease.token),
            lease.scope.application,
            lease.scope.environment
        ],
    )?;
    if written == 0 {
        return Err(lost(change, lease)?.unless_held(not_running(id)));
    }
    release(change, lease)?;
    let by = Owner {
        deployment: Some(id.to_owned()),
        ..lease.owner.clone()
    };
    Ok(audit(
        change,
        &lease.scope,
        &by,
        now,
        "deployment_handed_over",
        json!({}),
    )?)
}
