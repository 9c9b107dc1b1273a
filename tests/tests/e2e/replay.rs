//! A deployment that happened is asked for again from its record, and shown as it would have been.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};
use tests::{
    Postgres, Ran, Running, World,
    tree::{same, tree},
    wait,
};

use crate::{
    replaced::{EDITIONS, put, section},
    resumed::under_way,
    scene::{LIMITS, THREE, behind_the_proxy, deploy, shown},
    serving::fleet_in,
};

const CANARY: &str = "\n[strategy]\nuse = \"canary\"\nstages = [25, 50]\nsoak = \"1s\"\n";
const LONG: &str = "\n[strategy]\nuse = \"canary\"\nstages = [25, 50]\nsoak = \"10m\"\n";

fn replay(world: &World, arguments: &[&str]) -> Ran {
    world.run(&[&["replay"], arguments].concat())
}

fn replayed(world: &World, arguments: &[&str]) -> Value {
    replay(world, &[&["--format", "json"], arguments].concat())
        .expect(0)
        .json()
}

/// The number of the first record for which that holds.
fn number(shown: &Value, holds: impl Fn(&Value) -> bool) -> u64 {
    let records = shown["records"].as_array().unwrap();
    let record = records.iter().find(|record| holds(record)).unwrap();
    record["intent"]["sequence"].as_u64().unwrap()
}

fn effect(record: &Value) -> &str {
    record["intent"]["effect"]["effect"]
        .as_str()
        .unwrap_or_default()
}

/// The strategy asked for all that the record has, and ended as it did or is under way there.
fn agrees(world: &World) {
    assert_eq!(
        replayed(world, &[])["replay"],
        json!({ "replay": "agrees" })
    );
}

/// It asked for all that the record has so far, and for more.
fn goes_on(world: &World) {
    assert_eq!(replayed(world, &[])["replay"]["replay"], "goes-on");
}

/// A deployment that is in its first soak, which is longer than the test.
fn soaking(world: &World, version: &str) -> (Running, u64) {
    world.release(version);
    let deploying = world.start(&deploy(version));
    let wait = under_way(world, "wait");
    (deploying, wait["intent"]["sequence"].as_u64().unwrap())
}

#[test]
fn every_step_is_shown_and_nothing_is_touched() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    world.release("2.0");
    world.deploy("2.0", 0);
    let record = shown(&world);
    let before = tree(&world);
    let ran = replay(&world, &[]).expect(0);
    println!("{ran}");
    ran.says("canary sha256:")
        .says("the edition that ran it")
        .says("install 2.0")
        .says("on one, three, two")
        .says("undo: remove 2.0")
        .says("from one, two, three")
        .says("health of one within")
        .says("traffic to canary 25 %, stable 75 %")
        .says("wait for 1.00 s")
        .says("undo: activate 1.0")
        .says("the strategy asked for the same");
    let facts = replayed(&world, &[]);
    assert_eq!(facts["records"], record["records"]);
    assert_eq!(facts["replay"]["replay"], "agrees");
    // To a point.
    let wait = number(&record, |record| effect(record) == "wait");
    let until = replay(&world, &["--until", &wait.to_string()]).expect(0);
    println!("{until}");
    assert!(!until.all().contains("50 %"), "{until}");
    until.says("the same so far").says("next it asks for");
    replay(&world, &["--until", "9999"]).expect(2).says("steps");
    replay(&world, &["nowhere"])
        .expect(2)
        .says("there is no deployment");
    same(&before, &tree(&world));
    assert_eq!(shown(&world)["records"], record["records"]);
    fleet.all_on("2.0");
    // Before there is anything.
    let empty = World::new();
    empty.configure(&[&fleet.toml(), &fleet.proxy(), CANARY]);
    replay(&empty, &[])
        .expect(2)
        .says("there is no deployment of");
    assert!(!empty.file(".runtime").exists());
}

