//! The SQLite file itself: who may read it, what it is taken for, and what shows in it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rusqlite::Connection;
use store::{Place, Sqlite, Store, StoreError};

use crate::fixture::{at, begin, entry, intent, outcome, run, succeeded};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn only_its_owner_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join(".runtime");
    let path = state.join("state.db");

    let store = Sqlite::open(&path).unwrap();
    begin(&store, "d1", "1.0", at(0)).await;

    assert_eq!(mode(&state), 0o700);
    for file in ["state.db", "state.db-wal", "state.db-shm"] {
        assert_eq!(mode(&state.join(file)), 0o600, "{file}");
    }
    drop(store);
    let left: Vec<_> = fs::read_dir(&state)
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(left, ["state.db"], "closing leaves one file to copy");
}

#[test]
fn many_may_make_it_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| Sqlite::open(&path).unwrap());
        }
    });
}

#[tokio::test]
async fn newer_schema_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    drop(Sqlite::open(&path).unwrap());
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 7)
        .unwrap();
    let before = fs::read(&path).unwrap();

    let refused = Sqlite::open(&path).err().unwrap();

    assert_eq!(
        refused,
        StoreError::Newer {
            place: Place::file(&path),
            found: 7,
            known: 3
        }
    );
    assert!(
        refused
            .to_string()
            .contains("use that version or a later one")
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn other_files_are_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let refused = |reason: &str| {
        let before = fs::read(&path).unwrap();
        let error = Sqlite::open(&path).err().unwrap();
        let StoreError::Foreign { reason: found, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(found, reason);
        assert_eq!(fs::read(&path).unwrap(), before);
        fs::remove_file(&path).unwrap();
    };

    fs::write(&path, "[servers]\nweb1 = 10.0.0.1\n".repeat(100)).unwrap();
    refused("file is not a database");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE customers (name)")
        .unwrap();
    refused("it is the database of another program");
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 1)
        .unwrap();
    refused("it is the database of another program");
}

#[test]
fn place_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.join("state.db"), directory.path().to_owned()] {
        let error = Sqlite::open(&path).err().unwrap();
        let StoreError::Unopened { place, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(*place, Place::file(&path));
    }
}

#[tokio::test]
async fn damaged_file_is_called_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let store = Sqlite::open(&path).unwrap();
    let lease = begin(&store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &lease);
    for sequence in 1..50 {
        journal
            .note(&intent(sequence, at(1)), &outcome(at(2)))
            .await
            .unwrap();
    }
    drop(store);
    // The first page stays, so that it still looks like a state store.
    let mut bytes = fs::read(&path).unwrap();
    bytes[4_096..].fill(0xa5);
    fs::write(&path, bytes).unwrap();

    let error = match Sqlite::open(&path) {
        Ok(store) => store.records("d1").await.unwrap_err(),
        Err(error) => error,
    };

    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("put a copy back"));
}

#[tokio::test]
async fn change_from_outside_shows_in_the_audit() {
    const CHANGES: [(&str, u64); 9] = [
        ("UPDATE audit SET actor = 'nobody' WHERE sequence = 3", 3),
        ("UPDATE audit SET details = '{}' WHERE sequence = 5", 5),
        ("UPDATE audit SET at = at + 1 WHERE sequence = 1", 1),
        ("UPDATE audit SET deployment = NULL WHERE sequence = 2", 2),
        (
            "UPDATE audit SET action = action || host, host = '' WHERE sequence = 4",
            4,
        ),
        ("DELETE FROM audit WHERE sequence = 3", 3),
        ("DELETE FROM audit WHERE sequence = 6", 6),
        (
            "DELETE FROM audit WHERE sequence = 3;
          UPDATE audit SET sequence = sequence - 1 WHERE sequence > 3;
          UPDATE audit_head SET last_sequence = 5",
            3,
        ),
        (
            "INSERT INTO audit SELECT 7, at, deployment, application, environment, action, actor,
                 host, details, hash FROM audit WHERE sequence = 6",
            7,
        ),
    ];
    for (change, sequence) in CHANGES {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let store = Sqlite::open(&path).unwrap();
        store.audit(vec![entry("http_send"); 6]);
        assert_eq!(store.verify_audit().await.unwrap().rows, 6);

        Connection::open(&path)
            .unwrap()
            .execute_batch(change)
            .unwrap();

        let tampered = store.verify_audit().await.unwrap_err();
        let place = Place::file(&path);
        assert_eq!(
            tampered,
            StoreError::Tampered { place, sequence },
            "{change}"
        );
    }
}

#[tokio::test]
async fn journal_outlives_no_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let store = Sqlite::open(&path).unwrap();
    let lease = begin(&store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &lease);

    drop(store);

    let error = journal.begin(&intent(1, at(1))).await.unwrap_err();
    assert!(error.to_string().contains("is closed"), "{error}");
}

/// The blobs of deployments that share them are kept once.
#[tokio::test]
async fn same_bytes_are_kept_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let store = Sqlite::open(&path).unwrap();
    run(&store, "d1", "1.0", at(0), &succeeded()).await;
    run(&store, "d2", "2.0", at(100), &succeeded()).await;

    let blobs =
        Connection::open(&path)
            .unwrap()
            .query_row("SELECT count(*) FROM blobs", [], |row| row.get::<_, i64>(0));
    assert_eq!(blobs, Ok(2));
    assert_eq!(
        store.pinned("d2").await.unwrap().strategy.bytes[..],
        *b"strategy"
    );
}
