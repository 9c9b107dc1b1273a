//! The machine's clock steps in the middle of a deployment, by hand or after it was lost.

use std::{env, fs, path::PathBuf};

use serde_json::Value;
use tests::{Load, Mix, World, wait};

use crate::scene::{THREE, behind_the_proxy, deploy, shown};

/// Long enough for the clock to step within it.
const CANARY: &str = "\n[strategy]\nuse = \"canary\"\nstages = [50]\nsoak = \"4s\"\n";
const SOAK_MS: u64 = 4_000;

/// What stands between a program and the clock.
fn faketime() -> PathBuf {
    let folder = format!("/usr/lib/{}-linux-gnu/faketime", env::consts::ARCH);
    let library = PathBuf::from(folder).join("libfaketimeMT.so.1");
    let at = library.display();
    assert!(
        library.exists(),
        "there is no {at}: `tests/run` installs it"
    );
    library
}

/// Deploys while the clock is put to `step` in the soak, which lasts as long as it was to.
fn stepped(step: &str) {
    let (mut world, fleet) = behind_the_proxy(THREE, CANARY);
    world.release("2.0");
    let clock = world.file("clock");
    fs::write(&clock, "+0").unwrap();
    world.set("LD_PRELOAD", faketime().to_str().unwrap());
    world.set("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap());
    world.set("FAKETIME_NO_CACHE", "1");
    world.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let load = Load::of(Mix::ALL, &fleet.balancer);
    let running = world.start(&deploy("2.0"));
    wait::until("a soak is under way", || {
        let soak = soak(&world)?;
        soak["outcome"].is_null().then_some(())
    });
    fs::write(&clock, step).unwrap();
    let ran = running.wait();
    assert_eq!(ran.code(), Some(0), "{step}\n{ran}");
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}");
    fleet.all_on("2.0");
    let soak = soak(&world).unwrap();
    let begun = soak["intent"]["started"].as_u64().unwrap();
    let lasted = soak["outcome"]["ended"].as_u64().unwrap() - begun;
    assert!((SOAK_MS..10 * SOAK_MS).contains(&lasted), "{lasted} ms");
}

/// The record of the soak, where there is one yet.
fn soak(world: &World) -> Option<Value> {
    let records = shown(world)["records"].clone();
    let waits = |record: &&Value| record["intent"]["effect"]["effect"] == "wait";
    records.as_array()?.iter().find(waits).cloned()
}

#[test]
fn put_forward_it_ends_no_soak_and_takes_no_lease() {
    stepped("+3600");
}

#[test]
fn put_back_it_makes_no_soak_longer() {
    stepped("-3600");
}
