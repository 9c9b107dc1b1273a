//! Deployments in PostgreSQL: how they begin, go on and end. All of it in audited changes, so
//! one after another.

use engine::{Timestamp, Verdict};
use serde_json::json;

use super::{
    change::Change,
    lease::{acquire, audit, break_open, holder},
    listing::existing,
    release::insert as insert_release,
};
use crate::{
    deployment::{Blob, NewDeployment, State},
    error::{LeaseError, StoreError},
    lease::{Held, Lease, Owner},
    release::KnownRelease,
    row::deployment::{Before, Texts},
    value::{number, text},
};

/// Writes a deployment down and takes its lease.
pub(super) async fn begin(
    change: &Change,
    new: &NewDeployment,
    texts: &Texts,
    ttl_ms: u64,
    now: Timestamp,
) -> Result<Lease, LeaseError> {
    let (scope, owner) = (new.scope(), new.owner());
    let lease = acquire(change, &scope, &owner, ttl_ms, now).await?;
    settle_unfinished(change, new, Before::Nothing, now).await?;
    insert(change, new, texts, Some(&lease), now).await?;
    let details = new.details();
    audit(change, &scope, &owner, now, "deployment_begun", details).await?;
    Ok(lease)
}

/// Writes a deployment down with all that it needs; queued where it has no lease.
pub(super) async fn insert(
    change: &Change,
    new: &NewDeployment,
    texts: &Texts,
    lease: Option<&Lease>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let brief = &new.brief;
    let release = KnownRelease {
        release: brief.release.clone(),
        artifact: new.artifact.clone(),
        created: now,
    };
    insert_release(change, &brief.application, &release).await?;
    keep_blob(change, &new.configuration).await?;
    keep_blob(change, &new.strategy).await?;
    let state = match lease {
        Some(_) => State::Running,
        None => State::Queued,
    };
    let written = change
        .run(
            "INSERT INTO deployments (id, application, environment, purpose, release_id, version,
                 strategy, brief, configuration_digest, strategy_digest, actor, host, token,
                 started_at, state, detached, folder)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
             ON CONFLICT (id) DO NOTHING",
            &[
                &brief.id,
                &brief.application,
                &brief.environment,
                &texts.purpose,
                &brief.release.id.as_str(),
                &brief.release.version,
                &brief.strategy,
                &texts.brief,
                &new.configuration.digest,
                &new.strategy.digest,
                &new.owner.actor,
                &new.owner.host,
                &number(lease.map_or(0, |lease| lease.token)),
                &number(now.0),
                &state.as_str(),
                &i64::from(lease.is_none()),
                &new.folder,
            ],
        )
        .await?;
    if written == 0 {
        return Err(new.known_already());
    }
    for pin in &new.plugins {
        change
            .run(
                "INSERT INTO plugin_pins (deployment, kind, name, digest)
                 VALUES ($1, $2, $3, $4)",
                &[&brief.id, &pin.kind, &pin.name, &pin.digest],
            )
            .await?;
    }
    change.tell(&brief.id).await
}

/// Looks for an earlier deployment that was cut off or handed over, and gives it up where that was
/// asked for.
///
/// What runs under a live lease is not cut off: what else has not ended is not running, whatever
/// its mark says.
pub(super) async fn settle_unfinished(
    change: &Change,
    new: &NewDeployment,
    before: Before<'_>,
    now: Timestamp,
) -> Result<(), LeaseError> {
    let scope = new.scope();
    let (running, over) = match before {
        Before::Nothing => (None, true),
        Before::Running(held) => (
            held.and_then(|held| held.owner.deployment.as_deref()),
            false,
        ),
    };
    let unfinished: Vec<String> = change
        .rows(
            "SELECT id FROM deployments
             WHERE application = $1 AND environment = $2 AND ended_at IS NULL
               AND id IS DISTINCT FROM $3
               AND (state = 'running' OR ($4 AND state = 'queued' AND token > 0))
             ORDER BY token DESC",
            &[&scope.application, &scope.environment, &running, &over],
            |row| row.try_get(0),
        )
        .await?;
    let Some(latest) = unfinished.first() else {
        return Ok(());
    };
    if !new.over_unfinished {
        return Err(LeaseError::Unfinished {
            deployment: latest.clone(),
        });
    }
    let verdict = new.successor_of_others();
    for id in &unfinished {
        set_verdict(change, id, &verdict, now).await?;
        let by = Owner {
            deployment: Some(id.clone()),
            ..new.owner()
        };
        let details = json!({ "for": new.brief.id });
        audit(change, &scope, &by, now, "deployment_given_up", details).await?;
    }
    Ok(())
}

