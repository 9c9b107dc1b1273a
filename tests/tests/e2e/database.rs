//! The state in a PostgreSQL database that several folders, as on several machines, share.

use std::process::Command;

use rustix::process::Signal;
use tests::{Fleet, Load, Mix, Postgres, World};

use crate::{
    resumed::under_way,
    scene::{LIMITS, THREE, deploy, shown},
};

const CANARY: &str = "\n[strategy]\nuse = \"canary\"\nstages = [25, 50]\nsoak = \"4s\"\n";

/// The same proxy from whatever folder.
fn proxy(world: &World, fleet: &Fleet) -> String {
    format!(
        "{}admin-socket = \"{}\"\nstate = \"{}\"\n",
        fleet.proxy(),
        world.file("proxy.sock").display(),
        world.file("proxy.json").display(),
    )
}

#[test]
fn killed_in_one_folder_it_goes_on_in_another() {
    let postgres = Postgres::start();
    let mut world = World::new();
    world.set("STATE_PASSWORD", "secret");
    let fleet = Fleet::new(&world, THREE);
    let state = format!(
        "\n[state]\nurl = \"{}\"\npassword = {{ secret = \"STATE_PASSWORD\" }}\n",
        postgres.url()
    );
    let proxy = proxy(&world, &fleet);
    world.configure(&[&fleet.toml(), &proxy, LIMITS, CANARY, &state]);
    world.release("1.0");
    world.deploy("1.0", 0);
    world.release("2.0");
    let load = Load::of(Mix::ALL, &fleet.balancer);
    let mut deploying = world.start(&deploy("2.0"));
    deploying.until_printed("25 %");
    under_way(&world, "wait");
    deploying.signal(Signal::KILL);
    assert_eq!(deploying.wait().signal(), Some(9));
    assert!(!world.file(".runtime/state.db").exists());

    std::fs::create_dir(world.file("elsewhere")).unwrap();
    for name in ["runtime.toml", "hello-1.0", "hello-2.0"] {
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(world.file(name));
        let copied = copy.arg(world.file("elsewhere")).status().unwrap();
        assert!(copied.success());
    }
    let elsewhere = ["--config", "elsewhere/runtime.toml"];
    // Its plugins are those of the program that began it.
    let platform = "kind = 'platform'";
    let digest = postgres.run(&format!(
        "SELECT digest FROM runtime.plugin_pins WHERE {platform} LIMIT 1"
    ));
    let other = format!("sha256:{}", "0".repeat(64));
    postgres.run(&format!(
        "UPDATE runtime.plugin_pins SET digest = '{other}' WHERE {platform}"
    ));
    let refused = world.run(&[&["resume"][..], &elsewhere].concat()).expect(4);
    println!("{refused}");
    refused.says(&digest).says(&other).says("--accept-drift");
    postgres.run(&format!(
        "UPDATE runtime.plugin_pins SET digest = '{digest}' WHERE {platform}"
    ));

    let resumed = world.run(&[&["resume"][..], &elsewhere].concat()).expect(0);
    println!("{resumed}");
    fleet.all_on("2.0");
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}\n{resumed}");
    assert_eq!(shown(&world)["state"], "succeeded");
}

#[test]
fn whose_database_is_gone_does_nothing_further() {
    let postgres = Postgres::start();
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    let state = format!("\n[state]\nurl = \"{}\"\n", postgres.url());
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, CANARY, &state]);
    world.release("1.0");
    world.deploy("1.0", 0);
    world.release("2.0");
    let mut deploying = world.start(&deploy("2.0"));
    deploying.until_printed("25 %");
    under_way(&world, "wait");
    let there = fleet.versions();
    drop(postgres);
    // It waits for what is left, tries to write that down for a while, and gives up.
    let ended = deploying.wait().expect(6);
    println!("{ended}");
    ended
        .says("was abandoned by this process")
        .says("`runtime resume ");
    assert_eq!(fleet.versions(), there);
    let refused = world.run(&["status"]).expect(4);
    println!("{refused}");
}
