//! The connection to the database is lost, at every piece that goes over it: what is done is
//! done once, and nobody acts without a lease.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use engine::JournalError;
use postgres_server::Server;
use store::{
    Clock, LeaseError, NewDeployment, Options, Postgres, Signal, Store, StoreError, Topic,
};

use crate::{
    fixture::{TTL, at, begin, deployment, entry, intent, outcome, owner, scope, succeeded, value},
    wire::{Fault, Piece, Wire},
};

/// Long enough for any number of tries.
const PATIENT: Duration = Duration::from_secs(60);

fn connect(url: &str, patience: Duration) -> Arc<Postgres> {
    let options = Options {
        clock: Clock::Callers,
        patience,
        ..Options::default()
    };
    Arc::new(Postgres::open(url, &options).unwrap())
}

/// A database, a wire to it, and a store at each end.
struct Scene {
    wire: Wire,
    /// Over the wire.
    store: Arc<Postgres>,
    /// Beside it.
    other: Arc<Postgres>,
    database: String,
}

impl Scene {
    async fn new(patience: Duration) -> Self {
        let server = Server::shared();
        let database = server.database();
        let wire = Wire::to(server.port()).await;
        Self {
            other: connect(&server.url(&database), PATIENT),
            store: connect(&wire.url(&database), patience),
            wire,
            database,
        }
    }
}

fn of(application: &str) -> NewDeployment {
    let mut new = deployment(&format!("{application}-1"), "1.0");
    new.brief.application = application.to_owned();
    new
}

fn signal() -> Signal {
    Signal {
        kind: "pause".to_owned(),
        details: serde_json::Value::Null,
        actor: "ben".to_owned(),
        host: "laptop-7".to_owned(),
        reason: "lunch".to_owned(),
        at: at(2),
    }
}

/// A deployment with a bit of everything, for an application of its own.
async fn work(store: &dyn Store, application: &str) {
    let id = format!("{application}-1");
    let id = id.as_str();
    let lease = store.begin_deployment(of(application), TTL, at(0)).await;
    let lease = store.renew(&lease.unwrap(), TTL, at(1)).await.unwrap();
    let mut journal = store.journal(id, &lease);
    journal.begin(&intent(1, at(1))).await.unwrap();
    let mut sent = entry("http_send");
    sent.deployment = Some(id.to_owned());
    store.audit(vec![sent]);
    journal.end(1, &outcome(at(2))).await.unwrap();
    store.set_note(id, "slack", "thread", &1.into());
    store.signal(id, &signal()).await.unwrap();
    store.take_signal(id, 1, &lease, at(2)).await.unwrap();
    journal
        .note(&intent(2, at(3)), &outcome(at(3)))
        .await
        .unwrap();
    store.hand_over(id, &lease, at(4)).await.unwrap();
    let lease = store.take_over(id, &owner("serve"), TTL, at(5)).await;
    let lease = lease.unwrap().unwrap();
    let lock = store.lock(application, "anna", TTL, at(5)).await.unwrap();
    assert_eq!(lock.token, 1);
    let mut journal = store.journal(id, &lease);
    journal.close(&value(&succeeded()), at(6)).await.unwrap();
    store.release(&lease).await.unwrap();
}

/// All that is kept of that deployment, with nothing that tells one application from another.
async fn kept(store: &dyn Store, application: &str) -> BTreeMap<&'static str, String> {
    let id = format!("{application}-1");
    let found = store.deployment(&id, at(9)).await.unwrap().unwrap();
    let audit = store.audit_rows(Some(&id)).await.unwrap();
    let audit: Vec<_> = audit
        .iter()
        .map(|row| (&row.entry.action, row.entry.details.get("number")))
        .collect();
    BTreeMap::from([
        ("state", format!("{} {}", found.state, found.token)),
        ("records", format!("{:?}", store.records(&id).await)),
        ("signals", format!("{:?}", store.signals(&id, 0).await)),
        (
            "note",
            format!("{:?}", store.note(&id, "slack", "thread").await),
        ),
        ("audit", format!("{audit:?}")),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cut_leaves_what_no_cut_leaves() {
    let scene = Scene::new(PATIENT).await;
    work(&*scene.store, "uncut").await;
    let expected = kept(&*scene.other, "uncut").await;
    let mut cuts = 0;
    for fault in [Fault::Before, Fault::After] {
        for piece in 0.. {
            let application = format!("{fault:?}-{piece}").to_lowercase();
            scene.wire.plan(Piece::Number(piece), fault);
            work(&*scene.store, &application).await;
            let found = kept(&*scene.other, &application).await;
            assert_eq!(found, expected, "cut {fault:?} piece {piece}");
            if !scene.wire.happened() {
                // It went through with fewer pieces: those were all.
                break;
            }
            cuts += 1;
        }
    }
    assert!(cuts > 40, "{cuts}");
    scene.other.verify_audit().await.unwrap();
}

/// The database takes what the store believes lost, but much later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_that_got_stuck_is_made_once() {
    let scene = Scene::new(PATIENT).await;
    let lease = begin(&*scene.store, "d1", "1.0", at(0)).await;
    scene.wire.plan(Piece::With("COMMIT"), Fault::Stuck);
    assert_eq!(scene.store.signal("d1", &signal()).await.unwrap(), 1);
    assert!(scene.wire.happened());

    scene.wire.thaw();

    assert_eq!(scene.store.signal("d1", &signal()).await.unwrap(), 2);
    assert_eq!(scene.other.signals("d1", 0).await.unwrap().len(), 2);
    let audit = scene.other.audit_rows(Some("d1")).await.unwrap();
    assert_eq!(audit.len(), 3, "{audit:?}");
    scene.store.renew(&lease, TTL, at(1)).await.unwrap();
}

/// A store that was away for less than a lease lasts: the deployment held, and goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn call_holds_until_the_store_is_back() {
    let scene = Scene::new(PATIENT).await;
    let lease = begin(&*scene.store, "d1", "1.0", at(0)).await;
    let mut journal = scene.store.journal("d1", &lease);
    scene.wire.close();
    let holding = tokio::spawn(async move {
        journal.begin(&intent(1, at(1))).await.unwrap();
        journal.end(1, &outcome(at(2))).await.unwrap();
    });
    scene.wire.attempts(3).await;
    assert!(scene.other.records("d1").await.unwrap().is_empty());

    scene.wire.open();

    holding.await.unwrap();
    assert_eq!(scene.other.records("d1").await.unwrap().len(), 1);
}

