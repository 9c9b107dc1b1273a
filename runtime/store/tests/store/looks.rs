//! Stores that are only looked at: what is there is told, and stays as it is to the byte.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use postgres_server::Server;
use store::{Filter, Sqlite, Store, StoreError};

use crate::fixture::{at, begin, owner, scope};

/// Every file of a directory with what is in it, but for the index of the log, which is no data.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let named = entries.map(|entry| entry.file_name().into_string().unwrap());
    named
        .filter(|name| !name.ends_with("-shm"))
        .map(|name| (name.clone(), fs::read(directory.join(name)).unwrap()))
        .collect()
}

async fn ids(store: &dyn Store) -> Vec<String> {
    let listed = store.deployments(&Filter::default(), at(1)).await.unwrap();
    listed.into_iter().map(|each| each.id).collect()
}

#[tokio::test]
async fn what_is_not_there_is_empty_and_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(".runtime/state.db");
    let looked = store::look(path.to_str().unwrap(), None).unwrap();
    assert!(ids(&*looked).await.is_empty());
    assert_eq!(looked.holder(&scope()).await.unwrap(), None);
    drop(looked);
    assert!(files(directory.path()).is_empty());
}

#[tokio::test]
async fn what_cannot_be_looked_into_is_not_empty() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join(".runtime");
    fs::write(&folder, "a file where a folder should be").unwrap();
    let refused = Sqlite::look(folder.join("state.db")).map(drop).unwrap_err();
    assert!(
        matches!(refused, StoreError::Unopened { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_copy_ends_while_another_process_commits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let open = Sqlite::open(&path).unwrap();
    begin(&open, "d1", "1.0", at(0)).await;
    let other = rusqlite::Connection::open(&path).unwrap();
    // So long that a copy of it takes longer than a commit.
    other
        .execute_batch(
            "PRAGMA synchronous = off; CREATE TABLE much (text TEXT);
             INSERT INTO much
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 16000)
             SELECT hex(randomblob(2000)) FROM n;
             CREATE TABLE count (of INTEGER); INSERT INTO count VALUES (0);",
        )
        .unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let writing = std::thread::spawn({
        let over = Arc::clone(&over);
        move || {
            while !over.load(Relaxed) {
                other.execute("UPDATE count SET of = of + 1", []).unwrap();
            }
        }
    });
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || drop(sender.send(Sqlite::look(&path))));
    let looked = receiver.recv_timeout(Duration::from_secs(60));
    over.store(true, Relaxed);
    writing.join().unwrap();
    let looked = looked.expect("a copy that ends").unwrap();
    assert_eq!(ids(&looked).await, ["d1"]);
}

#[tokio::test]
async fn a_file_is_read_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let open = Sqlite::open(&path).unwrap();
    begin(&open, "d1", "1.0", at(0)).await;

    // With somebody at it: what was written last is only in the log.
    let before = files(directory.path());
    assert!(before.contains_key("state.db-wal"));
    let looked = Sqlite::look(&path).unwrap();
    assert_eq!(ids(&looked).await, ["d1"]);
    // What is changed there is forgotten.
    looked
        .break_lease(&scope(), &owner("ada"), "to see", at(1))
        .await
        .unwrap();
    drop(looked);
    assert_eq!(files(directory.path()), before);
    assert!(open.holder(&scope()).await.unwrap().is_some());

    // As a process leaves it that is killed.
    let killed = tempfile::tempdir().unwrap();
    for (name, contents) in &before {
        fs::write(killed.path().join(name), contents).unwrap();
    }
    let looked = Sqlite::look(killed.path().join("state.db")).unwrap();
    assert_eq!(ids(&looked).await, ["d1"]);
    drop(looked);
    assert_eq!(files(killed.path()), before);

    // As one leaves it that ends.
    drop(open);
    let before = files(directory.path());
    assert_eq!(before.keys().collect::<Vec<_>>(), ["state.db"]);
    assert_eq!(ids(&Sqlite::look(&path).unwrap()).await, ["d1"]);
    assert_eq!(files(directory.path()), before);
}

#[test]
fn what_is_no_store_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    fs::write(&path, "not a database, and long enough to be looked at").unwrap();
    let before = files(directory.path());
    assert!(Sqlite::look(&path).is_err());
    assert_eq!(files(directory.path()), before);
}

#[tokio::test]
async fn a_database_is_read_and_refuses_changes() {
    let server = Server::shared();
    let name = server.database();
    let url = server.url(&name);
    let looked = store::look(&url, None).unwrap();
    assert!(ids(&*looked).await.is_empty());
    drop(looked);
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'runtime'";
    assert_eq!(server.run(&name, schemas), "0", "nothing was made");

    let open = store::open(&url, None).unwrap();
    begin(&*open, "d1", "1.0", at(0)).await;
    let looked = store::look(&url, None).unwrap();
    assert_eq!(ids(&*looked).await, ["d1"]);
    let changed = looked
        .break_lease(&scope(), &owner("ada"), "to see", at(1))
        .await;
    assert!(changed.is_err(), "{changed:?}");
    assert!(open.holder(&scope()).await.unwrap().is_some());
    drop(looked);

    server.run(&name, "UPDATE runtime.schema_version SET version = 1");
    let older = store::look(&url, None).err().unwrap();
    assert!(
        matches!(older, StoreError::Older { found: 1, .. }),
        "{older}"
    );
    let version = "SELECT version FROM runtime.schema_version";
    assert_eq!(
        server.run(&name, version),
        "1",
        "nothing was brought up to date"
    );
}
