//! Work that no process has yet, or has any more, in PostgreSQL.

use engine::Timestamp;
use serde_json::json;

use super::{
    change::Change,
    deployment::{insert, settle_unfinished},
    lease::{acquire, audit, holder, lost, release},
    listen::WORK,
    listing::{SELECT, existing, read, take},
    session::Session,
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
        OR (d.state = 'queued' AND (s.until_at > coalesce($1, clock())) IS NOT TRUE
            AND NOT EXISTS (
                SELECT 1 FROM deployments o
                WHERE o.application = d.application AND o.environment = d.environment
                  AND o.ended_at IS NULL
                  AND (o.state = 'running'
                       OR (o.state = 'queued'
                           AND (o.started_at, o.id) < (d.started_at, d.id))))))
    ";

/// Writes a deployment down for whoever takes it.
pub(super) async fn queue(
    change: &Change,
    new: &NewDeployment,
    texts: &Texts,
    now: Timestamp,
) -> Result<(), LeaseError> {
    let (scope, owner) = (new.scope(), new.owner());
    let running = holder(change, &scope, now).await?;
    let running = running.filter(|held| held.is_live(now));
    settle_unfinished(change, new, Before::Running(running.as_ref()), now).await?;
    insert(change, new, texts, None, now).await?;
    let details = new.details();
    audit(change, &scope, &owner, now, "deployment_queued", details).await?;
    Ok(change.tell(WORK).await?)
}

/// Those that could be taken over, in the order in which they should be.
pub(super) async fn unattended(
    session: &Session,
    now: Timestamp,
) -> Result<Vec<Deployment>, StoreError> {
    let sql = format!("{SELECT} {UNATTENDED} ORDER BY d.state = 'queued', d.started_at, d.id");
    let found = session.rows(&sql, &[&session.judge(now)], take).await?;
    read(session, found)
}

/// Takes the lease for one that nobody works on, where it still can be taken over.
pub(super) async fn take_over(
    change: &Change,
    id: &str,
    owner: &Owner,
    ttl_ms: u64,
    now: Timestamp,
) -> Result<Option<Lease>, StoreError> {
    let sql = format!("{SELECT} {UNATTENDED} AND d.id = $2");
    let found = change.first(&sql, &[&change.judge(now), &id], take).await?;
    let Some(found) = found else {
        // Somebody was faster; or there is no such deployment, which is another matter.
        return existing(change, id, now).await.map(|_| None);
    };
    let before = found.read(&change.place)?;
    let owner = Owner {
        deployment: Some(id.to_owned()),
        ..owner.clone()
    };
    let lease = match acquire(change, &before.scope, &owner, ttl_ms, now).await {
        Ok(lease) => lease,
        Err(LeaseError::Store(error)) => return Err(error),
        Err(_) => return Ok(None),
    };
    change
        .run(
            "UPDATE deployments SET state = 'running', token = $2 WHERE id = $1",
            &[&id, &number(lease.token)],
        )
        .await?;
    let details = json!({ "purpose": owner.purpose, "state": before.state.as_str() });
    audit(
        change,
        &before.scope,
        &owner,
        now,
        "deployment_taken_over",
        details,
    )
    .await?;
    change.tell(id).await?;
    Ok(Some(lease))
}

/// Replaces the brief of one that has no record yet.
pub(super) async fn revise(
    change: &Change,
    id: &str,
    brief: &str,
    lease: &Lease,
    now: Timestamp,
) -> Result<(), LeaseError> {
    let written = change
        .run(
            "WITH held AS (
                 SELECT FROM leases
                 WHERE application = $4 AND environment = $5 AND token = $3
                   AND until_at IS NOT NULL
                 FOR UPDATE)
             UPDATE deployments SET brief = $2 FROM held
             WHERE id = $1 AND state = 'running' AND token = $3
               AND NOT EXISTS (SELECT 1 FROM records WHERE deployment = $1)",
            &[
                &id,
                &brief,
                &number(lease.token),
                &lease.scope.application,
                &lease.scope.environment,
            ],
        )
        .await?;
    if written > 0 {
        return Ok(());
    }
    Err(lost(change, lease, now).await?.unless_held(begun(id)))
}

/// Puts it back into the queue, and lets go of its lease.
pub(super) async fn hand_over(
    change: &Change,
    id: &str,
    lease: &Lease,
    now: Timestamp,
) -> Result<(), LeaseError> {
    let written = change
        .run(
            "WITH held AS (
                 SELECT FROM leases
                 WHERE application = $3 AND environment = $4 AND token = $2
                   AND until_at IS NOT NULL
                 FOR UPDATE)
             UPDATE deployments SET state = 'queued', detached = 1 FROM held
             WHERE id = $1 AND state = 'running' AND token = $2",
            &[
                &id,
                &number(lease.token),
                &lease.scope.application,
                &lease.scope.environment,
            ],
        )
        .await?;
    if written == 0 {
        return Err(lost(change, lease, now).await?.unless_held(not_running(id)));
    }
    release(change, lease).await?;
    let by = Owner {
        deployment: Some(id.to_owned()),
        ..lease.owner.clone()
    };
    audit(
        change,
        &lease.scope,
        &by,
        now,
        "deployment_handed_over",
        json!({}),
    )
    .await?;
    Ok(change.tell(WORK).await?)
}
