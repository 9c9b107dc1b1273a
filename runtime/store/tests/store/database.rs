//! The PostgreSQL database itself: who is let in, whose clock counts, and what is found there.

use engine::{JournalError, Timestamp};
use postgres_server::Server;
use store::{LeaseError, Options, Postgres, Store, StoreError};

use crate::fixture::{at, begin, deployment, entry, intent, owner, scope};

/// Longer than any test takes: here the real time counts.
const LONG: u64 = 600_000;

fn open(url: &str) -> Result<Postgres, StoreError> {
    Postgres::open(url, &Options::default())
}

fn fresh() -> (String, String) {
    let name = Server::shared().database();
    (Server::shared().url(&name), name)
}

#[test]
fn address_chooses_the_store() {
    let (url, name) = fresh();
    drop(store::open(&url.replace("postgres:", "postgresql:"), None).unwrap());
    let tables = "SELECT count(*) > 0 FROM pg_tables WHERE schemaname = 'runtime'";
    assert_eq!(Server::shared().run(&name, tables), "t");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    drop(store::open(path.to_str().unwrap(), None).unwrap());
    assert!(path.exists());
}

#[test]
fn many_may_make_the_schema_at_once() {
    let (url, name) = fresh();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| open(&url).unwrap());
        }
    });
    let version = Server::shared().run(&name, "SELECT version FROM runtime.schema_version");
    assert_eq!(version, "3");
}

#[tokio::test]
async fn newer_schema_is_refused_and_left_alone() {
    let (url, name) = fresh();
    let store = open(&url).unwrap();
    begin(&store, "d1", "1.0", at(0)).await;
    drop(store);
    Server::shared().run(&name, "UPDATE runtime.schema_version SET version = 7");

    let refused = open(&url).err().unwrap();

    assert!(
        matches!(
            refused,
            StoreError::Newer {
                found: 7,
                known: 3,
                ..
            }
        ),
        "{refused:?}"
    );
    let message = refused.to_string();
    assert!(
        message.contains("use that version or a later one"),
        "{message}"
    );
}

#[test]
fn schema_of_another_program_is_left_alone() {
    let (url, name) = fresh();
    let tables = "CREATE SCHEMA runtime; CREATE TABLE runtime.customers (name text)";
    Server::shared().run(&name, tables);
    let refused = open(&url).err().unwrap();
    assert!(matches!(refused, StoreError::Foreign { .. }), "{refused:?}");
}

#[tokio::test]
async fn administrator_may_make_the_schema() {
    let (url, name) = fresh();
    let prepared = format!(
        "CREATE ROLE ben_{name} LOGIN; CREATE SCHEMA runtime AUTHORIZATION ben_{name};
         REVOKE CREATE ON DATABASE {name} FROM PUBLIC"
    );
    Server::shared().run(&name, &prepared);
    let store = open(&url.replace("anna@", &format!("ben_{name}@"))).unwrap();
    begin(&store, "d1", "1.0", at(0)).await;
}

#[test]
fn who_is_not_let_in_hears_why() {
    let refused = open(&Server::shared().url("nowhere")).err().unwrap();
    assert!(matches!(refused, StoreError::Denied { .. }), "{refused:?}");
    assert!(refused.to_string().contains("\"nowhere\" does not exist"));
    let (url, _) = fresh();
    let refused = open(&url.replace("anna@", "carla@")).err().unwrap();
    assert!(matches!(refused, StoreError::Denied { .. }), "{refused:?}");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = port.local_addr().unwrap().port();
    let away = open(&format!("postgres://anna@127.0.0.1:{port}/state"));
    let away = away.err().unwrap();
    assert!(matches!(away, StoreError::Away { .. }), "{away:?}");
}

#[test]
fn connection_is_encrypted_and_the_server_known() {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, secret) = (key.cert.pem(), key.signing_key.serialize_pem());
    let server = Server::start(
        "off",
        &[
            ("ssl", "on"),
            ("ssl_cert_file", "../server.pem"),
            ("ssl_key_file", "../server.key"),
        ],
        &[("server.pem", &certificate), ("server.key", &secret)],
    );
    let (port, name) = (server.port(), server.database());
    let base = format!("postgres://anna@localhost:{port}/{name}?sslmode=verify-full");
    let authority = server.folder().join("server.pem");

    let store = open(&format!("{base}&sslrootcert={}", authority.display())).unwrap();
    let encrypted = "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
                     WHERE s.ssl AND a.application_name = 'runtime'";
    assert_eq!(server.run(&name, encrypted), "1");
    drop(store);

    let unknown = open(&base).err().unwrap();
    assert!(
        matches!(unknown, StoreError::Denied { ref reason, .. } if reason.contains("certificate")),
        "{unknown:?}"
    );
    let (plain, _) = fresh();
    let refused = open(&format!("{plain}?sslmode=require")).err().unwrap();
    assert!(matches!(refused, StoreError::Denied { .. }), "{refused:?}");
}

