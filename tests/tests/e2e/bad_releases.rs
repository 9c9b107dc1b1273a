//! A second version that is no good: it is taken back, and the first one serves on as if
//! nothing had been.

use tests::{Fleet, Mix, World};

use crate::scene::{CANARY, Played, THREE, behind_the_proxy, deploy, play, status};

/// How long a release may take to become healthy before it has failed.
const PATIENCE: &str = "\n[[health-checks]]\nuse = \"http\"\nname = \"the page itself\"\npath = \"/\"\n\
                        timeout = \"1s\"\ninterval = \"100ms\"\nsuccesses = 2\nfailures = 3\n\
                        start-period = \"1s\"\n";

/// Deploys a bad 2.0 over a good 1.0 and holds what is there afterwards against what was there
/// before.
fn taken_back(behaviour: &str, strategy: &str) -> (World, Fleet, Played) {
    let (world, fleet) = behind_the_proxy(THREE, &format!("{PATIENCE}{strategy}"));
    let (disk, traffic) = (fleet.on_disk(), status(&world)["targets"].clone());
    assert!(!traffic.is_null());
    world.bad_release("2.0", behaviour);
    let played = play(&world, &fleet, Mix::ALL, &deploy("2.0"));
    assert_eq!(played.ran.code(), Some(1), "{}", played.ran);
    fleet.all_on("1.0");
    assert_eq!(fleet.on_disk(), disk, "{}", played.ran);
    assert_eq!(status(&world)["targets"], traffic, "{}", played.ran);
    (world, fleet, played)
}

#[test]
fn never_healthy_never_gets_traffic() {
    let (_world, _fleet, played) = taken_back("never-healthy", CANARY);
    played.nobody_noticed();
    assert_eq!(played.counted.versions(), ["1.0"]);
    assert!(
        played.ran.all().contains("one"),
        "it says which target: {}",
        played.ran
    );
    assert!(
        played.ran.all().contains("503"),
        "it says what it saw: {}",
        played.ran
    );
    let failed = |line: &&str| line.contains("waiting for one failed");
    let line = played.ran.stdout.lines().find(failed).unwrap();
    let (_, reason) = line.split_once("failed: ").unwrap();
    // The target and what went wrong are said once, and nothing is in a programmer's words.
    assert!(reason.starts_with("check `http` saw: http://"), "{line}");
    assert!(!line.contains("\\\""), "{line}");
}

#[test]
fn answers_500_never_gets_traffic() {
    let (_world, _fleet, played) = taken_back("always-500", CANARY);
    played.nobody_noticed();
    assert_eq!(played.counted.versions(), ["1.0"]);
    assert!(played.ran.all().contains("500"), "{}", played.ran);
}

#[test]
fn healthy_then_crashes_is_noticed_in_the_soak() {
    let soak = "\n[strategy]\nuse = \"canary\"\nstages = [25, 50]\nsoak = \"20s\"\n";
    let (_world, _fleet, played) = taken_back("crash-after=4s", soak);
    assert!(played.counted.versions().contains(&"2.0"), "{}", played.ran);
    // Those who were sent to it when it crashed did notice, and nobody later on.
    println!("crashed under {} requests", played.counted.failures().len());
    assert!(played.ran.all().contains("no longer"), "{}", played.ran);
}

#[test]
fn healthy_then_ill_is_noticed_in_the_soak_before_anybody_else_does() {
    let soak = "\n[strategy]\nuse = \"canary\"\nstages = [25, 50]\nsoak = \"20s\"\n";
    let (_world, _fleet, played) = taken_back("unhealthy-after=4s", soak);
    played.nobody_noticed();
    assert!(played.counted.versions().contains(&"2.0"), "{}", played.ran);
}

#[test]
fn a_bad_batch_of_a_rolling_deployment_is_taken_back() {
    let rolling = "\n[strategy]\nuse = \"rolling\"\nbatch = 1\n";
    let (_world, _fleet, played) = taken_back("never-healthy", rolling);
    played.nobody_noticed();
}

#[test]
fn a_bad_release_everywhere_at_once_is_taken_back() {
    let simple = "\n[strategy]\nuse = \"simple\"\n";
    let (_world, _fleet, played) = taken_back("never-healthy", simple);
    println!("down for {} ms", played.counted.downtime_ms());
}
