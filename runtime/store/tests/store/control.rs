//! What people and processes do with a deployment that another process runs: signals, news, and
//! work that is handed from one to the other.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use store::{LeaseError, SentSignal, Signal, State, Store, StoreError, Topic, Watch};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    World,
    fixture::{
        TTL, at, begin, deployment, intent, outcome, owner, rolled_back, run, scope, succeeded,
        value,
    },
};

/// Much longer than any news takes. Nothing that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

fn signal(kind: &str) -> Signal {
    Signal {
        kind: kind.to_owned(),
        details: json!({ "full": true }),
        actor: "ben".to_owned(),
        host: "laptop-7".to_owned(),
        reason: "errors on web1".to_owned(),
        at: at(5),
    }
}

async fn news(watch: &mut Watch) {
    timeout(PATIENCE, watch.changed())
        .await
        .expect("there is news")
        .unwrap();
}

/// Waits until what is looked for is there; looks only when there is news.
async fn until<T>(watch: &mut Watch, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    loop {
        if let Some(found) = look().await {
            return found;
        }
        news(watch).await;
    }
}

async fn ids(store: &dyn Store, now: u64) -> Vec<(String, State)> {
    let found = store.unattended(at(now)).await.unwrap();
    found.into_iter().map(|it| (it.id, it.state)).collect()
}

pub(crate) async fn signal_reaches_its_deployment(world: &impl World) {
    let (store, other) = (world.open(), world.open());
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    assert!(store.signals("d1", 0).await.unwrap().is_empty());

    assert_eq!(other.signal("d1", &signal("pause")).await.unwrap(), 1);
    assert_eq!(other.signal("d1", &signal("promote")).await.unwrap(), 2);

    let sent = |number, kind: &str, taken| SentSignal {
        number,
        signal: signal(kind),
        taken,
    };
    store.take_signal("d1", 1, &lease, at(7)).await.unwrap();
    // The first time counts.
    store.take_signal("d1", 1, &lease, at(8)).await.unwrap();
    let (first, second) = (sent(1, "pause", Some(at(7))), sent(2, "promote", None));
    assert_eq!(
        other.signals("d1", 0).await.unwrap(),
        [first, second.clone()]
    );
    assert_eq!(other.signals("d1", 1).await.unwrap(), [second]);
    let audit = store.audit_rows(Some("d1")).await.unwrap();
    let row = audit
        .iter()
        .find(|row| row.entry.action == "signal_sent")
        .unwrap();
    assert_eq!(
        (row.entry.actor.as_str(), row.entry.host.as_str()),
        ("ben", "laptop-7")
    );
    assert_eq!(row.entry.details["kind"], "pause");
    assert_eq!(row.entry.details["reason"], "errors on web1");
}

pub(crate) async fn signal_needs_an_open_deployment(world: &impl World) {
    let store = world.open();
    let missing = store.signal("d1", &signal("pause")).await.unwrap_err();
    assert!(matches!(missing, StoreError::Missing { .. }), "{missing:?}");
    run(&*store, "d1", "1.0", at(0), &succeeded()).await;

    let late = store.signal("d1", &signal("pause")).await.unwrap_err();

    assert_eq!(
        late.to_string(),
        "deployment d1 has ended (succeeded); nobody acts on `pause` any more"
    );
}

pub(crate) async fn signal_is_taken_by_the_holder_alone(world: &impl World) {
    let store = world.open();
    let old = begin(&*store, "d1", "1.0", at(0)).await;
    store.signal("d1", &signal("abort")).await.unwrap();
    let new = store
        .reopen_deployment("d1", &owner("ben"), TTL, at(TTL))
        .await
        .unwrap();

    let lost = store.take_signal("d1", 1, &old, at(TTL)).await.unwrap_err();
    assert!(matches!(lost, LeaseError::Lost { .. }), "{lost:?}");
    let missing = store.take_signal("d1", 2, &new, at(TTL)).await.unwrap_err();
    assert!(
        matches!(missing, LeaseError::Store(StoreError::Missing { .. })),
        "{missing:?}"
    );
    assert_eq!(store.signals("d1", 0).await.unwrap()[0].taken, None);
    store.take_signal("d1", 1, &new, at(TTL)).await.unwrap();
}

pub(crate) async fn signal_wakes_who_waits_for_it(world: &impl World) {
    let (store, other) = (world.open(), world.open());
    begin(&*store, "d1", "1.0", at(0)).await;
    let mut watch = store.watch(Topic::Deployment("d1".to_owned()));
    let waiting = until(&mut watch, async || {
        store.signals("d1", 0).await.unwrap().into_iter().next()
    });

    let approval = signal("approve");
    let (found, sent) = tokio::join!(waiting, other.signal("d1", &approval));

    assert_eq!((found.signal.kind.as_str(), found.number), ("approve", 1));
    assert_eq!(sent, Ok(1));
}

