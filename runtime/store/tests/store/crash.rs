//! What is on the disk at any moment opens, holds together, and has all that was promised.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use engine::Record;
use store::{Sqlite, Store};

use crate::fixture::{at, begin, entry, intent, outcome};

/// Few enough that SQLite does not move pages from the log to the file meanwhile: copying is no
/// snapshot, and two files copied around such a move would not be what any disk ever had.
const RECORDS: u64 = 60;

/// What the two sides of a test tell each other.
#[derive(Default)]
struct Progress {
    /// Steps that the writer was told are durable.
    durable: AtomicU64,
    /// Copies that were made.
    copies: AtomicU64,
}

/// Writes a record; where it is copied meanwhile, waits now and then for a copy.
async fn write(store: &Sqlite, progress: &Progress, copied: bool) {
    let lease = begin(store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &lease);
    for sequence in 1..=RECORDS {
        while copied && progress.copies.load(Ordering::SeqCst) < sequence / 10 {
            tokio::task::yield_now().await;
        }
        store.audit(vec![entry("files_write"), entry("commands_run")]);
        journal.begin(&intent(sequence, at(1))).await.unwrap();
        progress.durable.fetch_add(1, Ordering::SeqCst);
        journal.end(sequence, &outcome(at(2))).await.unwrap();
        progress.durable.fetch_add(1, Ordering::SeqCst);
    }
}

/// Opens what a crash left, and says how many steps of [`write`] it holds. Fails the test where
/// they are not the first ones, or the audit does not hold together.
async fn survived(path: &Path) -> u64 {
    let store = Sqlite::open(path).unwrap();
    let audit = store.verify_audit().await.unwrap();
    let records = store.records("d1").await.unwrap();
    let complete = records
        .iter()
        .filter(|record| record.outcome.is_some())
        .count();
    for (sequence, record) in (1..).zip(&records) {
        let last = sequence == records.len() as u64;
        let ended = Record {
            intent: intent(sequence, at(1)),
            outcome: Some(outcome(at(2))),
        };
        let under_way = Record {
            outcome: None,
            ..ended.clone()
        };
        assert!(
            *record == ended || (last && *record == under_way),
            "{record:?}"
        );
    }
    // One entry for the beginning, and two with each intent.
    let begun = u64::from(store.deployment("d1", at(0)).await.unwrap().is_some());
    assert_eq!(audit.rows, begun + 2 * records.len() as u64);
    (records.len() + complete) as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_made_while_writing_opens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let store = Sqlite::open(&path).unwrap();
    let progress = Arc::new(Progress::default());

    let (seen, from) = (Arc::clone(&progress), directory.path().to_owned());
    let copying = tokio::task::spawn_blocking(move || {
        let mut copies = Vec::new();
        while seen.durable.load(Ordering::SeqCst) < 2 * RECORDS {
            let promised = seen.durable.load(Ordering::SeqCst);
            let copy = from.join(format!("copy-{}.db", copies.len()));
            fs::copy(from.join("state.db"), &copy).unwrap();
            fs::copy(from.join("state.db-wal"), copy.with_extension("db-wal")).unwrap();
            copies.push((copy, promised));
            seen.copies.fetch_add(1, Ordering::SeqCst);
        }
        copies
    });
    write(&store, &progress, true).await;
    let copies = copying.await.unwrap();

    assert!(copies.len() as u64 >= RECORDS / 10);
    for (copy, promised) in copies {
        let survived = survived(&copy).await;
        assert!(survived >= promised, "{survived} of {promised}");
    }
}

/// Power fails while the log is written: its end is missing, or is something else.
#[tokio::test]
async fn log_cut_anywhere_opens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let store = Sqlite::open(&path).unwrap();
    // Everything up to here is in the file itself, the rest in the log.
    drop(store);
    let store = Sqlite::open(&path).unwrap();
    write(&store, &Progress::default(), false).await;
    let (file, log) = (
        fs::read(&path).unwrap(),
        fs::read(directory.path().join("state.db-wal")).unwrap(),
    );

    let copy = directory.path().join("copy.db");
    let mut seen = std::collections::BTreeSet::new();
    for length in (0..=log.len()).step_by(24_001).chain([log.len()]) {
        for torn in [false, true] {
            let mut cut = log[..length].to_vec();
            if torn {
                cut.resize(length + 5_000, 0xa5);
            }
            fs::write(&copy, &file).unwrap();
            fs::write(copy.with_extension("db-wal"), cut).unwrap();
            seen.insert(survived(&copy).await);
        }
    }
    assert_eq!(seen.first(), Some(&0));
    assert_eq!(seen.last(), Some(&(2 * RECORDS)));
    assert!(seen.len() > 10, "{seen:?}");
}