/// Somebody took over while the store was away: nothing more is written, and the caller knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_lost_while_the_store_was_away_stops_the_holder() {
    let scene = Scene::new(PATIENT).await;
    let lease = begin(&*scene.store, "d1", "1.0", at(0)).await;
    let mut journal = scene.store.journal("d1", &lease);
    scene.wire.close();
    let holding = tokio::spawn(async move { journal.begin(&intent(1, at(1))).await });
    scene.wire.attempts(2).await;
    let taken = scene
        .other
        .take_over("d1", &owner("ben"), TTL, at(TTL))
        .await
        .unwrap();
    assert!(taken.is_some());

    scene.wire.open();

    let lost = holding.await.unwrap().unwrap_err();
    assert!(
        matches!(lost, JournalError::LeaseLost { ref holder } if holder.starts_with("ben")),
        "{lost:?}"
    );
    assert!(scene.other.records("d1").await.unwrap().is_empty());
    let lost = scene.store.renew(&lease, TTL, at(TTL)).await.unwrap_err();
    assert!(matches!(lost, LeaseError::Lost { .. }), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patience_ends_with_an_error_that_says_so() {
    let scene = Scene::new(Duration::from_millis(200)).await;
    let lease = begin(&*scene.store, "d1", "1.0", at(0)).await;
    let mut journal = scene.store.journal("d1", &lease);
    journal.begin(&intent(1, at(1))).await.unwrap();
    scene.wire.close();

    let away = scene.store.holder(&scope()).await.unwrap_err();
    assert!(matches!(away, StoreError::Away { .. }), "{away:?}");
    assert!(away.is_transient());
    let away = journal.end(1, &outcome(at(2))).await.unwrap_err();
    assert!(
        matches!(away, JournalError::Store(ref why) if why.contains("does not answer")),
        "{away:?}"
    );
    scene.store.audit(vec![entry("http_send")]);
    scene.store.flush().await.unwrap_err();

    // The same again, once it is back; what waited goes along.
    scene.wire.open();
    journal.end(1, &outcome(at(2))).await.unwrap();
    let audit = scene.other.audit_rows(Some("d1")).await.unwrap();
    assert_eq!(audit.last().unwrap().entry.action, "http_send");
}

/// Many callers that wait for a store that is away all hear of it, one patience later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_waits_for_the_patience_of_others() {
    let scene = Scene::new(Duration::from_millis(500)).await;
    scene.wire.close();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let store = Arc::clone(&scene.store);
        callers.spawn(async move { store.holder(&scope()).await });
    }
    let ended = tokio::time::timeout(PATIENT / 6, callers.join_all()).await;
    for result in ended.expect("they wait side by side") {
        assert!(matches!(result, Err(StoreError::Away { .. })), "{result:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_come_through_after_the_connection_was_lost() {
    let scene = Scene::new(PATIENT).await;
    begin(&*scene.store, "d1", "1.0", at(0)).await;
    let mut watch = scene.store.watch(Topic::Deployment("d1".to_owned()));
    // The first news is that it listens.
    watch.changed().await.unwrap();
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    Server::shared().run(&scene.database, kill);
    scene.other.signal("d1", &signal()).await.unwrap();

    let heard = async {
        while scene.store.signals("d1", 0).await.unwrap().is_empty() {
            watch.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENT, heard)
        .await
        .expect("it heard");
}
