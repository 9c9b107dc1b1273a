//! A plugin's file is another one by the time that somebody goes on.

use std::{fs, path::Path};

use rusqlite::Connection;
use rustix::process::Signal;
use tests::{Load, Mix, Sink, World, guest};

use crate::{
    resumed::under_way,
    scene::{LIMITS, THREE, behind_the_proxy, deploy, shown},
};

/// What the strategy calls its stages in its first edition, and in its second.
pub(crate) const EDITIONS: [&str; 2] = ["the first edition", "the second edition"];

/// Kills a deployment in its first wait, and frees its lease.
fn killed_in_a_wait(world: &World, version: &str) {
    world.release(version);
    let deploying = world.start(&deploy(version));
    under_way(world, "wait");
    deploying.signal(Signal::KILL);
    assert_eq!(deploying.wait().signal(), Some(9));
    let _ = world.run(&["unlock", "--reason", "it is gone"]).expect(0);
}

/// Builds a guest, and puts it into the world in place of what is there.
pub(crate) fn put(world: &World, name: &str, source: &str) {
    let built = guest::build(name, source);
    let aside = world.file("new.wasm");
    fs::copy(built, &aside).unwrap();
    fs::rename(aside, world.file(&format!("{name}.wasm"))).unwrap();
}

/// Where a plugin of that name lies in a world.
pub(crate) fn section(name: &str) -> String {
    let path = Path::new("./").join(name).with_extension("wasm");
    format!("\n[plugins.{name}]\nsource = \"{}\"\n", path.display())
}

/// The stages of the last deployment.
fn stages(world: &World) -> String {
    let shown = shown(world);
    let records = shown["records"].as_array().unwrap();
    let stages = records.iter().map(|record| &record["intent"]["operation"]);
    let stages = stages.filter_map(|operation| operation["stage"].as_str());
    stages.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_strategy_goes_on_in_the_edition_that_began() {
    let source = include_str!("../guests/turnwise.rs");
    let (world, fleet) = behind_the_proxy(THREE, "\n[strategy]\nuse = \"simple\"\n");
    put(&world, "turnwise", source);
    let strategy = "\n[strategy]\nuse = \"turnwise\"\nwatch = \"2s\"\n";
    let plugin = section("turnwise");
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, strategy, &plugin]);
    let load = Load::of(Mix::ALL, &fleet.balancer);
    killed_in_a_wait(&world, "2.0");
    put(
        &world,
        "turnwise",
        &source.replace(EDITIONS[0], EDITIONS[1]),
    );
    let resumed = world.run(&["resume"]).expect(0);
    fleet.all_on("2.0");
    assert!(!stages(&world).contains(EDITIONS[1]), "{resumed}");
    assert_eq!(stages(&world).matches(EDITIONS[0]).count(), 4, "{resumed}");
    // It need not even be there.
    killed_in_a_wait(&world, "1.0");
    fs::remove_file(world.file("turnwise.wasm")).unwrap();
    world.run(&["resume"]).expect(0);
    fleet.all_on("1.0");
    assert_eq!(stages(&world).matches(EDITIONS[1]).count(), 4);
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}");
}

#[test]
fn another_plugin_in_its_place_is_refused_unless_that_is_accepted() {
    let source = include_str!("../guests/tickets.rs");
    let sink = Sink::start(200);
    let (world, fleet) = behind_the_proxy(THREE, "\n[strategy]\nuse = \"simple\"\n");
    put(&world, "tickets", source);
    let strategy = "\n[strategy]\nuse = \"rolling\"\npause = \"2s\"\n";
    let notifier = format!(
        "\n[[notifiers]]\nuse = \"tickets\"\nurl = \"{}/new\"\nproject = \"OPS\"\n{}",
        sink.url(),
        section("tickets")
    );
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, strategy, &notifier]);
    killed_in_a_wait(&world, "2.0");
    put(
        &world,
        "tickets",
        &source.replace("Opens tickets", "Opens cases"),
    );
    let records = shown(&world)["records"].clone();
    let refused = world.run(&["resume"]).expect(4);
    println!("{refused}");
    let _ = refused.says("`tickets` was sha256:").says("--accept-drift");
    assert_eq!(shown(&world)["records"], records);
    world.run(&["resume", "--accept-drift"]).expect(0);
    fleet.all_on("2.0");
}

#[test]
fn a_strategy_that_is_not_what_was_kept_is_not_run() {
    let (world, fleet) =
        behind_the_proxy(THREE, "\n[strategy]\nuse = \"canary\"\nsoak = \"10m\"\n");
    killed_in_a_wait(&world, "2.0");
    let database = Connection::open(world.file(".runtime/state.db")).unwrap();
    let spoil = "UPDATE blobs SET bytes = zeroblob(length(bytes)) \
                 WHERE digest IN (SELECT strategy_digest FROM deployments)";
    assert!(database.execute(spoil, []).unwrap() > 0);
    drop(database);
    let disk = fleet.on_disk();
    let ran = world.run(&["resume"]).expect(4);
    println!(
        "{}",
        ran.says("is not what it was").says("runtime rollback")
    );
    let ran = world.run(&["replay"]).expect(4);
    println!("{}", ran.says("is not what it was").says("--accept-drift"));
    assert_eq!(fleet.on_disk(), disk);
    // What the program has is the same edition.
    let _ = world.run(&["replay", "--accept-drift"]).expect(0);
    world.run(&["rollback", "--yes"]).expect(0);
    fleet.all_on("1.0");
}