/// Each step of a deployment is news to who follows it, in the process that makes it and in others.
pub(crate) async fn deployment_is_followed(world: &impl World) {
    let (store, other) = (world.open(), world.open());
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &lease);
    for follower in [Arc::clone(&store), other] {
        let mut watch = follower.watch(Topic::Deployment("d1".to_owned()));
        let follower = &follower;
        let first = follower.records("d1").await.unwrap().len() as u64 + 1;
        let tail = async || follower.records_from("d1", first).await.unwrap();

        journal.begin(&intent(first, at(1))).await.unwrap();
        let begun = until(&mut watch, async || tail().await.pop()).await;
        assert_eq!(begun.outcome, None);

        journal.end(first, &outcome(at(2))).await.unwrap();
        let ended = until(&mut watch, async || tail().await.pop()?.outcome).await;
        assert_eq!(ended, outcome(at(2)));
    }
    let mut watch = store.watch(Topic::Deployment("d1".to_owned()));
    journal.close(&value(&rolled_back()), at(9)).await.unwrap();
    let verdict = async || {
        store
            .deployment("d1", at(9))
            .await
            .unwrap()
            .unwrap()
            .verdict
    };
    assert_eq!(until(&mut watch, verdict).await, rolled_back());
}

pub(crate) async fn watch_ends_with_its_store(world: &impl World) {
    let store = world.open();
    let mut watch = store.watch(Topic::Work);
    drop(store);
    let ended = async {
        // What was there before is news at most once.
        while watch.changed().await.is_ok() {}
    };
    timeout(PATIENCE, ended).await.expect("it ends");
}

pub(crate) async fn queued_deployment_is_taken_over(world: &impl World) {
    let (client, server) = (world.open(), world.open());
    let mut watch = server.watch(Topic::Work);
    client
        .queue_deployment(deployment("d1", "1.0"), at(0))
        .await
        .unwrap();
    let queued = client.deployment("d1", at(0)).await.unwrap().unwrap();
    assert_eq!((queued.state, queued.detached), (State::Queued, true));
    assert_eq!(client.holder(&scope()).await.unwrap(), None);

    let found = until(&mut watch, async || ids(&*server, 1).await.pop()).await;
    assert_eq!(found, ("d1".to_owned(), State::Queued));
    let lease = server
        .take_over("d1", &owner("serve"), TTL, at(2))
        .await
        .unwrap()
        .unwrap();

    assert_eq!(lease.owner.deployment.as_deref(), Some("d1"));
    let running = client.deployment("d1", at(3)).await.unwrap().unwrap();
    assert_eq!(
        (running.state, running.token),
        (State::Running, lease.token)
    );
    assert_eq!(
        (running.actor.as_str(), running.started),
        ("anna", at(0)),
        "who asked for it"
    );
    assert_eq!(client.pinned("d1").await.unwrap().plugins.len(), 2);
    // What ran before it has changed while it waited.
    let mut revised = deployment("d1", "1.0").brief;
    revised.strategy = "rolling".to_owned();
    server.revise_brief(&revised, &lease, at(3)).await.unwrap();
    assert_eq!(client.pinned("d1").await.unwrap().brief, revised);
    let mut journal = server.journal("d1", &lease);
    journal.begin(&intent(1, at(3))).await.unwrap();
    let begun = server.revise_brief(&revised, &lease, at(3)).await;
    let begun = begun.unwrap_err();
    assert!(
        matches!(begun, LeaseError::Store(StoreError::Conflict(_))),
        "{begun:?}"
    );
    assert_eq!(
        client
            .take_over("d1", &owner("late"), TTL, at(3))
            .await
            .unwrap(),
        None
    );
    assert!(ids(&*client, 3).await.is_empty());
    let missing = client
        .take_over("d9", &owner("late"), TTL, at(3))
        .await
        .unwrap_err();
    assert!(matches!(missing, StoreError::Missing { .. }), "{missing:?}");
}

