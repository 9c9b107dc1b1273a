//! How deployments begin, are found, go on and end.

use engine::Purpose;
use store::{Filter, LeaseError, ReleaseQuery, State, StoreError};

use crate::{
    World,
    fixture::{
        TTL, at, begin, blob, brief, deployment, failure, intent, owner, release, rolled_back, run,
        scope, stuck, succeeded, value,
    },
};

pub(crate) async fn beginning_keeps_everything(world: &impl World) {
    let store = world.open();
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    assert_eq!(lease.owner.deployment.as_deref(), Some("d1"));
    assert_eq!(lease.owner.purpose, "deploy");

    let kept = world.open().deployment("d1", at(1)).await.unwrap().unwrap();
    assert_eq!(kept.scope, scope());
    assert_eq!(
        (kept.purpose, kept.state),
        (Purpose::Deploy, State::Running)
    );
    assert_eq!(
        (kept.release.as_str(), kept.version.as_str()),
        ("1.0-1", "1.0")
    );
    assert_eq!(
        (kept.strategy.as_str(), kept.actor.as_str()),
        ("canary", "anna")
    );
    assert_eq!(
        (kept.started, kept.ended, kept.token),
        (at(0), None, lease.token)
    );

    let pinned = store.pinned("d1").await.unwrap();
    assert_eq!(pinned.brief, brief("d1", "1.0"));
    assert_eq!(
        (pinned.configuration, pinned.strategy),
        (blob("configuration"), blob("strategy"))
    );
    assert_eq!(pinned.plugins, deployment("d1", "1.0").plugins);
    assert_eq!(pinned.folder.as_deref(), Some("/srv/shop"));
    let releases = store.releases("shop", &ReleaseQuery::All).await.unwrap();
    assert_eq!(releases.len(), 1);
    assert_eq!(
        (&releases[0].release, releases[0].created),
        (&release("1.0"), at(0))
    );
    let missing = store.pinned("d2").await.unwrap_err();
    assert_eq!(missing.to_string(), "there is no deployment `d2`");
}

/// What cannot begin leaves neither lease nor release behind.
pub(crate) async fn beginning_is_one_step(world: &impl World) {
    let store = world.open();
    run(&*store, "d1", "1.0", at(0), &succeeded()).await;

    let twice = store
        .begin_deployment(deployment("d1", "2.0"), TTL, at(20))
        .await
        .unwrap_err();

    assert!(
        matches!(twice, LeaseError::Store(StoreError::Conflict(_))),
        "{twice:?}"
    );
    assert_eq!(store.holder(&scope()).await.unwrap(), None);
    assert_eq!(
        store
            .releases("shop", &ReleaseQuery::All)
            .await
            .unwrap()
            .len(),
        1
    );
    begin(&*store, "d2", "2.0", at(30)).await;
    let held = store
        .begin_deployment(deployment("d3", "3.0"), TTL, at(40))
        .await
        .unwrap_err();
    assert!(
        matches!(held, LeaseError::Held { ref held, .. }
            if held.owner.deployment.as_deref() == Some("d2")),
        "{held:?}"
    );
}

pub(crate) async fn unfinished_deployment_is_in_the_way(world: &impl World) {
    let store = world.open();
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    store.release(&lease).await.unwrap();

    let refused = store
        .begin_deployment(deployment("d2", "2.0"), TTL, at(1))
        .await
        .unwrap_err();

    assert_eq!(
        refused,
        LeaseError::Unfinished {
            deployment: "d1".to_owned()
        }
    );
    assert_eq!(store.holder(&scope()).await.unwrap(), None);
    assert_eq!(store.deployment("d2", at(1)).await.unwrap(), None);
}

pub(crate) async fn unfinished_deployment_is_given_up(world: &impl World) {
    let store = world.open();
    let old = begin(&*store, "d1", "1.0", at(0)).await;
    let new = store::NewDeployment {
        over_unfinished: true,
        ..deployment("d2", "2.0")
    };

    let lease = store.begin_deployment(new, TTL, at(TTL)).await.unwrap();

    assert_eq!(lease.token, old.token + 1);
    let given_up = store.deployment("d1", at(TTL)).await.unwrap().unwrap();
    assert_eq!(
        (given_up.state, given_up.ended),
        (State::Abandoned, Some(at(TTL)))
    );
    assert!(matches!(
        given_up.verdict,
        Some(engine::Verdict::Abandoned { .. })
    ));
    let refused = store
        .journal("d1", &old)
        .begin(&intent(1, at(TTL)))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, engine::JournalError::LeaseLost { .. }),
        "{refused:?}"
    );
}

pub(crate) async fn running_without_a_lease_is_cut_off(world: &impl World) {
    let store = world.open();
    begin(&*store, "d1", "1.0", at(0)).await;
    let state = async |now| store.deployment("d1", now).await.unwrap().unwrap().state;
    assert_eq!(state(at(TTL - 1)).await, State::Running);
    assert_eq!(state(at(TTL)).await, State::CutOff);
}

