//! Leases in SQLite.

use engine::Timestamp;
use rusqlite::{Row, params};
use serde_json::json;

use super::{
    database::{Change, Read},
    pending::append,
};
use crate::{
    error::{LeaseError, StoreError},
    lease::{Held, Lease, Owner, Scope},
    row::{
        self,
        lease::{Standing, entry, who},
    },
    value::{length, number, time, unsigned},
};

fn standing(read: &impl Read, scope: &Scope) -> Result<Option<Standing>, StoreError> {
    read.first(
        "SELECT token, actor, host, process, purpose, deployment, since_at, until_at
         FROM leases WHERE application = ?1 AND environment = ?2",
        params![scope.application, scope.environment],
        |row: &Row<'_>| {
            let until: Option<i64> = row.get(7)?;
            let owner = Owner {
                actor: row.get(1)?,
                host: row.get(2)?,
                process: row.get(3)?,
                purpose: row.get(4)?,
                deployment: row.get(5)?,
            };
            let last = Held {
                owner,
                token: unsigned(row.get(0)?),
                since: time(row.get(6)?),
                until: time(until.unwrap_or(0)),
            };
            Ok(Standing {
                last,
                held: until.is_some(),
            })
        },
    )
}

/// Who holds it; also one whose time ran out.
pub(super) fn holder(read: &impl Read, scope: &Scope) -> Result<Option<Held>, StoreError> {
    Ok(standing(read, scope)?.and_then(Standing::holder))
}

/// Takes the lease, also from one whose time ran out.
pub(super) fn acquire(
    change: &mut Change<'_>,
    scope: &Scope,
    owner: &Owner,
    ttl_ms: u64,
    now: Timestamp,
) -> Result<Lease, LeaseError> {
    let standing = standing(change, scope)?;
    let token = standing.as_ref().map_or(0, |standing| standing.last.token) + 1;
    let before = standing.and_then(Standing::holder);
    if let Some(held) = before.as_ref().filter(|held| held.is_live(now)) {
        return Err(LeaseError::Held {
            scope: scope.clone(),
            held: Box::new(held.clone()),
        });
    }
    let until = now.after_ms(ttl_ms);
    change.run(
        "INSERT INTO leases (application, environment, token, actor, host, process, purpose,
                             deployment, since_at, until_at, ttl_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (application, environment) DO UPDATE SET
             token = excluded.token, actor = excluded.actor, host = excluded.host,
             process = excluded.process, purpose = excluded.purpose,
             deployment = excluded.deployment, since_at = excluded.since_at,
             until_at = excluded.until_at, ttl_ms = excluded.ttl_ms",
        params![
            scope.application,
            scope.environment,
            number(token),
            owner.actor,
            owner.host,
            owner.process,
            owner.purpose,
            owner.deployment,
            number(now.0),
            number(until.0),
            length(ttl_ms)
        ],
    )?;
    if let Some(held) = before {
        let details = json!({ "from": who(&held.owner), "until": held.until });
        audit(change, scope, owner, now, "lease_taken_over", details)?;
    }
    Ok(Lease {
        scope: scope.clone(),
        owner: owner.clone(),
        token,
        since: now,
        until,
    })
}

/// Lengthens the lease where it was not lost.
pub(super) fn renew(
    change: &mut Change<'_>,
    lease: &Lease,
    ttl_ms: u64,
    now: Timestamp,
) -> Result<Lease, LeaseError> {
    let until = now.after_ms(ttl_ms);
    let kept = change.first(
        "UPDATE leases SET until_at = max(until_at, ?4), ttl_ms = ?5
         WHERE application = ?1 AND environment = ?2 AND token = ?3 AND until_at IS NOT NULL
         RETURNING until_at",
        params![
            lease.scope.application,
            lease.scope.environment,
            number(lease.token),
            number(until.0),
            length(ttl_ms)
        ],
        |row| row.get(0),
    )?;
    match kept {
        Some(until) => Ok(Lease {
            until: time(until),
            ..lease.clone()
        }),
        None => Err(lost(change, lease)?),
    }
}

/// A lease that lasts longer than it was ever taken for shows that the clock was set back since:
/// from now on it lasts no longer than it was taken for.
pub(super) fn steady(change: &Change<'_>, scope: &Scope, now: Timestamp) -> Result<(), StoreError> {
    change.run(
        "UPDATE leases SET until_at = ?3 + ttl_ms
         WHERE application = ?1 AND environment = ?2 AND until_at > ?3 + ttl_ms",
        params![scope.application, scope.environment, number(now.0)],
    )?;
    Ok(())
}

/// The lease is not this one's any more.
pub(super) fn lost(read: &impl Read, lease: &Lease) -> Result<LeaseError, StoreError> {
    Ok(LeaseError::Lost {
        scope: lease.scope.clone(),
        holder: whereabouts(read, lease, None)?.unwrap_or_default(),
    })
}

/// Lets go of the lease where it was not lost.
pub(super) fn release(change: &mut Change<'_>, lease: &Lease) -> Result<(), StoreError> {
    change.run(
        "UPDATE leases SET until_at = NULL
         WHERE application = ?1 AND environment = ?2 AND token = ?3",
        params![
            lease.scope.application,
            lease.scope.environment,
            number(lease.token)
        ],
    )?;
    Ok(())
}

/// Takes the lease away from whoever holds it.
pub(super) fn break_open(
    change: &mut Change<'_>,
    scope: &Scope,
    by: &Owner,
    reason: &str,
    now: Timestamp,
) -> Result<Option<Held>, StoreError> {
    let Some(held) = holder(change, scope)? else {
        return Ok(None);
    };
    change.run(
        "UPDATE leases SET until_at = NULL WHERE application = ?1 AND environment = ?2",
        params![scope.application, scope.environment],
    )?;
    let details = json!({ "from": who(&held.owner), "until": held.until, "reason": reason });
    audit(change, scope, by, now, "lease_broken", details)?;
    Ok(Some(held))
}

/// What became of a lease, for people; none where it still is this one's.
///
/// With a time, one that ran out is lost, too.
pub(super) fn whereabouts(
    read: &impl Read,
    lease: &Lease,
    at: Option<Timestamp>,
) -> Result<Option<String>, StoreError> {
    let standing = standing(read, &lease.scope)?;
    Ok(row::lease::whereabouts(standing.as_ref(), lease.token, at))
}

/// Audits what somebody did with a lease or with the deployment that it covers.
pub(super) fn audit(
    change: &mut Change<'_>,
    scope: &Scope,
    by: &Owner,
    at: Timestamp,
    action: &str,
    details: serde_json::Value,
) -> Result<(), StoreError> {
    append(change, &[entry(scope, by, at, action, details)])
}