#[test]
fn what_went_well_is_shown_to_fail() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    world.release("2.0");
    world.deploy("2.0", 0);
    let record = shown(&world);
    let at = number(&record, |record| effect(record) == "await-healthy").to_string();
    let change = format!("{at}=never-up");
    let ran = replay(&world, &["--change", &change]).expect(0);
    println!("{ran}");
    ran.says(&format!("At {at} they part. What happened:"))
        .says("one: the release never comes up")
        .says("undo: traffic")
        .says("failed and was rolled back")
        .says("no rule was broken");
    let facts = replayed(&world, &["--change", &change]);
    assert_eq!(facts["branch"]["ending"], "rolled-back");
    assert_eq!(facts["branch"]["verdict"]["cause"]["code"], "unhealthy");
    let (same, other) = (&facts["records"], &facts["branch"]["records"]);
    let place = at.parse::<usize>().unwrap() - 1;
    let beginning = |records: &Value| records.as_array().unwrap()[..place].to_vec();
    assert_eq!(beginning(same), beginning(other));
    let operation = |records: &Value| records[place]["intent"]["operation"].clone();
    assert_eq!(operation(same), operation(other));
    assert_eq!(
        other[place]["outcome"]["result"]["Err"]["code"],
        "unhealthy"
    );
    // Killed there, it is gone on with.
    let wait = number(&record, |record| effect(record) == "wait");
    let killed = format!("{wait}=killed,moment=halfway");
    let facts = replayed(&world, &["--change", &killed]);
    assert_eq!(facts["branch"]["ending"], "succeeded");
    // And its way back can fail, too.
    let refuses = |at: u64| format!("{at}=balancer-refuses,times=9");
    let fails = replayed(&world, &["--change", &format!("{wait}=falls-over:one")]);
    let apply = number(&fails["branch"], |record| {
        record["intent"]["origin"]["by"] == "undo" && effect(record) == "apply"
    });
    let stuck = replay(
        &world,
        &[
            "--change",
            &format!("{wait}=falls-over:one"),
            "--change",
            &refuses(apply),
        ],
    );
    println!("{stuck}");
    stuck.expect(0).says("is stuck").says("    - ");
    fleet.all_on("2.0");

    let unfit = replay(&world, &["--change", &format!("{wait}=install-fails")]).expect(2);
    println!("{unfit}");
    unfit
        .says(&format!("that cannot happen at {wait}: wait"))
        .says("there can be falls-over, bad-release")
        .says("ok");
    for (change, why) in [
        (format!("{wait}=ok"), "went well as it was"),
        (format!("{wait}=hail"), "nothing is called `hail`"),
        (
            format!("{wait}=falls-over:nine"),
            "there is no target `nine`",
        ),
        (
            format!("{wait}=falls-over,soon=1"),
            "nothing that is called `soon`",
        ),
        ("9999=killed".to_owned(), "nothing is asked for at 9999"),
        ("first=killed".to_owned(), "not the number of a step"),
    ] {
        replay(&world, &["--change", &change]).expect(2).says(why);
    }
}

#[test]
fn what_failed_is_shown_to_go_well() {
    let (world, _fleet) = behind_the_proxy(THREE, CANARY);
    world.bad_release("2.0", "never-healthy");
    world.deploy("2.0", 1);
    let ran = replay(&world, &[]).expect(0);
    println!("{ran}");
    ran.says("unhealthy").says("everything is taken back");
    agrees(&world);
    let failed = |record: &Value| !record["outcome"]["result"]["Err"].is_null();
    let at = number(&shown(&world), failed);
    let facts = replayed(&world, &["--change", &format!("{at}=ok")]);
    assert_eq!(facts["branch"]["ending"], "succeeded", "{facts}");
    assert_eq!(facts["branch"]["broken"], json!([]));
    let both = [
        "--change",
        &format!("{at}=ok"),
        "--change",
        &format!("{at}=never-up"),
    ];
    replay(&world, &both)
        .expect(2)
        .says("cannot go well and fail");
}

#[test]
fn one_that_runs_is_asked_again_as_far_as_it_has_come() {
    let (world, fleet) = behind_the_proxy(THREE, LONG);
    let (deploying, at) = soaking(&world, "2.0");
    let ran = replay(&world, &[]).expect(0);
    println!("{ran}");
    ran.says("running")
        .says("under way")
        .says("the strategy asked for the same");
    agrees(&world);
    // What it would come to if it failed now.
    let facts = replayed(&world, &["--change", &format!("{at}=falls-over:one")]);
    assert_eq!(facts["branch"]["ending"], "rolled-back");
    let _ = world.run(&["promote", "--full"]).expect(0);
    deploying.wait().expect(0).says("succeeded");
    fleet.all_on("2.0");
    agrees(&world);
}

#[test]
fn so_is_one_that_is_paused() {
    let (world, fleet) = behind_the_proxy(THREE, LONG);
    let (deploying, _) = soaking(&world, "2.0");
    let _ = world.run(&["pause", "--reason", "lunch"]).expect(0);
    // The wait is over with that, and nothing further begins.
    let _ = world.run(&["promote"]).expect(0);
    let hold = under_way(&world, "hold");
    goes_on(&world);
    let at = hold["intent"]["sequence"].as_u64().unwrap();
    let facts = replayed(&world, &["--change", &format!("{at}=aborted")]);
    assert_eq!(facts["branch"]["ending"], "rolled-back");
    assert_eq!(effect(&facts["branch"]["records"][at as usize - 1]), "hold");
    deploying.signal(Signal::KILL);
    assert_eq!(deploying.wait().signal(), Some(9));
    goes_on(&world);
    let _ = world.run(&["unlock", "--reason", "it is gone"]).expect(0);
    world.run(&["rollback", "--yes"]).expect(0);
    fleet.all_on("1.0");
    agrees(&world);
}