pub(crate) async fn list_is_filtered_and_newest_first(world: &impl World) {
    let store = world.open();
    run(&*store, "d1", "1.0", at(0), &succeeded()).await;
    run(&*store, "d2", "2.0", at(100), &stuck()).await;
    run(&*store, "d3", "3.0", at(200), &rolled_back()).await;
    let mut elsewhere = deployment("d4", "1.0");
    elsewhere.brief.environment = "staging".to_owned();
    elsewhere.brief.purpose = Purpose::Rollback;
    store
        .begin_deployment(elsewhere, TTL, at(300))
        .await
        .unwrap();

    let list = async |filter: Filter| -> Vec<String> {
        let found = store.deployments(&filter, at(400)).await.unwrap();
        found.into_iter().map(|deployment| deployment.id).collect()
    };

    assert_eq!(list(Filter::default()).await, ["d4", "d3", "d2", "d1"]);
    let production = Filter {
        application: Some("shop".to_owned()),
        environment: Some("production".to_owned()),
        ..Filter::default()
    };
    assert_eq!(
        list(Filter {
            limit: Some(1),
            ..production.clone()
        })
        .await,
        ["d3"]
    );
    assert_eq!(
        list(Filter {
            open: true,
            ..production
        })
        .await,
        ["d2"]
    );
    assert_eq!(
        list(Filter {
            open: true,
            ..Filter::default()
        })
        .await,
        ["d4", "d2"]
    );
    let other = Filter {
        application: Some("blog".to_owned()),
        ..Filter::default()
    };
    assert!(list(other).await.is_empty());
    let back = store.deployment("d4", at(400)).await.unwrap().unwrap();
    assert_eq!(back.purpose, Purpose::Rollback);
}

pub(crate) async fn id_may_be_a_beginning(world: &impl World) {
    let store = world.open();
    for (step, id) in (0..).zip(["7ab1", "7ab2", "7ab", "8%c"]) {
        run(&*store, id, "1.0", at(step * 100), &succeeded()).await;
    }
    let find = async |id: &str| {
        let found = store.deployment(id, at(0)).await?;
        Ok::<_, StoreError>(found.map(|deployment| deployment.id))
    };
    assert_eq!(find("7ab1").await, Ok(Some("7ab1".to_owned())));
    assert_eq!(find("7ab").await, Ok(Some("7ab".to_owned())));
    assert_eq!(find("8").await, Ok(Some("8%c".to_owned())));
    assert_eq!(find("%").await, Ok(None));
    let ambiguous = find("7").await.unwrap_err();
    assert_eq!(
        ambiguous.to_string(),
        "`7` may be any of 7ab, 7ab1, 7ab2; write more of it"
    );
}

pub(crate) async fn reopened_deployment_goes_on(world: &impl World) {
    let store = world.open();
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    store
        .journal("d1", &lease)
        .begin(&intent(1, at(1)))
        .await
        .unwrap();
    store
        .journal("d1", &lease)
        .close(&value(&stuck()), at(2))
        .await
        .unwrap();
    let held = store
        .reopen_deployment("d1", &owner("ben"), TTL, at(3))
        .await
        .unwrap_err();
    assert!(matches!(held, LeaseError::Held { .. }), "{held:?}");
    store.release(&lease).await.unwrap();

    let again = store
        .reopen_deployment("d1", &owner("ben"), TTL, at(4))
        .await
        .unwrap();

    assert_eq!(again.token, lease.token + 1);
    let running = store.deployment("d1", at(5)).await.unwrap().unwrap();
    assert_eq!((running.state, running.ended), (State::Running, None));
    assert_eq!(running.verdict, None);
    store
        .journal("d1", &again)
        .close(&value(&rolled_back()), at(6))
        .await
        .unwrap();
    let audit = store.audit_rows(Some("d1")).await.unwrap();
    let reopened = audit
        .iter()
        .find(|row| row.entry.action == "deployment_reopened")
        .unwrap();
    assert_eq!(reopened.entry.details["state"], "stuck");
    assert_eq!(reopened.entry.details["verdict"], value(&stuck()));
    let missing = store
        .reopen_deployment("d9", &owner("ben"), TTL, at(4))
        .await
        .unwrap_err();
    assert!(
        matches!(missing, LeaseError::Store(StoreError::Missing { .. })),
        "{missing:?}"
    );
}

pub(crate) async fn settled_deployment_stays_so(world: &impl World) {
    let store = world.open();
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    let verdict = engine::Verdict::Abandoned {
        cause: failure("nobody wants it"),
    };
    let settle = async |now| {
        store
            .settle_deployment("d1", &verdict, &owner("ben"), now)
            .await
    };
    let running = settle(at(1)).await.unwrap_err();
    assert!(matches!(running, LeaseError::Held { .. }), "{running:?}");

    settle(at(TTL)).await.unwrap();

    let settled = store.deployment("d1", at(TTL)).await.unwrap().unwrap();
    assert_eq!(
        (settled.state, settled.verdict),
        (State::Abandoned, Some(verdict.clone()))
    );
    // Its process wakes up again.
    store.renew(&lease, TTL, at(TTL + 1)).await.unwrap_err();
    store
        .journal("d1", &lease)
        .begin(&intent(1, at(TTL + 1)))
        .await
        .unwrap_err();
}
