//! The ends that a deployment can come to besides success and a clean way back, each with the
//! exit code that tells it, and what is left for a person to do.

use std::{fs, process::Command};

use tests::{Fleet, Load, Mix, Server, process, wait};

use crate::scene::{LIMITS, ROLLING, THREE, behind_the_proxy, deploy, play, status};

const SIMPLE: &str = "\n[strategy]\nuse = \"simple\"\n";

/// A step that cannot be taken back.
const MIGRATION: &str = "\n[[steps]]\nname = \"migrate\"\nat = \"before-activate\"\nuse = \"command\"\n\
                         run = [\"true\"]\nirreversible = true\n";

/// Enough tries to be sure, few enough to be over soon.
fn few_failures(toml: &str) -> String {
    toml.replace("successes = 2", "successes = 2\nfailures = 2")
}

#[test]
fn what_cannot_be_taken_back_is_left_as_it_stands_and_listed() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    let parts = [
        &few_failures(&fleet.toml()),
        &fleet.proxy(),
        LIMITS,
        ROLLING,
        MIGRATION,
    ];
    world.configure(&parts);
    world.bad_release("2.0", "never-healthy");
    let played = play(&world, &fleet, Mix::ALL, &deploy("2.0"));
    played.nobody_noticed();
    let ran = played.ran.expect(6).says("frozen").says("migrate");
    println!("{ran}");
    world.run(&["status"]).expect(0).says("frozen");
    let versions = fleet.versions();
    assert!(
        versions
            .values()
            .any(|version| version.as_deref() == Some("2.0")),
        "{versions:?}"
    );

    // Whoever knows better may have it taken back all the same.
    let back = world.run(&["rollback", "--yes"]);
    println!("{back}");
    fleet.all_on("1.0");
}

#[test]
fn an_operator_may_want_it_left_as_it_stands() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    let automatic = "\n[rollback]\nautomatic = false\n";
    let parts = [
        &few_failures(&fleet.toml()),
        &fleet.proxy(),
        LIMITS,
        ROLLING,
        automatic,
    ];
    world.configure(&parts);
    let disk = fleet.on_disk();
    world.bad_release("2.0", "never-healthy");
    world.deploy("2.0", 6).says("frozen");
    assert_ne!(fleet.on_disk(), disk);
    world.run(&["rollback", "--yes"]).expect(0);
    fleet.all_on("1.0");
    assert_eq!(fleet.on_disk(), disk);
}

#[test]
fn a_way_back_that_does_not_work_is_stuck_and_says_where() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    world.configure(&[
        &few_failures(&fleet.toml()),
        &fleet.proxy(),
        LIMITS,
        ROLLING,
    ]);
    // The old release is broken, too, but nobody knows it until it is started again.
    let current = fs::canonicalize(fleet.root("one").join("current")).unwrap();
    fs::write(current.join("BEHAVIOUR"), "never-healthy\n").unwrap();
    world.bad_release("2.0", "never-healthy");
    let played = play(&world, &fleet, Mix::ALL, &deploy("2.0"));
    played.nobody_noticed();
    let ran = played.ran.expect(7).says("stuck").says("one");
    let ran = ran.says("`runtime retry ");
    println!("{ran}");
    // What is not well stays out of the traffic.
    let targets = status(&world)["targets"].clone();
    let one = targets
        .as_array()
        .unwrap()
        .iter()
        .find(|target| target["name"] == "one")
        .unwrap();
    assert!(
        one["percent"].as_f64() == Some(0.0) || one["admission"] != "ready",
        "{targets}"
    );
    world.run(&["status"]).expect(0).says("stuck");

    // Once a person has mended it, the rest of the way back is taken.
    fs::remove_file(current.join("BEHAVIOUR")).unwrap();
    let _mended = restart_by_hand(&fleet, "one");
    let load = Load::on(&fleet.balancer);
    world.run(&["retry", "--reason", "mended"]).expect(0);
    let _ = world.run(&["retry"]).expect(4);
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}");
    fleet.all_on("1.0");
}