pub(crate) async fn queue_keeps_its_order(world: &impl World) {
    let store = world.open();
    let queue = async |id: &str, version: &str, now| {
        store
            .queue_deployment(deployment(id, version), at(now))
            .await
    };
    let running = begin(&*store, "d1", "1.0", at(0)).await;
    queue("d3", "3.0", 2).await.unwrap();
    queue("d2", "2.0", 1).await.unwrap();
    let mut elsewhere = deployment("d4", "1.0");
    elsewhere.brief.environment = "staging".to_owned();
    store.queue_deployment(elsewhere, at(3)).await.unwrap();
    let queued = |id: &str| (id.to_owned(), State::Queued);

    assert_eq!(ids(&*store, 4).await, [queued("d4")], "d1 is running");
    let early = store
        .take_over("d2", &owner("serve"), TTL, at(4))
        .await
        .unwrap();
    assert_eq!(early, None);
    store
        .journal("d1", &running)
        .close(&value(&succeeded()), at(5))
        .await
        .unwrap();
    let mut watch = store.watch(Topic::Work);
    store.release(&running).await.unwrap();
    let both = until(&mut watch, async || {
        let found = ids(&*store, 5).await;
        (found.len() == 2).then_some(found)
    })
    .await;
    assert_eq!(both, [queued("d2"), queued("d4")]);

    // A direct deployment need not wait for what is queued; one that was cut off is in its way.
    let direct = begin(&*store, "d5", "5.0", at(6)).await;
    assert_eq!(ids(&*store, 7).await, [queued("d4")]);
    store.release(&direct).await.unwrap();
    assert_eq!(ids(&*store, 7).await, [queued("d4")]);
    let refused = queue("d6", "6.0", 8).await.unwrap_err();
    assert!(
        matches!(refused, LeaseError::Unfinished { ref deployment } if deployment == "d5"),
        "{refused:?}"
    );
}

pub(crate) async fn orphan_is_taken_over_by_one(world: &impl World) {
    const SERVERS: usize = 4;
    let store = world.open();
    let old = begin(&*store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &old);
    journal.begin(&intent(1, at(1))).await.unwrap();
    assert!(ids(&*store, TTL - 1).await.is_empty(), "its owner is there");
    assert_eq!(ids(&*store, TTL).await, [("d1".to_owned(), State::CutOff)]);

    let mut servers = JoinSet::new();
    for number in 0..SERVERS {
        let server = world.open();
        servers.spawn(async move {
            let name = format!("server {number}");
            server
                .take_over("d1", &owner(&name), TTL, at(TTL))
                .await
                .unwrap()
        });
    }
    let taken: Vec<_> = servers.join_all().await.into_iter().flatten().collect();

    assert_eq!(taken.len(), 1, "{taken:?}");
    assert_eq!(taken[0].token, old.token + 1);
    // The old owner wakes up again.
    journal.end(1, &outcome(at(TTL + 1))).await.unwrap_err();
    store.renew(&old, TTL, at(TTL + 1)).await.unwrap_err();
    assert!(ids(&*store, TTL + 1).await.is_empty());
}

/// Who let go of a lease, or had it taken away by people, did not die.
pub(crate) async fn released_deployment_is_left_to_people(world: &impl World) {
    let store = world.open();
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    store.release(&lease).await.unwrap();
    assert!(ids(&*store, 9 * TTL).await.is_empty());
    let lease = store
        .reopen_deployment("d1", &owner("ben"), TTL, at(1))
        .await
        .unwrap();
    store
        .break_lease(&lease.scope, &owner("carla"), "it hangs", at(2))
        .await
        .unwrap();
    assert!(ids(&*store, 9 * TTL).await.is_empty());
}

pub(crate) async fn deployment_is_handed_over(world: &impl World) {
    let (one, other) = (world.open(), world.open());
    let lease = begin(&*one, "d1", "1.0", at(0)).await;
    let mut journal = one.journal("d1", &lease);
    journal
        .note(&intent(1, at(1)), &outcome(at(1)))
        .await
        .unwrap();

    one.hand_over("d1", &lease, at(2)).await.unwrap();

    assert_eq!(ids(&*other, 3).await, [("d1".to_owned(), State::Queued)]);
    journal.begin(&intent(2, at(3))).await.unwrap_err();
    let twice = one.hand_over("d1", &lease, at(3)).await.unwrap_err();
    assert!(matches!(twice, LeaseError::Lost { .. }), "{twice:?}");
    let brief = deployment("d1", "1.0").brief;
    let late = one.revise_brief(&brief, &lease, at(3)).await.unwrap_err();
    assert!(matches!(late, LeaseError::Lost { .. }), "{late:?}");
    // It is half done: others wait behind it, and nobody begins on top of it.
    let on_top = other.begin_deployment(deployment("d2", "2.0"), TTL, at(3));
    let on_top = on_top.await.unwrap_err();
    assert!(
        matches!(&on_top, LeaseError::Unfinished { deployment } if deployment == "d1"),
        "{on_top:?}"
    );
    other
        .queue_deployment(deployment("d3", "3.0"), at(3))
        .await
        .unwrap();
    assert_eq!(ids(&*other, 3).await, [("d1".to_owned(), State::Queued)]);
    let lease = other
        .take_over("d1", &owner("serve"), TTL, at(4))
        .await
        .unwrap()
        .unwrap();
    let mut journal = other.journal("d1", &lease);
    journal.begin(&intent(2, at(5))).await.unwrap();
    assert_eq!(other.records("d1").await.unwrap().len(), 2);
    let audit = other.audit_rows(Some("d1")).await.unwrap();
    let actions: Vec<_> = audit.iter().map(|row| row.entry.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "deployment_begun",
            "deployment_handed_over",
            "deployment_taken_over"
        ]
    );
}