async fn keep_blob(change: &Change, blob: &Blob) -> Result<(), StoreError> {
    // Looked for first, so that what is there already is not sent.
    let known = change
        .first(
            "SELECT 1 FROM blobs WHERE digest = $1",
            &[&blob.digest],
            |_| Ok(()),
        )
        .await?;
    if known.is_some() {
        return Ok(());
    }
    change
        .run(
            "INSERT INTO blobs (digest, bytes) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
            &[&blob.digest, &&*blob.bytes],
        )
        .await
        .map(drop)
}

async fn set_verdict(
    change: &Change,
    id: &str,
    verdict: &Verdict,
    at: Timestamp,
) -> Result<(), StoreError> {
    change
        .run(
            "UPDATE deployments SET state = $2, verdict = $3, ended_at = $4 WHERE id = $1",
            &[
                &id,
                &State::of(verdict).as_str(),
                &text(&change.place, "verdict", verdict)?,
                &number(at.0),
            ],
        )
        .await?;
    change.tell(id).await
}

/// Takes the lease for a deployment that exists; it is running again.
pub(super) async fn reopen(
    change: &Change,
    id: &str,
    owner: &Owner,
    ttl_ms: u64,
    now: Timestamp,
) -> Result<Lease, LeaseError> {
    let before = existing(change, id, now).await?;
    let owner = Owner {
        deployment: Some(id.to_owned()),
        ..owner.clone()
    };
    let lease = acquire(change, &before.scope, &owner, ttl_ms, now).await?;
    change
        .run(
            "UPDATE deployments SET state = 'running', token = $2, ended_at = NULL,
                                    verdict = NULL
             WHERE id = $1",
            &[&id, &number(lease.token)],
        )
        .await?;
    let details = json!({
        "purpose": owner.purpose,
        "state": before.state.as_str(),
        "verdict": before.verdict,
    });
    audit(
        change,
        &before.scope,
        &owner,
        now,
        "deployment_reopened",
        details,
    )
    .await?;
    change.tell(id).await?;
    Ok(lease)
}

/// Sets the verdict of a deployment that nobody works on.
pub(super) async fn settle(
    change: &Change,
    id: &str,
    verdict: &Verdict,
    by: &Owner,
    now: Timestamp,
) -> Result<(), LeaseError> {
    let before = existing(change, id, now).await?;
    let scope = &before.scope;
    let covers = |held: &Held| held.owner.deployment.as_deref() == Some(id);
    if let Some(held) = holder(change, scope, now).await?.filter(covers) {
        if held.is_live(now) {
            return Err(LeaseError::Held {
                scope: scope.clone(),
                held: Box::new(held),
            });
        }
        // Its process must not come back and go on.
        let reason = format!("deployment {id} was settled");
        break_open(change, scope, by, &reason, now).await?;
    }
    set_verdict(change, id, verdict, now).await?;
    let by = Owner {
        deployment: Some(id.to_owned()),
        ..by.clone()
    };
    let details = json!({
        "from": before.state.as_str(),
        "state": State::of(verdict).as_str(),
    });
    Ok(audit(change, scope, &by, now, "deployment_settled", details).await?)
}
