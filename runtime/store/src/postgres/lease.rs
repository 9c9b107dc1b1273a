//! Leases in PostgreSQL. They are kept in the time of the clock that judges them, and shown in
//! the caller's.

use engine::Timestamp;
use serde_json::json;
use tokio_postgres::Row;

use super::{change::Change, listen::WORK, session::Session};
use crate::{
    error::{LeaseError, StoreError},
    lease::{Held, Lease, Owner, Scope},
    row::{
        self,
        lease::{Standing, entry, who},
    },
    value::{length, number, unsigned},
};

/// The caller's time that is so many milliseconds after `now`, or before.
fn shifted(now: Timestamp, by: i64) -> Timestamp {
    Timestamp(now.0.saturating_add_signed(by))
}

pub(super) async fn standing(
    session: &Session,
    scope: &Scope,
    now: Timestamp,
) -> Result<Option<Standing>, StoreError> {
    let take = |row: &Row| {
        let until: Option<i64> = row.try_get(7)?;
        let owner = Owner {
            actor: row.try_get(1)?,
            host: row.try_get(2)?,
            process: u32::try_from(row.try_get::<_, i64>(3)?).unwrap_or(0),
            purpose: row.try_get(4)?,
            deployment: row.try_get(5)?,
        };
        let last = Held {
            owner,
            token: unsigned(row.try_get(0)?),
            since: shifted(now, row.try_get(6)?),
            until: shifted(now, until.unwrap_or(0)),
        };
        Ok(Standing {
            last,
            held: until.is_some(),
        })
    };
    session
        .first(
            "SELECT l.token, l.actor, l.host, l.process, l.purpose, l.deployment,
                    l.since_at - t.now, l.until_at - t.now
             FROM leases l, (SELECT coalesce($3, clock()) AS now) t
             WHERE l.application = $1 AND l.environment = $2",
            &[&scope.application, &scope.environment, &session.judge(now)],
            take,
        )
        .await
}

/// Who holds it; also one whose time ran out.
pub(super) async fn holder(
    session: &Session,
    scope: &Scope,
    now: Timestamp,
) -> Result<Option<Held>, StoreError> {
    let standing = standing(session, scope, now).await?;
    Ok(standing.and_then(Standing::holder))
}

/// Takes the lease, also from one whose time ran out. The change is an audited one: no other
/// takes any lease meanwhile.
pub(super) async fn acquire(
    change: &Change,
    scope: &Scope,
    owner: &Owner,
    ttl_ms: u64,
    now: Timestamp,
) -> Result<Lease, LeaseError> {
    let standing = standing(change, scope, now).await?;
    let token = standing.as_ref().map_or(0, |standing| standing.last.token) + 1;
    let before = standing.and_then(Standing::holder);
    if let Some(held) = before.as_ref().filter(|held| held.is_live(now)) {
        return Err(LeaseError::Held {
            scope: scope.clone(),
            held: Box::new(held.clone()),
        });
    }
    change
        .run(
            "INSERT INTO leases (application, environment, token, actor, host, process, purpose,
                                 deployment, since_at, until_at, ttl_ms)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, t.now, t.now + $9, $9
             FROM (SELECT coalesce($10, clock()) AS now) t
             ON CONFLICT (application, environment) DO UPDATE SET
                 token = excluded.token, actor = excluded.actor, host = excluded.host,
                 process = excluded.process, purpose = excluded.purpose,
                 deployment = excluded.deployment, since_at = excluded.since_at,
                 until_at = excluded.until_at, ttl_ms = excluded.ttl_ms",
            &[
                &scope.application,
                &scope.environment,
                &number(token),
                &owner.actor,
                &owner.host,
                &i64::from(owner.process),
                &owner.purpose,
                &owner.deployment,
                &length(ttl_ms),
                &change.judge(now),
            ],
        )
        .await?;
    if let Some(held) = before {
        let details = json!({ "from": who(&held.owner), "until": held.until });
        audit(change, scope, owner, now, "lease_taken_over", details).await?;
        if let Some(deployment) = held.owner.deployment {
            change.tell(&deployment).await?;
        }
    }
    Ok(Lease {
        scope: scope.clone(),
        owner: owner.clone(),
        token,
        since: now,
        until: now.after_ms(ttl_ms),
    })
}