/// Clocks that are hours apart, and a lease that knows nothing of it.
#[tokio::test]
async fn clocks_of_callers_do_not_count() {
    const HOURS: u64 = 10 * 3_600_000;
    let (url, _) = fresh();
    let (slow, fast) = (open(&url).unwrap(), open(&url).unwrap());
    let (early, late) = (Timestamp(1_000), Timestamp(1_000 + HOURS));
    let new = deployment("d1", "1.0");
    let lease = slow.begin_deployment(new, LONG, early).await.unwrap();
    // Each sees it in its own time.
    assert_eq!((lease.since, lease.until), (early, early.after_ms(LONG)));

    let held = fast.acquire(&scope(), &owner("ben"), LONG, late).await;
    let LeaseError::Held { held, .. } = held.unwrap_err() else {
        panic!("it is held")
    };
    assert!(held.is_live(late) && held.until <= late.after_ms(LONG));
    assert!(fast.unattended(late).await.unwrap().is_empty());
    let renewed = slow.renew(&lease, LONG, early.after_ms(5)).await.unwrap();
    assert_eq!(renewed.until, early.after_ms(5 + LONG));

    // The other way round: who is late by its own clock is in time by the database's.
    let mut journal = slow.journal("d1", &lease);
    journal.begin(&intent(1, late)).await.unwrap();
}

/// The database's own clock is set: forward, leases run out; back, they do not last for ever.
#[tokio::test]
async fn steps_of_the_judging_clock_are_survived() {
    let (url, name) = fresh();
    let (store, other) = (open(&url).unwrap(), open(&url).unwrap());
    let step = |hours: i64| {
        let sql = format!(
            "CREATE OR REPLACE FUNCTION runtime.clock() RETURNS bigint LANGUAGE sql VOLATILE AS
             'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint + {}'",
            hours * 3_600_000
        );
        Server::shared().run(&name, &sql);
    };
    let old = begin(&store, "d1", "1.0", at(0)).await;
    let old = store.renew(&old, LONG, at(1)).await.unwrap();

    step(5);
    let new = other.take_over("d1", &owner("ben"), LONG, at(2)).await;
    let new = new.unwrap().expect("it ran out");
    assert!(new.token > old.token);
    let lost = store.journal("d1", &old).begin(&intent(1, at(2))).await;
    assert!(
        matches!(lost, Err(JournalError::LeaseLost { .. })),
        "{lost:?}"
    );

    step(0);
    let held = store.acquire(&scope(), &owner("carla"), LONG, at(3)).await;
    assert!(matches!(held, Err(LeaseError::Held { .. })), "{held:?}");
    let held = store.holder(&scope()).await.unwrap().unwrap();
    let left = Server::shared().run(
        &name,
        "SELECT until_at - runtime.clock() <= ttl_ms FROM runtime.leases",
    );
    assert_eq!((held.token, left.as_str()), (new.token, "t"));
    other.renew(&new, LONG, at(4)).await.unwrap();
}

#[tokio::test]
async fn change_from_outside_shows_in_the_audit() {
    let (url, name) = fresh();
    let store = open(&url).unwrap();
    store.audit(vec![entry("http_send"); 6]);
    assert_eq!(store.verify_audit().await.unwrap().rows, 6);

    let change = "UPDATE runtime.audit SET actor = 'nobody' WHERE sequence = 3";
    Server::shared().run(&name, change);

    let tampered = store.verify_audit().await.unwrap_err();
    assert!(
        matches!(tampered, StoreError::Tampered { sequence: 3, .. }),
        "{tampered:?}"
    );
}

/// A lock that another client holds is waited for, and the call made once it is free.
#[tokio::test]
async fn client_that_holds_everybody_up_is_waited_for() {
    let (url, _) = fresh();
    let store = open(&url).unwrap();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let stop = "SET idle_in_transaction_session_timeout = '1s'; BEGIN;
                SELECT * FROM runtime.audit_head FOR UPDATE";
    client.batch_execute(stop).await.unwrap();

    begin(&store, "d1", "1.0", at(0)).await;

    client.batch_execute("COMMIT").await.unwrap_err();
}

/// A takeover that is not committed yet decides: no record slips in beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_waits_for_a_takeover_under_way() {
    let (url, name) = fresh();
    let store = open(&url).unwrap();
    let lease = begin(&store, "d1", "1.0", at(0)).await;
    let lease = store.renew(&lease, LONG, at(0)).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let take = "BEGIN; UPDATE runtime.leases SET token = token + 1, actor = 'ben'";
    client.batch_execute(take).await.unwrap();

    let mut journal = store.journal("d1", &lease);
    let writing = tokio::spawn(async move { journal.begin(&intent(1, at(1))).await });
    let waits = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while Server::shared().run(&name, waits) == "0" && !writing.is_finished() {}
    client.batch_execute("COMMIT").await.unwrap();

    let lost = writing.await.unwrap();
    assert!(
        matches!(lost, Err(JournalError::LeaseLost { ref holder }) if holder.starts_with("ben")),
        "{lost:?}"
    );
    assert!(store.records("d1").await.unwrap().is_empty());
}
