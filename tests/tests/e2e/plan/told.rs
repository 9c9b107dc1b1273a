//! What is said before there is a deployment: what stands in its way, and what to know.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;
use tests::{
    World,
    tree::{same, tree},
};

use super::{PLAN, ROLLING, asked_and_done, happened, planned};
use crate::{
    resumed::under_way,
    scene::{CANARY, LIMITS, THREE, behind_the_proxy, deploy},
};

#[test]
fn where_a_deployment_would_not_begin_nor_is_one_planned() {
    let (world, fleet) = behind_the_proxy(THREE, "\n[strategy]\nuse = \"canary\"\nsoak = \"4s\"\n");
    world.release("2.0");
    let mut deploying = world.start(&deploy("2.0"));
    deploying.until_printed("stage");
    let ran = world.run(&PLAN).expect(5);
    let ran = ran.says("is being worked on by tester");
    let ran = ran.says("plan again when it is done");
    assert!(!ran.all().contains("--wait"), "it has none: {ran}");
    under_way(&world, "wait");
    deploying.signal(Signal::KILL);
    assert_eq!(deploying.wait().signal(), Some(9));
    let ran = world.run(&PLAN).expect(5);
    ran.says("whose process is gone");
    let _ = world.run(&["unlock", "--reason", "it is gone"]).expect(0);
    let before = tree(&world);
    let ran = world.run(&PLAN).expect(4);
    ran.says("was cut off and is not finished")
        .says("--recover");
    same(&before, &tree(&world));
    let _ = world.run(&["rollback", "--yes"]).expect(0);
    fleet.all_on("1.0");
    let _ = world.run(&PLAN).expect(0);
}

#[test]
fn over_one_that_is_frozen_it_says_so() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    let toml = fleet
        .toml()
        .replace("successes = 2", "successes = 2\nfailures = 2");
    let automatic = "\n[rollback]\nautomatic = false\n";
    world.configure(&[&toml, &fleet.proxy(), LIMITS, ROLLING, automatic]);
    world.bad_release("2.0", "never-healthy");
    world.deploy("2.0", 6).says("frozen");
    world.release("3.0");
    let ran = world.run(&["plan", "--version", "3.0"]);
    println!("{ran}");
    ran.says("of 2.0 is frozen, and this one would go over it")
        .says("`runtime resume ")
        .says("is not well now");
}

#[test]
fn over_one_that_is_stuck_it_says_so() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    let toml = fleet
        .toml()
        .replace("successes = 2", "successes = 2\nfailures = 2");
    world.configure(&[&toml, &fleet.proxy(), LIMITS, ROLLING]);
    // The old release does not come back once it was stopped.
    let current = fs::canonicalize(fleet.root("one").join("current")).unwrap();
    fs::write(current.join("BEHAVIOUR"), "never-healthy\n").unwrap();
    world.bad_release("2.0", "never-healthy");
    world.deploy("2.0", 7).says("stuck");
    world.release("3.0");
    let before = tree(&world);
    let ran = world.run(&["plan", "--version", "3.0"]);
    println!("{ran}");
    same(&before, &tree(&world));
    ran.says("of 2.0 is stuck, and this one would go over it")
        .says("`runtime retry ")
        .says("one is not well now");
}

#[test]
fn what_the_guard_would_refuse_on_the_way_is_known_before() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    let limits = LIMITS.to_owned() + "minimum-serving = 2\n";
    let batches = "\n[strategy]\nuse = \"rolling\"\nbatch = 2\n";
    world.configure(&[&fleet.toml(), &fleet.proxy(), &limits, batches]);
    world.release("2.0");
    let plan = planned(&world, 1);
    assert_eq!(plan["course"]["verdict"], "rolled-back");
    let ran = world.run(&deploy("2.0")).expect(1);
    let cause = plan["course"]["cause"]["message"].as_str().unwrap();
    let _ = ran.says(cause);
    // That it turns back is in the record alone.
    let done: Vec<Value> = happened(&world)
        .into_iter()
        .filter(|it| it[1] != "turn")
        .collect();
    assert_eq!(asked_and_done(&plan), done);
    fleet.all_on("1.0");
}

