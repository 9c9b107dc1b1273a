//! What an operation's record costs, against the two bare commits that it cannot do without, in
//! the same file and in the same database; and what opening the file costs. A number as argument
//! is that of blocks.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use engine::{
    Answer, Approvers, Brief, Count, Effect, Health, Intent, Journal, Operation, Origin, Outcome,
    Purpose, Release, Report, Rules, Timestamp, Undo,
};
use figures::{Figure, median, time};
use postgres_server::Server;
use rusqlite::{Connection, params};
use serde_json::Value;
use store::{Blob, NewDeployment, Options, Owner, PluginPin, Postgres, Scope, Sqlite, Store};
use tokio_postgres::{Client, NoTls, Statement};

/// Operations in a row before the other side has its turn: long enough that what the other one
/// left in the caches does not count, short enough that both see the same disk.
const BLOCK: u64 = 100;
const BLOCKS: u64 = 20;
const OPENINGS: usize = 50;

fn main() {
    if !figures::wanted() {
        return;
    }
    // Cargo passes options of its own.
    let blocks = std::env::args().find_map(|argument| argument.parse().ok());
    let blocks = blocks.unwrap_or(BLOCKS);
    let directory = tempfile::tempdir_in(".").expect("the working directory can be written");
    let path = directory.path().join("state.db");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let file = path.clone();
    let task = runtime.spawn(async move { sqlite(&file, blocks).await });
    let in_file = runtime.block_on(task).expect("no commit fails");
    let (opening, beginning) = runtime.block_on(openings(&path));
    let task = runtime.spawn(async move { postgres(blocks).await });
    let in_database = runtime.block_on(task).expect("no commit fails");
    let record = |name: &str, (ours, bare)| Figure {
        bar: None,
        ..Figure::times(name, ours, ("two bare commits", bare), f64::INFINITY)
    };
    let plain = |name: &str, took| Figure {
        bar: None,
        ..Figure::alone(name, time(took), "", true)
    };
    figures::print(&[
        record("record of an operation, SQLite", in_file),
        record(
            "record of an operation, PostgreSQL over loopback",
            in_database,
        ),
        plain("open the SQLite store, and the first question", opening),
        plain("begin a deployment and its lease, SQLite", beginning),
    ]);
}

/// Our record and the bare one, turn by turn.
async fn commits(
    store: &dyn Store,
    blocks: u64,
    mut bare: impl BareRecord,
) -> (Duration, Duration) {
    let lease = store
        .begin_deployment(deployment("d0"), u64::MAX, Timestamp(0))
        .await
        .expect("a deployment begins");
    let mut journal = store.journal("d0", &lease);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for block in 0..blocks {
        for sequence in block * BLOCK + 1..=(block + 1) * BLOCK {
            let (intent, outcome) = (intent(sequence), outcome());
            let start = Instant::now();
            record(journal.as_mut(), &intent, &outcome).await;
            ours.push(start.elapsed());
        }
        for sequence in block * BLOCK + 1..=(block + 1) * BLOCK {
            let start = Instant::now();
            bare.record(sequence).await;
            theirs.push(start.elapsed());
        }
    }
    store.release(&lease).await.expect("the lease is let go");
    (median(ours), median(theirs))
}

async fn sqlite(path: &Path, blocks: u64) -> (Duration, Duration) {
    let store = Sqlite::open(path).expect("the store opens");
    let bare = Bare::open(path);
    commits(&store, blocks, bare).await
}

/// The server is started for this, with a disk that it waits for.
async fn postgres(blocks: u64) -> (Duration, Duration) {
    let server = Server::start("on", &[], &[]);
    let url = server.url(&server.database());
    let store = Postgres::open(&url, &Options::default()).expect("the store opens");
    let bare = BareClient::connect(&url).await;
    commits(&store, blocks, bare).await
}

async fn record(journal: &mut dyn Journal, intent: &Intent, outcome: &Outcome) {
    journal.begin(intent).await.expect("the intent is kept");
    journal
        .end(intent.sequence, outcome)
        .await
        .expect("the outcome is kept");
}

/// The least that keeps an intent and an outcome: two statements.
#[async_trait]
trait BareRecord: Send {
    async fn record(&mut self, sequence: u64);
}

/// On the calling thread.
struct Bare {
    connection: Connection,
    intent: [String; 4],
    outcome: [String; 2],
}

impl Bare {
    fn open(path: &Path) -> Self {
        let connection = Connection::open(path).expect("the file opens");
        connection
            .execute_batch(
                "PRAGMA synchronous = full;
                 CREATE TABLE bare (sequence INTEGER PRIMARY KEY, origin, operation, effect, undo,
                                    attempt, token, started_at, result, report, ended_at)",
            )
            .expect("the table is made");
        let (intent, outcome) = (intent(1), outcome());
        Self {
            connection,
            intent: [
                json(&intent.origin),
                json(&intent.operation),
                json(&intent.effect),
                json(&intent.undo),
            ],
            outcome: [json(&outcome.result), json(&outcome.report)],
        }
    }
}

#[async_trait]
impl BareRecord for Bare {
    async fn record(&mut self, sequence: u64) {
        let [origin, operation, effect, undo] = &self.intent;
        self.connection
            .prepare_cached(
                "INSERT INTO bare (sequence, origin, operation, effect, undo, attempt, token,
                                   started_at) VALUES (?1, ?2, ?3, ?4, ?5, 1, 1, 0)",
            )
            .and_then(|mut it| {
                it.execute(params![
                    sequence.cast_signed(),
                    origin,
                    operation,
                    effect,
                    undo
                ])
            })
            .expect("the row is added");
        let [result, report] = &self.outcome;
        self.connection
            .prepare_cached(
                "UPDATE bare SET result = ?2, report = ?3, ended_at = 0 WHERE sequence = ?1",
            )
            .and_then(|mut it| it.execute(params![sequence.cast_signed(), result, report]))
            .expect("the row is changed");
    }
}

