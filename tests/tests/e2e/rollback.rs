//! The way back: from what lies on the targets, from the artifact where something is missing
//! there, and never to something else than what it says.

use std::fs;

use tests::{Fleet, World, artifact};

use crate::scene::{LIMITS, ROLLING};

/// Two targets behind the proxy, on which one archive after the other was deployed.
fn deployed(versions: &[&str]) -> (World, Fleet) {
    let world = World::new();
    let fleet = Fleet::new(&world, &[("one", "all"), ("two", "all")]);
    let base = fleet.toml_with("hello-{version}.tar.gz", "");
    world.configure(&[&base, &fleet.proxy(), LIMITS, ROLLING]);
    for version in versions {
        artifact::archive(&world.release(version)).unwrap();
        world.deploy(version, 0);
    }
    (world, fleet)
}

/// Removes the release of that version from a target.
fn remove(fleet: &Fleet, target: &str, version: &str) {
    let releases = fleet.root(target).join("releases");
    let there = fleet.on_disk()[target].releases.clone();
    let id = there.iter().find(|id| id.starts_with(version)).unwrap();
    fs::remove_dir_all(releases.join(id)).unwrap();
}

#[test]
fn an_artifact_that_was_built_anew_is_not_the_old_release() {
    let (world, fleet) = deployed(&["1.0", "2.0"]);
    fs::write(world.file("hello-1.0/MORE"), "built anew").unwrap();
    artifact::archive(&world.file("hello-1.0")).unwrap();
    remove(&fleet, "two", "1.0");
    let disk = fleet.on_disk();
    let ran = world.run(&["rollback", "--yes", "1.0"]).expect(4);
    let ran = ran.says("hello-1.0.tar.gz is no longer what release 1.0-");
    fleet.all_on("2.0");
    assert_eq!(fleet.on_disk(), disk, "{ran}");
}

#[test]
fn a_release_that_lies_on_every_target_needs_no_artifact() {
    let (world, fleet) = deployed(&["1.0", "2.0"]);
    fs::remove_file(world.file("hello-1.0.tar.gz")).unwrap();
    let disk = fleet.on_disk();
    world.run(&["rollback", "--yes"]).expect(0);
    fleet.all_on("1.0");
    for (target, before) in disk {
        assert_eq!(fleet.on_disk()[target].releases, before.releases);
    }
    world.run(&["rollback", "--yes", "2.0"]).expect(0);
    fleet.all_on("2.0");

    remove(&fleet, "two", "1.0");
    let disk = fleet.on_disk();
    let ran = world.run(&["rollback", "--yes", "1.0"]).expect(4);
    let ran = ran.says("there is no artifact").says("is not on two");
    fleet.all_on("2.0");
    assert_eq!(fleet.on_disk(), disk, "{ran}");
}

#[test]
fn going_back_twice_goes_back_two_steps() {
    let (world, fleet) = deployed(&["1.0", "2.0", "3.0"]);
    let any = world.run(&["rollback", "--yes", "test-"]).expect(2);
    assert!(
        any.stderr.starts_with("error: `test-` may be any of test-"),
        "{any}"
    );
    world.run(&["rollback", "--yes"]).expect(0);
    fleet.all_on("2.0");
    world.run(&["rollback", "--yes"]).expect(0);
    fleet.all_on("1.0");
    let ran = world.run(&["rollback", "--yes"]).expect(4);
    ran.says("there is nothing before 1.0").says("VERSION");
    fleet.all_on("1.0");
    world.run(&["rollback", "--yes", "3.0"]).expect(0);
    fleet.all_on("3.0");
}

#[test]
fn what_is_stuck_is_taken_back_only_until_another_one_succeeds() {
    let (world, fleet) = deployed(&["1.0"]);
    let base = fleet.toml_with("hello-{version}.tar.gz", "");
    let steps = "\n[[steps]]\nname = \"back up\"\nat = \"before-deploy\"\nuse = \"command\"\n\
                 run = [\"true\"]\nundo = [\"false\"]\n\
                 \n[[steps]]\nname = \"look\"\nat = \"after-traffic\"\nuse = \"command\"\n\
                 run = [\"test\", \"{version}\", \"!=\", \"2.0\"]\n";
    world.configure(&[&base, &fleet.proxy(), LIMITS, ROLLING, steps]);
    for version in ["2.0", "3.0"] {
        artifact::archive(&world.release(version)).unwrap();
    }
    world.deploy("2.0", 7);
    fleet.all_on("1.0");
    let stuck = crate::scene::shown(&world)["id"].clone();
    let stuck = stuck.as_str().unwrap();
    // What was undone stays so.
    let again = world.run(&["rollback", "--yes"]).expect(7);
    assert!(!again.all().contains("activated"), "{again}");
    assert!(!again.all().contains("traffic to"), "{again}");
    fleet.all_on("1.0");

    world.deploy("3.0", 0);
    fleet.all_on("3.0");
    let status = world.run(&["status"]).expect(0);
    assert!(!status.all().contains("takes it back"), "{status}");
    let refused = world.run(&["rollback", "--yes", stuck]).expect(4);
    let _ = refused
        .says(stuck)
        .says("3.0")
        .says("can no longer be taken back");
    fleet.all_on("3.0");
    let back = world.run(&["rollback", "--yes"]).expect(0);
    let _ = back.says("bringing hello 1.0 back");
    fleet.all_on("1.0");
}