#[test]
fn targets_that_cannot_be_reached_refuse_it_or_are_left_out() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    world.release("2.0");
    let root = fleet.root("two");
    fs::rename(root.join("releases"), root.join("aside")).unwrap();
    fs::write(root.join("releases"), "").unwrap();
    let arguments = [&PLAN[..], &["--out", "plan.json"]].concat();
    let ran = world.run(&arguments).expect(4);
    println!("{ran}");
    ran.says("It would be refused, with nothing changed")
        .says("cannot be reached")
        .says("plan.json was not written");
    assert!(!world.file("plan.json").exists(), "nobody deploys that");
    assert_eq!(planned(&world, 4)["course"]["verdict"], "refused");

    let limits = LIMITS.to_owned() + "tolerate = 1\n";
    world.configure(&[&fleet.toml(), &fleet.proxy(), &limits, ROLLING]);
    let ran = world.run(&arguments).expect(8);
    println!("{ran}");
    ran.says("without two");
    let ran = world.run(&["deploy", "--yes", "--plan", "plan.json"]);
    println!("{ran}");
    let plan: Value = serde_json::from_slice(&fs::read(world.file("plan.json")).unwrap()).unwrap();
    let _ = ran.expect(8);
    assert_eq!(asked_and_done(&plan), happened(&world));
}

#[test]
fn what_differs_is_told_in_the_words_of_the_configuration() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    let again = world.run(&["plan", "--version", "1.0"]).expect(0);
    println!("{again}");
    again
        .says("1.0 is what runs already")
        .says("nothing: the same release in the same way");
    world.release("2.0");
    let canary = CANARY.replace("50", "60").replace("2s", "1s");
    let balancer = fleet.proxy() + "response-timeout = \"5s\"\n";
    world.configure(&[&fleet.toml(), &balancer, LIMITS, &canary]);
    let mut narrow = World::command(&world);
    narrow.env("COLUMNS", "60").args(PLAN);
    let output = narrow.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    println!("{text}");
    for told in [
        "~ release: \"1.0-",
        "~ strategy.soak: \"2s\" → \"1s\"",
        "~ strategy.stages: [10,50] → [10,60]",
        "+ load-balancer.response-timeout = \"5s\"",
        "canary 33.3 % → 0 %",
        "canary gets 60 %",
    ] {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&text).contains(&words(told)), "{told}");
    }
    let long = |line: &&str| line.chars().count() > 60 && line.trim().contains(' ');
    let breakable = |line: &&str| {
        line.split_whitespace()
            .all(|word| word.chars().count() < 40)
    };
    let lines: Vec<&str> = text.lines().filter(long).filter(breakable).collect();
    assert!(lines.is_empty(), "longer than the terminal: {lines:#?}");
}

#[test]
fn a_check_that_may_not_be_made_is_not_one_that_failed() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    let toml = fleet
        .toml()
        .replace("successes = 2", "successes = 2\nmethod = \"POST\"");
    assert_ne!(toml, fleet.toml());
    world.configure(&[&toml, &fleet.proxy(), LIMITS, ROLLING]);
    world.release("2.0");
    let plan = planned(&world, 0);
    for target in plan["found"]["targets"].as_array().unwrap() {
        assert_eq!(target["healthy"], Value::Null, "{target}");
        let says = target["says"].as_str().unwrap();
        assert!(says.contains("could not be made"), "{says}");
    }
    let ran = world.run(&PLAN).expect(0);
    println!("{ran}");
    let ran = ran
        .says("not known")
        .says("one is perhaps not well now, with 1.0-");
    assert!(!ran.all().contains("is not well"), "{ran}");
}