/// Over a connection.
struct BareClient {
    client: Client,
    insert: Statement,
    update: Statement,
    intent: [String; 4],
    outcome: [String; 2],
}

impl BareClient {
    async fn connect(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls)
            .await
            .expect("the database answers");
        tokio::spawn(connection);
        client
            .batch_execute(
                "CREATE TABLE bare (sequence BIGINT PRIMARY KEY, origin TEXT, operation TEXT,
                                    effect TEXT, undo TEXT, attempt BIGINT, token BIGINT,
                                    started_at BIGINT, result TEXT, report TEXT,
                                    ended_at BIGINT)",
            )
            .await
            .expect("the table is made");
        let insert = "INSERT INTO bare (sequence, origin, operation, effect, undo, attempt, token,
                                        started_at) VALUES ($1, $2, $3, $4, $5, 1, 1, 0)";
        let update = "UPDATE bare SET result = $2, report = $3, ended_at = 0 WHERE sequence = $1";
        let (intent, outcome) = (intent(1), outcome());
        Self {
            insert: client.prepare(insert).await.expect("it can be prepared"),
            update: client.prepare(update).await.expect("it can be prepared"),
            client,
            intent: [
                json(&intent.origin),
                json(&intent.operation),
                json(&intent.effect),
                json(&intent.undo),
            ],
            outcome: [json(&outcome.result), json(&outcome.report)],
        }
    }
}

#[async_trait]
impl BareRecord for BareClient {
    async fn record(&mut self, sequence: u64) {
        let sequence = sequence.cast_signed();
        let [origin, operation, effect, undo] = &self.intent;
        self.client
            .execute(&self.insert, &[&sequence, origin, operation, effect, undo])
            .await
            .expect("the row is added");
        let [result, report] = &self.outcome;
        self.client
            .execute(&self.update, &[&sequence, result, report])
            .await
            .expect("the row is changed");
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("it is JSON")
}

async fn openings(path: &Path) -> (Duration, Duration) {
    let (mut opening, mut beginning) = (Vec::new(), Vec::new());
    for number in 1..=OPENINGS {
        let new = NewDeployment {
            over_unfinished: true,
            ..deployment(&format!("d{number}"))
        };
        let start = Instant::now();
        let store = Sqlite::open(path).expect("the store opens");
        store
            .holder(&Scope::new("shop", "production"))
            .await
            .expect("it answers");
        opening.push(start.elapsed());
        let start = Instant::now();
        let now = Timestamp(u64::MAX);
        let lease = store
            .begin_deployment(new, 0, now)
            .await
            .expect("a deployment begins");
        beginning.push(start.elapsed());
        store.release(&lease).await.expect("the lease is let go");
    }
    (median(opening), median(beginning))
}

fn intent(sequence: u64) -> Intent {
    let targets = || (1..=4).map(|number| format!("web{number}").into());
    Intent {
        sequence,
        origin: Origin::Strategy,
        operation: Some(Operation::Install {
            targets: targets().collect(),
        }),
        effect: Some(Effect::Install {
            targets: targets().collect(),
            release: "5.0.0-20251116T103045Z".into(),
        }),
        undo: Undo::Remove {
            targets: targets().collect(),
            release: "5.0.0-20251116T103045Z".into(),
        },
        attempt: 1,
        started: Timestamp(1),
    }
}

fn outcome() -> Outcome {
    Outcome {
        result: Ok(Answer::Done),
        report: Some(Report::default()),
        ended: Timestamp(2),
    }
}

fn deployment(id: &str) -> NewDeployment {
    let release = Release {
        id: "5.0.0-20251116T103045Z".into(),
        version: "5.0.0".to_owned(),
        digest: "sha256:5".to_owned(),
        labels: Vec::new(),
        details: Value::Null,
    };
    let rules = Rules {
        minimum_serving: None,
        tolerate: Count::Number(0),
        drain_ms: 30_000,
        downtime: false,
        idle: BTreeSet::new(),
        health: Health {
            unchecked: false,
            timeout_ms: 60_000,
        },
        automatic_rollback: true,
        approvers: Approvers::default(),
        steps: Vec::new(),
        balancer: None,
        platform: Vec::new(),
    };
    let brief = Brief {
        id: id.to_owned(),
        application: "shop".to_owned(),
        environment: "production".to_owned(),
        purpose: Purpose::Deploy,
        release,
        previous: None,
        targets: Vec::new(),
        bystanders: BTreeSet::new(),
        strategy: "canary".to_owned(),
        settings: Value::Null,
        rules,
    };
    let pins = (0..8).map(|number| PluginPin {
        kind: "step".to_owned(),
        name: format!("step-{number}"),
        digest: format!("sha256:{number}"),
    });
    NewDeployment {
        brief,
        artifact: "shop-5.0.0.tar.gz".to_owned(),
        configuration: Blob {
            digest: "sha256:c".to_owned(),
            bytes: vec![7; 4_000].into(),
        },
        folder: "/srv/shop".to_owned(),
        strategy: Blob {
            digest: "sha256:s".to_owned(),
            bytes: vec![7; 200_000].into(),
        },
        plugins: pins.collect(),
        owner: Owner {
            actor: "anna".to_owned(),
            host: "build-1".to_owned(),
            process: 1,
            purpose: "deploy".to_owned(),
            deployment: None,
        },
        over_unfinished: false,
    }
}