#[test]
fn so_is_what_several_processes_did() {
    let (world, fleet) = behind_the_proxy(THREE, LONG);
    let killed = |version: &str| {
        let (deploying, _) = soaking(&world, version);
        deploying.signal(Signal::KILL);
        assert_eq!(deploying.wait().signal(), Some(9));
        agrees(&world);
        let _ = world.run(&["unlock", "--reason", "it is gone"]).expect(0);
    };
    killed("2.0");
    let resuming = world.start(&["resume"]);
    wait::until("the wait is taken up", || {
        let wait = under_way(&world, "wait");
        (wait["intent"]["attempt"] == 2).then_some(())
    });
    let _ = world.run(&["promote", "--full"]).expect(0);
    resuming.wait().expect(0);
    fleet.all_on("2.0");
    agrees(&world);
    // What it began with is not asked for.
    let looked = number(&shown(&world), |record| {
        record["intent"]["sequence"] != 1 && effect(record) == "observe"
    });
    replay(&world, &["--change", &format!("{looked}=unreachable:one")])
        .expect(2)
        .says(&format!("nothing is asked for at {looked}"));
    killed("3.0");
    world.run(&["rollback", "--yes"]).expect(0);
    fleet.all_on("2.0");
    let ran = replay(&world, &[]).expect(0);
    println!("{ran}");
    ran.says("cut off").says("undo of");
    agrees(&world);
}

#[test]
fn it_is_read_from_a_database_too() {
    let postgres = Postgres::start();
    let (world, _fleet) = fleet_in(&postgres, CANARY);
    world.release("2.0");
    world.deploy("2.0", 0);
    let audited = || postgres.run("SELECT count(*) FROM runtime.audit");
    let before = audited();
    let ran = replay(&world, &[]).expect(0);
    ran.says("wait for 1.00 s");
    agrees(&world);
    let record = shown(&world);
    let at = number(&record, |record| effect(record) == "apply");
    let facts = replayed(&world, &["--change", &format!("{at}=balancer-hangs")]);
    assert_eq!(
        facts["branch"]["ending"], "rolled-back",
        "{}",
        facts["branch"]["verdict"]
    );
    assert_eq!(audited(), before);
}

#[test]
fn another_edition_is_asked_only_where_that_is_accepted() {
    let source = include_str!("../guests/turnwise.rs");
    let (world, fleet) = behind_the_proxy(THREE, "\n[strategy]\nuse = \"simple\"\n");
    put(&world, "turnwise", source);
    let strategy = "\n[strategy]\nuse = \"turnwise\"\nwatch = \"1s\"\n";
    let plugin = section("turnwise");
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, strategy, &plugin]);
    world.release("2.0");
    world.deploy("2.0", 0);
    put(
        &world,
        "turnwise",
        &source.replace(EDITIONS[0], EDITIONS[1]),
    );
    let same = replay(&world, &[]).expect(0);
    same.says("the edition that ran it");
    agrees(&world);
    let other = replay(&world, &["--accept-drift"]).expect(10);
    println!("{other}");
    let stage = number(&shown(&world), |record| {
        record["intent"]["operation"]["call"] == "begin"
    });
    other
        .says("not the edition that ran it")
        .says(&format!(
            "at {stage} the strategy asks for something else than it did"
        ))
        .says(EDITIONS[0])
        .says(EDITIONS[1]);
    let facts = replay(&world, &["--accept-drift", "--format", "json"])
        .expect(10)
        .json();
    assert_eq!(facts["replay"]["replay"], "differs");
    assert_eq!(facts["replay"]["sequence"], stage);
    assert_eq!(facts["asked"]["same"], false);
    // It does not come to where something is to be otherwise.
    let change = format!("{}=killed", stage + 3);
    let differs = replay(&world, &["--accept-drift", "--change", &change]);
    differs.expect(10).says("does not come to");
    // The one that ran it need not be there any more.
    fs::remove_file(world.file("turnwise.wasm")).unwrap();
    replay(&world, &[]).expect(0);
    replay(&world, &["--accept-drift"]).expect(3);
}
