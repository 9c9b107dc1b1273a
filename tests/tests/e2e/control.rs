//! What a second process says to a deployment that runs, and what becomes of it.

use rustix::process::Signal;
use serde_json::Value;
use tests::{Load, Mix, Running, World};

use crate::{
    resumed::under_way,
    scene::{THREE, behind_the_proxy, deploy, shown},
};

/// Nobody waits for that: somebody ends it.
const CANARY: &str = "\n[strategy]\nuse = \"canary\"\nstages = [25, 50]\nsoak = \"30m\"\n";

/// It asks before the rest of the fleet follows.
const ASKING: &str = "\n[strategy]\nuse = \"canary\"\nstages = [25]\nsoak = \"1s\"\napprove = true\n\
                      \n[approvals]\nby = [\"ada\", \"ben\"]\n";

fn begun(world: &World, until: &str) -> Running {
    world.release("2.0");
    let mut deploying = world.start(&deploy("2.0"));
    deploying.until_printed(until);
    deploying
}

/// The effects of the last deployment's record, each with the signals that it heeded.
fn heeded(world: &World) -> Vec<(String, Vec<String>)> {
    let record = |record: &Value| {
        let effect = record["intent"]["effect"]["effect"].as_str()?.to_owned();
        let signals = record["outcome"]["report"]["signals"].as_array()?;
        let signals = signals.iter().map(|signal| signal["signal"].as_str());
        Some((effect, signals.flatten().map(str::to_owned).collect()))
    };
    let shown = shown(world);
    let records = shown["records"].as_array().unwrap();
    records.iter().filter_map(record).collect()
}

#[test]
fn paused_promoted_and_watched_to_its_end() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    let load = Load::of(Mix::ALL, &fleet.balancer);
    let mut deploying = begun(&world, "25 %");
    under_way(&world, "wait");
    let mut watching = world.start(&["status", "--watch"]);
    watching.until_printed("25 %");
    let _ = world.run(&["continue"]).expect(4).says("is not paused");
    let _ = world
        .run(&["pause", "--reason", "lunch"])
        .expect(0)
        .says("said `pause`");
    let _ = world
        .run(&["pause"])
        .expect(4)
        .says("paused already, by tester");
    // The wait is over with that, and nothing further begins.
    let _ = world.run(&["promote"]).expect(0);
    deploying.until_printed("paused by tester: lunch");
    under_way(&world, "hold");
    let _ = world.run(&["status"]).expect(0).says("pause by tester");
    let _ = world
        .run(&["promote"])
        .expect(4)
        .says("does not wait for anything now");
    let _ = world.run(&["continue"]).expect(0);
    deploying.until_printed("50 %");
    let _ = world
        .run(&["promote", "--full", "--reason", "late"])
        .expect(0);
    let ran = deploying.wait().expect(0);
    println!("{ran}");
    let watched = watching.wait().expect(0);
    println!("{watched}");
    watched
        .says("paused by tester: lunch")
        .says("50 %")
        .says("hello 2.0 succeeded");
    fleet.all_on("2.0");
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}\n{ran}");
    let heeded = heeded(&world);
    let of = |effect: &str| -> Vec<&str> {
        let these = heeded.iter().filter(|(each, _)| each == effect);
        these
            .flat_map(|(_, signals)| signals)
            .map(String::as_str)
            .collect()
    };
    assert_eq!(of("wait"), ["pause", "promote", "promote"], "{heeded:?}");
    assert_eq!(of("hold"), ["continue"], "{heeded:?}");
    // Who said what, and why.
    let audit = world.run(&["audit", "--format", "json"]).expect(0);
    audit.says("lunch").says("late");
}

#[test]
fn aborted_with_a_reason() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    let disk = fleet.on_disk();
    let deploying = begun(&world, "25 %");
    let _ = world
        .run(&["abort", "--reason", "the pager rang"])
        .expect(0);
    let ran = deploying.wait().expect(1);
    println!("{ran}");
    ran.says("tester asked to stop the deployment: the pager rang");
    fleet.all_on("1.0");
    assert_eq!(fleet.on_disk(), disk);
    let _ = world.run(&["abort"]).expect(4).says("is open");
    // It was meant for that one.
    world.release("3.0");
    let mut deploying = world.start(&deploy("3.0"));
    deploying.until_printed("25 %");
    let _ = world.run(&["promote", "--full"]).expect(0);
    deploying.wait().expect(0);
}

#[test]
fn approved_by_somebody_who_may() {
    let (mut world, fleet) = behind_the_proxy(THREE, ASKING);
    let deploying = begun(&world, "`runtime approve`");
    under_way(&world, "approval");
    let _ = world
        .run(&["status"])
        .expect(0)
        .says("Go on to the other 2?");
    let _ = world
        .run(&["approve"])
        .expect(4)
        .says("tester may not answer")
        .says("ada, ben");
    world.set("USER", "ada");
    let _ = world.run(&["approve", "--reason", "looks well"]).expect(0);
    let ran = deploying.wait().expect(0);
    println!("{ran}");
    ran.says("approved by ada: looks well");
    fleet.all_on("2.0");
}

#[test]
fn rejected_it_is_taken_back() {
    let (mut world, fleet) = behind_the_proxy(THREE, ASKING);
    let disk = fleet.on_disk();
    let deploying = begun(&world, "`runtime approve`");
    under_way(&world, "approval");
    world.set("USER", "ben");
    let _ = world.run(&["reject", "--reason", "not today"]).expect(0);
    let ran = deploying.wait().expect(1);
    println!("{ran}");
    ran.says("ben rejected it: not today");
    fleet.all_on("1.0");
    assert_eq!(fleet.on_disk(), disk);
}

#[test]
fn what_was_said_while_nobody_listened_counts_once_it_goes_on() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    let deploying = begun(&world, "25 %");
    under_way(&world, "wait");
    let mut watching = world.start(&["status", "--watch"]);
    watching.until_printed("25 %");
    deploying.signal(Signal::KILL);
    assert_eq!(deploying.wait().signal(), Some(9));
    let watched = watching.wait().expect(6);
    let _ = watched.says("was cut off").says("`runtime resume ");
    let _ = world.run(&["unlock", "--reason", "it is gone"]).expect(0);
    let _ = world.run(&["abort"]).expect(4).says("nobody works on");
    let _ = world
        .run(&["promote", "--full"])
        .expect(0)
        .says("nobody works on it");
    world.run(&["resume"]).expect(0);
    fleet.all_on("2.0");
}

#[test]
fn a_holder_that_slept_past_its_lease_does_nothing_any_more() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    let disk = fleet.on_disk();
    let deploying = begun(&world, "25 %");
    under_way(&world, "wait");
    deploying.signal(Signal::STOP);
    let back = world.run(&["rollback", "--wait", "2m"]).expect(0);
    println!("{back}");
    fleet.all_on("1.0");
    let records = shown(&world)["records"].clone();
    deploying.signal(Signal::CONT);
    let woken = deploying.wait().expect(6);
    println!("{woken}");
    fleet.all_on("1.0");
    assert_eq!(fleet.on_disk(), disk);
    assert_eq!(shown(&world)["records"], records);
}
