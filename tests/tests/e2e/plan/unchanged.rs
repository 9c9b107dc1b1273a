//! That planning changes nothing: not where there is no state yet, not by a plugin that would, and
//! not in a database.

use std::fs;

use tests::{
    Fleet, Postgres, Sink, World, guest,
    tree::{same, tree},
};

use super::{ROLLING, does_what_is_written, does_what_it_says, planned, written};
use crate::scene::{CANARY, LIMITS, THREE};

#[test]
fn the_very_first_deployment_is_planned_and_nothing_is_made() {
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, CANARY]);
    world.release("2.0");
    let before = tree(&world);
    written(&world, &[])
        .says("nothing: it is the first")
        .says("there was none")
        .says("the load balancer does not run; a deployment starts it")
        .says("proxy asked for commands run `runtime proxy start");
    same(&before, &tree(&world));
    assert!(!world.file(".runtime").exists(), "no state was made");
    let refused = world.run(&["status"]).expect(0);
    println!("{refused}");
    does_what_is_written(&world);
    fleet.all_on("2.0");
}

#[test]
fn a_driver_that_changes_what_it_is_to_look_at_is_refused() {
    let driver = guest::build("meddler", include_str!("../../guests/meddler.rs"));
    let sink = Sink::start(200);
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    let there = world.file("meddled-with");
    fs::create_dir(&there).unwrap();
    let balancer = format!(
        "\n[load-balancer]\nuse = \"meddler\"\nfolder = \"{there}\"\nurl = \"{}\"\n\
         run = [\"touch\", \"{there}/touched\"]\n\
         \n[plugins.meddler]\nsource = \"{}\"\ngrants = {{ locks = [\"meddler\"] }}\n",
        sink.url(),
        driver.display(),
        there = there.display(),
    );
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, ROLLING]);
    world.release("1.0");
    world.deploy("1.0", 0);
    world.release("2.0");
    world.configure(&[&fleet.toml(), &balancer, LIMITS, ROLLING]);
    let before = tree(&world);
    let plan = planned(&world, 0);
    same(&before, &tree(&world));
    assert!(sink.received().is_empty(), "{:?}", sink.received());
    let warnings = plan["warnings"].to_string();
    for asked in [
        "meddler asked for files write",
        "meddler asked for files create-directory",
        "meddler asked for machine perform",
        "meddler asked for http PUT",
        "meddler asked for locks acquire",
        "meddler asked for commands run",
    ] {
        assert!(warnings.contains(asked), "{asked}: {warnings}");
    }
    // It could, where it is not only asked to look.
    let _ = world.run(&["deploy", "--yes", "--version", "2.0"]);
    assert!(there.join("meddled").exists() && there.join("touched").exists());
    assert!(!sink.received().is_empty());
}

#[test]
fn a_shared_database_is_only_read() {
    let postgres = Postgres::start();
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    let state = format!("\n[state]\nurl = \"{}\"\n", postgres.url());
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, ROLLING, &state]);
    world.release("1.0");
    let _ = world.run(&["plan", "--version", "1.0"]).expect(0);
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'runtime'";
    assert_eq!(postgres.run(schemas), "0", "no schema was made");
    world.deploy("1.0", 0);
    world.release("2.0");
    let rows = "SELECT (SELECT count(*) FROM runtime.audit), (SELECT count(*) FROM runtime.deployments), \
                (SELECT string_agg(l::text, ' ') FROM runtime.leases l)";
    let before = postgres.run(rows);
    written(&world, &[]);
    assert_eq!(postgres.run(rows), before);
    does_what_it_says(&world);
    fleet.all_on("2.0");
}