/// Ends what runs on a target, and starts the release that is there once more.
fn restart_by_hand(fleet: &Fleet, target: &str) -> Server {
    let root = fleet.root(target);
    process::end_strays(&root);
    let address = &fleet.member(target).address;
    let mut command = Command::new(root.join("current/bin/hello"));
    let mut server = Server::start("by-hand", &root, command.args(["--listen", address]));
    server.until_ready(|| wait::get(address, "/health"));
    server
}

#[test]
fn what_the_guard_would_never_allow_is_refused_before_anything_is_done() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    let disk = fleet.on_disk();
    let limits = LIMITS.to_owned() + "minimum-serving = \"100%\"\n";
    world.configure(&[&fleet.toml(), &fleet.proxy(), &limits, ROLLING]);
    world.release("2.0");
    let ran = world.run(&deploy("2.0"));
    println!("{ran}");
    assert!(matches!(ran.code(), Some(1 | 4)), "{ran}");
    fleet.all_on("1.0");
    assert_eq!(fleet.on_disk(), disk);
}

#[test]
fn one_target_alone_gets_the_release_and_the_others_go_on() {
    let members = [("one", "all"), ("two", "all"), ("three", "all")];
    let (world, fleet) = behind_the_proxy(&members, ROLLING);
    world.release("2.0");
    let arguments = ["deploy", "--yes", "--version", "2.0", "--servers", "two"];
    let played = play(&world, &fleet, Mix::ALL, &arguments);
    assert_eq!(played.ran.code(), Some(0), "{}", played.ran);
    played.nobody_noticed();
    let versions = fleet.versions();
    assert_eq!(versions["two"].as_deref(), Some("2.0"), "{versions:?}");
    assert_eq!(versions["one"].as_deref(), Some("1.0"), "{versions:?}");
    // All three serve, each its part; who gets which request is for the proxy to say.
    for target in status(&world)["targets"].as_array().unwrap() {
        assert!(target["percent"].as_f64().unwrap() > 33.0, "{target}");
        assert_eq!(target["admission"], "ready", "{target}");
    }
    let after = Load::on(&fleet.balancer);
    after.until_answered(200);
    let after = after.end();
    assert_eq!(after.versions().len(), 2, "{after}");
}

#[test]
fn a_target_that_the_configuration_no_longer_has_gets_no_traffic_at_the_end() {
    let members = [("one", "all"), ("two", "all"), ("three", "all")];
    let (world, fleet) = behind_the_proxy(&members, ROLLING);
    world.release("2.0");
    // The same addresses, but for the last.
    let smaller = Fleet::new(&world, &members[..2]);
    world.configure(&[&smaller.toml(), &smaller.proxy(), LIMITS, SIMPLE]);
    world.deploy("2.0", 0);
    let load = Load::on(&fleet.balancer);
    load.until_answered(100);
    let counted = load.end();
    let versions: Vec<_> = counted.versions().into_iter().collect();
    assert_eq!(versions.len(), 1, "{counted}");
    assert_eq!(fleet.versions()["three"].as_deref(), Some("1.0"));
}

#[test]
fn a_target_that_was_left_out_is_not_told_as_done() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    let limits = LIMITS.to_owned() + "tolerate = 1\n";
    world.configure(&[&fleet.toml(), &fleet.proxy(), &limits, ROLLING]);
    // Nothing can be put there any more.
    let root = fleet.root("two");
    fs::rename(root.join("releases"), root.join("aside")).unwrap();
    fs::write(root.join("releases"), "").unwrap();
    world.release("2.0");
    let ran = world
        .deploy("2.0", 8)
        .says("left out two: release-directory: ");
    println!("{ran}");
    let installed = |line: &&str| line.contains("installed 2.0");
    let told = ran.stdout.lines().find(installed).unwrap();
    assert!(told.contains("one") && !told.contains("two"), "{ran}");
    let _ = ran.says("succeeded without two, which was left out");
}

#[test]
fn another_strategy_and_other_values_for_one_deployment() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    world.release("2.0");
    let ran = world
        .run(&[
            "deploy",
            "--yes",
            "--version",
            "2.0",
            "--strategy",
            "canary",
            "--set",
            "strategy.stages=[20]",
            "--set",
            "strategy.soak=\"200ms\"",
        ])
        .expect(0);
    ran.says("with canary").says("20");
    fleet.all_on("2.0");
}
