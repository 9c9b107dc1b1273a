//! What is on the disk at any moment opens, holds together, and has all that was promised.

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
};

use engine::Record;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use store::{Sqlite, Store};

use crate::fixture::{at, begin, entry, intent, outcome};

/// Enough that SQLite moves pages from the log to the file several times meanwhile.
const MANY_RECORDS: u64 = 600;

/// Few enough that everything stays in the log.
const FEW_RECORDS: u64 = 60;

/// Steps of the writer between two copies: no number that its commits repeat after.
const STRIDE: u64 = 11;

/// Where the writer in another process finds its file.
const PLACE: &str = "STORE_WRITER_FILE";

/// Writes a record; each step that is durable is told.
async fn write(store: &Sqlite, records: u64, mut told: impl FnMut()) {
    let lease = begin(store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &lease);
    for sequence in 1..=records {
        store.audit(vec![entry("files_write"), entry("commands_run")]);
        journal.begin(&intent(sequence, at(1))).await.unwrap();
        told();
        journal.end(sequence, &outcome(at(2))).await.unwrap();
        told();
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

/// The process that is stopped, over and over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other side of `file_at_any_moment_opens`, which runs it"]
async fn writer() {
    let path = PathBuf::from(env::var_os(PLACE).expect("a file to write"));
    let store = Sqlite::open(path).unwrap();
    let mut output = std::io::stdout();
    write(&store, MANY_RECORDS, || {
        writeln!(output, "step").unwrap();
    })
    .await;
}

/// Ends with its test, also where it is stopped.
struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.0.kill();
    }
}

/// The machine stops at any moment, also while SQLite moves pages: another process writes, is
/// stopped wherever it is, and its files are copied as they are.
#[tokio::test]
async fn file_at_any_moment_opens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let writer = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "crash::writer"])
        .env(PLACE, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut writer = Writer(writer);
    let output = BufReader::new(writer.0.stdout.take().unwrap());
    let (told, steps) = mpsc::channel();
    let reading = std::thread::spawn(move || {
        for line in output.lines() {
            // The harness says something, too.
            if line.unwrap().ends_with("step") {
                // Nobody listens to the last few.
                let _ = told.send(());
            }
        }
    });
    let pid = Pid::from_child(&writer.0);
    let (mut promised, mut copies, mut ended) = (0, 0, None);
    let mut seen = BTreeSet::new();
    while steps.recv().is_ok() {
        promised += 1;
        promised += steps.try_iter().count() as u64;
        if promised < copies * STRIDE {
            continue;
        }
        kill_process(pid, Signal::STOP).unwrap();
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
        if !status.stopped() {
            ended = status.exit_status();
            break;
        }
        let copy = directory.path().join(format!("copy-{copies}.db"));
        fs::copy(&path, &copy).unwrap();
        // Closing the store ends with removing the log.
        if path.with_extension("db-wal").exists() {
            fs::copy(path.with_extension("db-wal"), copy.with_extension("db-wal")).unwrap();
        }
        copies += 1;
        let survived = survived(&copy).await;
        assert!(survived >= promised, "{survived} of {promised}");
        seen.insert(survived);
        kill_process(pid, Signal::CONT).unwrap();
    }
    reading.join().unwrap();
    let ended = ended.or_else(|| writer.0.wait().unwrap().code());
    assert_eq!(ended, Some(0));
    assert!(seen.len() > 20, "{seen:?}");
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
    write(&store, FEW_RECORDS, || {}).await;
    let (file, log) = (
        fs::read(&path).unwrap(),
        fs::read(directory.path().join("state.db-wal")).unwrap(),
    );

    let copy = directory.path().join("copy.db");
    let mut seen = BTreeSet::new();
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
    assert_eq!(seen.last(), Some(&(2 * FEW_RECORDS)));
    assert!(seen.len() > 10, "{seen:?}");
}