/// A lease that lasts longer than it was ever taken for shows that the clock was set back since:
/// from now on it lasts no longer than it was taken for.
pub(super) async fn steady(
    session: &Session,
    scope: &Scope,
    now: Timestamp,
) -> Result<(), StoreError> {
    session
        .run(
            "UPDATE leases SET until_at = coalesce($3, clock()) + ttl_ms
             WHERE application = $1 AND environment = $2
               AND until_at > coalesce($3, clock()) + ttl_ms",
            &[&scope.application, &scope.environment, &session.judge(now)],
        )
        .await
        .map(drop)
}

/// Lengthens the lease where it was not lost.
pub(super) async fn renew(
    session: &Session,
    lease: &Lease,
    ttl_ms: u64,
    now: Timestamp,
) -> Result<Lease, LeaseError> {
    let left = session
        .first(
            "UPDATE leases SET until_at = greatest(until_at, t.now + $4), ttl_ms = $4
             FROM (SELECT coalesce($5, clock()) AS now) t
             WHERE application = $1 AND environment = $2 AND token = $3
               AND until_at IS NOT NULL
             RETURNING until_at - t.now",
            &[
                &lease.scope.application,
                &lease.scope.environment,
                &number(lease.token),
                &length(ttl_ms),
                &session.judge(now),
            ],
            |row| row.try_get::<_, i64>(0),
        )
        .await?;
    match left {
        Some(left) => Ok(Lease {
            until: shifted(now, left),
            ..lease.clone()
        }),
        None => Err(lost(session, lease, now).await?),
    }
}

/// The lease is not this one's any more.
pub(super) async fn lost(
    session: &Session,
    lease: &Lease,
    now: Timestamp,
) -> Result<LeaseError, StoreError> {
    let holder = whereabouts(session, lease, now, false).await?;
    Ok(LeaseError::Lost {
        scope: lease.scope.clone(),
        holder: holder.unwrap_or_default(),
    })
}

/// Lets go of the lease where it was not lost.
pub(super) async fn release(session: &Session, lease: &Lease) -> Result<(), StoreError> {
    session
        .run(
            "WITH released AS (
                 UPDATE leases SET until_at = NULL
                 WHERE application = $1 AND environment = $2 AND token = $3
                   AND until_at IS NOT NULL
                 RETURNING coalesce(deployment, $4) AS topic)
             SELECT pg_notify('runtime', topic) FROM
                 (SELECT topic FROM released UNION SELECT $4 FROM released) topics",
            &[
                &lease.scope.application,
                &lease.scope.environment,
                &number(lease.token),
                &WORK,
            ],
        )
        .await
        .map(drop)
}

/// Takes the lease away from whoever holds it.
pub(super) async fn break_open(
    change: &Change,
    scope: &Scope,
    by: &Owner,
    reason: &str,
    now: Timestamp,
) -> Result<Option<Held>, StoreError> {
    let Some(held) = holder(change, scope, now).await? else {
        return Ok(None);
    };
    change
        .run(
            "UPDATE leases SET until_at = NULL WHERE application = $1 AND environment = $2",
            &[&scope.application, &scope.environment],
        )
        .await?;
    let details = json!({ "from": who(&held.owner), "until": held.until, "reason": reason });
    audit(change, scope, by, now, "lease_broken", details).await?;
    if let Some(deployment) = &held.owner.deployment {
        change.tell(deployment).await?;
    }
    change.tell(WORK).await?;
    Ok(Some(held))
}

/// What became of a lease, for people; none where it still is this one's. Where that is asked
/// for, one that ran out is lost, too.
pub(super) async fn whereabouts(
    session: &Session,
    lease: &Lease,
    now: Timestamp,
    running: bool,
) -> Result<Option<String>, StoreError> {
    let standing = standing(session, &lease.scope, now).await?;
    let at = running.then_some(now);
    Ok(row::lease::whereabouts(standing.as_ref(), lease.token, at))
}

/// Audits what somebody did with a lease or with the deployment that it covers.
pub(super) async fn audit(
    change: &Change,
    scope: &Scope,
    by: &Owner,
    at: Timestamp,
    action: &str,
    details: serde_json::Value,
) -> Result<(), StoreError> {
    change
        .append(&[entry(scope, by, at, action, details)])
        .await
}
