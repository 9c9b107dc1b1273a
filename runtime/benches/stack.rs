//! What the layers cost: a call of a plugin beside a shell hook; an operation's way from the
//! strategy through every layer beside the bare commits that its record needs; and replaying a
//! long record beside making it.

#![expect(
    clippy::expect_used,
    reason = "a measurement that cannot go on has failed"
)]

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use engine::{
    Brief, Deployment, Intent, Journal, JournalError, Outcome, Record, Resume, Strategy as _,
    Timestamp, Verdict,
    testing::{self, Asked, MemoryWorld, Silent},
};
use figures::{Figure, median, time};
use host::{Host, HostOptions, Kind, Plugin, PluginSource, Services, StrategyPlugin};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use store::{Blob, NewDeployment, Owner, Sqlite, Store};

const CALLS: usize = 200;
const ROUNDS: usize = 9;
const TARGETS: usize = 40;
/// Each is two rows of the record.
const STAGES: u32 = 6_000;

fn main() {
    if !figures::wanted() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let figures = runtime.block_on(async {
        let host = Host::new(HostOptions::default()).expect("the host starts");
        vec![
            call(&host).await,
            operation(&host).await,
            replay(&host).await,
        ]
    });
    figures::print(&figures);
}

async fn bundled(host: &Host, kind: Kind, name: &str) -> Plugin {
    let plugin = bundle::plugin(kind.as_str(), name).expect("it comes with the program");
    host.load(PluginSource {
        name: name.to_owned(),
        kind: Some(kind),
        wasm: plugin.wasm.into(),
        digest: plugin.digest.to_owned(),
        bundled: true,
    })
    .await
    .expect("it loads")
}

/// A platform is asked what it can do with settings that it has not seen before: what it said of
/// others is kept. A hook does nothing either.
async fn call(host: &Host) -> Figure {
    let platform = bundled(host, Kind::Platform, "release-directory").await;
    let (mut ours, mut hook) = (Vec::new(), Vec::new());
    for number in 0..CALLS {
        let settings = json!({ "root": format!("/srv/{number}") });
        let start = Instant::now();
        platform.traits(&settings).await.expect("it answers");
        ours.push(start.elapsed());
        let start = Instant::now();
        let ended = Command::new("/bin/sh").args(["-c", "exit 0"]).status();
        assert!(ended.expect("the shell starts").success());
        hook.push(start.elapsed());
    }
    Figure::times(
        "fresh instance and one call of a plugin",
        median(ours),
        ("shell hook", median(hook)),
        0.1,
    )
}

/// A rolling deployment on a world in memory, so that all but the effects is there; its very
/// rows by two statements each.
async fn operation(host: &Host) -> Figure {
    let folder = tempfile::tempdir_in(".").expect("the working directory can be written");
    let path = folder.path().join("state.db");
    let store = Sqlite::open(&path).expect("the store opens");
    let strategy = bundled(host, Kind::Strategy, "rolling").await;
    let mut bare = Bare::open(&path);
    let (mut ours, mut commits) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let id = format!("d{round}");
        let brief = brief(&id);
        let world = MemoryWorld::new(&brief).running("v1", &[("all", 100.0)]);
        let settings = json!({ "batch": 1 });
        let took = deploy(&store, &strategy, &settings, &brief, world).await;
        let records = store.records(&id).await.expect("the record is read");
        let count = u32::try_from(records.len()).expect("there are not as many");
        ours.push(took / count);
        commits.push(bare.write(&records) / count);
    }
    Figure::times(
        "one operation through the whole stack",
        median(ours),
        ("its bare commits", median(commits)),
        1.3,
    )
}

/// A canary of many stages, all of which another process went through before, but for the last.
async fn replay(host: &Host) -> Figure {
    let folder = tempfile::tempdir_in(".").expect("the working directory can be written");
    let store = Sqlite::open(folder.path().join("state.db")).expect("the store opens");
    let strategy = bundled(host, Kind::Strategy, "canary").await;
    let stages: Vec<f64> = (1..=STAGES).map(|stage| f64::from(stage) / 120.0).collect();
    let settings = json!({ "stages": stages, "soak": "0s", "watch": false });
    let brief = Brief {
        id: "long".to_owned(),
        ..testing::brief(&[("one", "canary"), ("two", "stable"), ("three", "stable")])
    };
    let shares = [("canary", 100.0 / 3.0), ("stable", 200.0 / 3.0)];
    let world = MemoryWorld::new(&brief).running("v1", &shares);
    let made = deploy(&store, &strategy, &settings, &brief, world.clone()).await;

    let start = Instant::now();
    let mut records = store.records("long").await.expect("the record is read");
    let count = records.len();
    records.pop();
    let resume = Resume {
        records,
        accept_drift: true,
        ..Resume::default()
    };
    let mut deployment = Deployment::resume(
        brief.clone(),
        resume,
        Box::new(world),
        Box::new(Nowhere),
        Arc::new(Silent),
        Arc::new(Asked::default()),
    );
    run(&mut deployment, &strategy, &settings, &brief).await;
    let took = start.elapsed();
    Figure {
        name: format!("replay of a record of {count} operations"),
        measured: time(took),
        baseline: format!("making it: {}", time(made)),
        ratio: Some(took.as_secs_f64() / made.as_secs_f64()),
        bar: None,
    }
}

