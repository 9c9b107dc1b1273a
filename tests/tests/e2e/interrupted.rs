//! A deployment that is ended in its middle: by a signal that it sees, and by one that it does
//! not.

use std::process::Command;

use rustix::process::Signal;
use tests::{Fleet, Hosts, Load, Mix, Running, World, sshd::Nature, wait};

use crate::scene::{LIMITS, THREE, behind_the_proxy, deploy, shown, status};

/// Long enough to be in its middle.
const CANARY: &str = "\n[strategy]\nuse = \"canary\"\nstages = [25, 50]\nsoak = \"30s\"\n";

#[test]
fn killed_in_the_middle_and_rolled_back() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    let (disk, traffic) = (fleet.on_disk(), status(&world)["targets"].clone());
    world.release("2.0");
    world.release("3.0");
    let load = Load::of(Mix::ALL, &fleet.balancer);
    let mut deploying = world.start(&deploy("2.0"));
    deploying.until_printed("25 %");
    load.until_answered(50);
    deploying.signal(Signal::KILL);
    assert_eq!(deploying.wait().signal(), Some(9));

    world.run(&["status"]).expect(0).says("cut-off");
    // Nobody builds on it before it is brought to an end.
    let refused = world.run(&deploy("3.0"));
    println!("{refused}");
    assert!(matches!(refused.code(), Some(4 | 5)), "{refused}");
    // While its lease lasts, and after: nobody waits for a process that is gone.
    assert!(!refused.all().contains("--wait"), "{refused}");
    let refused = refused.says("`runtime rollback test-");
    println!("{refused}");

    let rolled_back = world.run(&["rollback", "--yes"]).expect(0);
    println!("{rolled_back}");
    let rolled_back = rolled_back.says("hello 2.0 was taken back; everything is as it was");
    fleet.all_on("1.0");
    assert_eq!(fleet.on_disk(), disk, "{rolled_back}");
    assert_eq!(status(&world)["targets"], traffic, "{rolled_back}");
    load.until_answered(50);
    let counted = load.end();
    println!("{counted}");
    assert_eq!(counted.failures().len(), 0, "{counted}\n{rolled_back}");
    assert!(counted.versions().contains(&"2.0"));

    world.deploy("3.0", 0);
}

#[test]
fn killed_before_anything_was_changed() {
    let world = World::new();
    let mut hosts = Hosts::start(&world, &["h1"]);
    let fleet = Fleet::new(&world, &[("h1", "all")]).in_folder(world.file("remote"));
    let strategy = "\n[strategy]\nuse = \"rolling\"\n";
    world.configure(&[
        &fleet.toml(),
        &hosts.toml(),
        &fleet.proxy(),
        LIMITS,
        strategy,
    ]);
    world.release("1.0");
    // It waits there for the first answer.
    hosts.become_of("h1", Nature::Silent);
    let mut deploying = world.start(&deploy("1.0"));
    deploying.until_printed("deploying hello 1.0");
    deploying.signal(Signal::KILL);
    assert_eq!(deploying.wait().signal(), Some(9));
    hosts.become_of("h1", Nature::Well);

    let back = world.run(&["rollback", "--yes"]).expect(0);
    let _ = back.says("hello 1.0 was taken back; nothing had been changed");
    world
        .run(&["show"])
        .expect(0)
        .says("nothing had been changed");
    world.deploy("1.0", 0);
    fleet.all_on("1.0");
}

#[test]
fn an_interrupt_takes_everything_back() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    let (disk, traffic) = (fleet.on_disk(), status(&world)["targets"].clone());
    world.release("2.0");
    let load = Load::of(Mix::ALL, &fleet.balancer);
    let mut deploying = world.start(&deploy("2.0"));
    deploying.until_printed("25 %");
    deploying.signal(Signal::INT);
    let ran = deploying.wait().expect(1);
    fleet.all_on("1.0");
    assert_eq!(fleet.on_disk(), disk, "{ran}");
    assert_eq!(status(&world)["targets"], traffic, "{ran}");
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}\n{ran}");
}

/// The record of the last deployment, once it has come to an end.
fn closed(world: &World) -> String {
    wait::until("the deployment has ended", || {
        let shown = world.run(&["show", "--format", "json"]);
        let state = shown.json()["state"].as_str()?.to_owned();
        (state != "running").then_some(state)
    })
}

#[test]
fn a_terminal_that_goes_away_takes_everything_back() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    let disk = fleet.on_disk();
    world.release("2.0");
    // `script` holds the other end of the program's terminal; without it every write there fails.
    let command = world.command();
    let program = command.get_program().display();
    let line = format!("exec {program} {}", deploy("2.0").join(" "));
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--flush", "--command", &line, "/dev/null"])
        .current_dir(world.path())
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("TERM", "xterm");
    let mut terminal = Running::start(&mut script, &world.file("terminal"));
    terminal.until_printed("25 %");
    terminal.signal(Signal::KILL);
    assert_eq!(closed(&world), "rolled-back");
    fleet.all_on("1.0");
    assert_eq!(fleet.on_disk(), disk);
}

#[test]
fn a_hangup_takes_everything_back() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    let disk = fleet.on_disk();
    world.release("2.0");
    let mut deploying = world.start(&deploy("2.0"));
    deploying.until_printed("25 %");
    deploying.signal(Signal::HUP);
    let ran = deploying.wait().expect(1);
    let ran = ran.says("the terminal went away");
    fleet.all_on("1.0");
    assert_eq!(fleet.on_disk(), disk, "{ran}");
}

/// Taking back waits for as long as the file `held` is there.
const HELD: &str = "\n[[steps]]\nname = \"hold\"\nat = \"before-rollback\"\nuse = \"command\"\n\
                    run = [\"sh\", \"-c\", \"while [ -e held ]; do sleep 0.1; done\"]\n";

#[test]
fn a_second_interrupt_says_how_to_go_on() {
    let (world, fleet) = behind_the_proxy(THREE, &format!("{CANARY}{HELD}"));
    world.release("2.0");
    world.write("held", "");
    let mut deploying = world.start(&deploy("2.0"));
    deploying.until_printed("25 %");
    deploying.signal(Signal::INT);
    deploying.until_printed("taking everything back");
    deploying.signal(Signal::INT);
    let ran = deploying.wait().expect(6);
    let id = shown(&world)["id"].as_str().unwrap().to_owned();
    let ran = ran.says(&format!("`runtime rollback {id}` takes it back"));
    std::fs::remove_file(world.file("held")).unwrap();
    world.run(&["rollback", &id]).expect(0);
    fleet.all_on("1.0");
    println!("{ran}");
}

#[test]
fn a_second_interrupt_ends_it_at_once_and_the_record_survives() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    let disk = fleet.on_disk();
    world.release("2.0");
    let mut deploying = world.start(&deploy("2.0"));
    deploying.until_printed("25 %");
    deploying.signal(Signal::INT);
    deploying.signal(Signal::INT);
    let ran = deploying.wait();
    println!("{ran}");
    // The first may already have done its work by the time the second is seen.
    if ran.code() != Some(1) {
        world.run(&["rollback", "--yes"]).expect(0);
    }
    fleet.all_on("1.0");
    assert_eq!(fleet.on_disk(), disk);
}