/// A record that nobody keeps: what little is added to one that was replayed.
struct Nowhere;

#[async_trait]
impl Journal for Nowhere {
    async fn begin(&mut self, _: &Intent) -> Result<(), JournalError> {
        Ok(())
    }

    async fn end(&mut self, _: u64, _: &Outcome) -> Result<(), JournalError> {
        Ok(())
    }

    async fn note(&mut self, _: &Intent, _: &Outcome) -> Result<(), JournalError> {
        Ok(())
    }

    async fn close(&mut self, _: &Value, _: Timestamp) -> Result<(), JournalError> {
        Ok(())
    }
}

async fn deploy(
    store: &Sqlite,
    strategy: &Plugin,
    settings: &Value,
    brief: &Brief,
    world: MemoryWorld,
) -> Duration {
    let lease = store
        .begin_deployment(new(brief), u64::MAX, Timestamp(0))
        .await
        .expect("a deployment begins");
    let start = Instant::now();
    let mut deployment = Deployment::new(
        brief.clone(),
        Box::new(world),
        store.journal(&brief.id, &lease),
        Arc::new(Silent),
        Arc::new(Asked::default()),
    );
    run(&mut deployment, strategy, settings, brief).await;
    let took = start.elapsed();
    store.release(&lease).await.expect("the lease is let go");
    took
}

async fn run(deployment: &mut Deployment, strategy: &Plugin, settings: &Value, brief: &Brief) {
    let begun = deployment.begin().await;
    begun.expect("nothing is in its way");
    let found = deployment.found().expect("it has looked");
    let subject = host::Deployment::new(brief, found, false);
    let logs = Services::nothing().logs;
    let mut running =
        StrategyPlugin::new(strategy.clone(), &subject, settings, logs).expect("it is a strategy");
    let ended = running.run(deployment).await;
    let verdict = deployment.finish(ended).await;
    assert!(matches!(verdict, Verdict::Succeeded { .. }), "{verdict:?}");
}

fn brief(id: &str) -> Brief {
    let names: Vec<String> = (0..TARGETS).map(|number| format!("t{number:02}")).collect();
    let targets: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "all")).collect();
    Brief {
        id: id.to_owned(),
        ..testing::brief(&targets)
    }
}

fn new(brief: &Brief) -> NewDeployment {
    let blob = |name: &str, size: usize| Blob {
        digest: format!("sha256:{name}"),
        bytes: vec![7; size].into(),
    };
    NewDeployment {
        brief: brief.clone(),
        folder: "/srv/shop".to_owned(),
        artifact: "shop.tar.gz".to_owned(),
        configuration: blob("configuration", 4_000),
        strategy: blob("strategy", 200_000),
        plugins: Vec::new(),
        owner: Owner {
            actor: "anna".to_owned(),
            host: "build-1".to_owned(),
            process: 1,
            purpose: "deploy".to_owned(),
            deployment: None,
        },
        over_unfinished: true,
    }
}

/// The least that keeps a record: a row for each intent, changed by its outcome.
struct Bare {
    connection: Connection,
    written: u64,
}

impl Bare {
    fn open(path: &Path) -> Self {
        let connection = Connection::open(path).expect("the file opens");
        connection
            .execute_batch(
                "PRAGMA synchronous = full;
                 CREATE TABLE bare (sequence INTEGER PRIMARY KEY, intent, outcome)",
            )
            .expect("the table is made");
        Self {
            connection,
            written: 0,
        }
    }

    fn write(&mut self, records: &[Record]) -> Duration {
        let texts: BTreeMap<u64, (String, String)> = records
            .iter()
            .map(|record| {
                self.written += 1;
                (self.written, (json(&record.intent), json(&record.outcome)))
            })
            .collect();
        let start = Instant::now();
        for (sequence, (intent, outcome)) in &texts {
            let sequence = sequence.cast_signed();
            self.connection
                .prepare_cached("INSERT INTO bare (sequence, intent) VALUES (?1, ?2)")
                .and_then(|mut it| it.execute(params![sequence, intent]))
                .expect("the row is added");
            self.connection
                .prepare_cached("UPDATE bare SET outcome = ?2 WHERE sequence = ?1")
                .and_then(|mut it| it.execute(params![sequence, outcome]))
                .expect("the row is changed");
        }
        start.elapsed()
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("it is JSON")
}
