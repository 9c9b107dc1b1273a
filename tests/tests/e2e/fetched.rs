//! Artifacts that lie on a web server: fetched, kept for as long as they are needed, and looked at
//! without a trace by a plan.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use tests::{Fleet, Shelf, World, artifact};

use crate::{
    plan::does_what_it_says,
    scene::{LIMITS, ROLLING},
};

/// Two targets behind the proxy, whose releases lie on a web server.
fn served(keep: u32) -> (World, Fleet, Shelf) {
    let mut world = World::new();
    let shelf = Shelf::start(&mut world);
    let fleet = Fleet::new(&world, &[("one", "all"), ("two", "all")]);
    let artifact = shelf.url("hello-{version}.tar.gz");
    let base = fleet.toml_with(&artifact, "");
    let base = base.replace("[release]\n", &format!("[release]\nkeep = {keep}\n"));
    world.configure(&[&base, &fleet.proxy(), LIMITS, ROLLING]);
    (world, fleet, shelf)
}

/// Puts a release on the web server, and nowhere else.
fn publish(world: &World, shelf: &Shelf, version: &str) {
    let release = world.release(version);
    let archive = artifact::archive(&release).unwrap();
    fs::rename(
        &archive,
        shelf.file(archive.file_name().unwrap().to_str().unwrap()),
    )
    .unwrap();
    fs::remove_dir_all(release).unwrap();
}

/// Lets what was fetched be two days old.
fn grow_old(world: &World) {
    let then = SystemTime::now() - Duration::from_secs(2 * 24 * 60 * 60);
    for entry in fs::read_dir(world.file(".runtime/downloads")).unwrap() {
        let file = fs::File::options().append(true).open(entry.unwrap().path());
        file.unwrap().set_modified(then).unwrap();
    }
}

fn fetched(world: &World) -> Vec<String> {
    let folder = world.file(".runtime/downloads");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| {
            name.split_once('-')
                .map_or(name.clone(), |it| it.1.to_owned())
        })
        .collect();
    names.sort();
    names
}

#[test]
fn what_was_fetched_is_kept_for_as_long_as_its_release() {
    let (world, fleet, shelf) = served(2);
    for version in ["1.0", "2.0"] {
        publish(&world, &shelf, version);
        world.deploy(version, 0);
        fleet.all_on(version);
    }
    // What lies elsewhere in the same folder is in use as well.
    let elsewhere = fs::read_to_string(world.file("runtime.toml")).unwrap();
    let elsewhere = elsewhere.replace("\"test\"", "\"elsewhere\"");
    world.write("elsewhere.toml", &elsewhere);
    publish(&world, &shelf, "0.5");
    let deploy = [
        "deploy",
        "--yes",
        "--config",
        "elsewhere.toml",
        "--version",
        "0.5",
    ];
    let _ = world.run(&deploy).expect(0);
    world.deploy("2.0", 0);
    world.write(".runtime/downloads/half.partial", "half");
    let all = ["hello-0.5.tar.gz", "hello-1.0.tar.gz", "hello-2.0.tar.gz"];
    let there = fetched(&world);
    assert!(all.iter().all(|name| there.iter().any(|it| it == name)));
    grow_old(&world);
    publish(&world, &shelf, "3.0");
    world.deploy("3.0", 0);
    fleet.all_on("3.0");
    let kept = ["hello-0.5.tar.gz", "hello-2.0.tar.gz", "hello-3.0.tar.gz"];
    assert_eq!(fetched(&world), kept);
    // The way back needs no web server.
    let asked = shelf.asked();
    drop(shelf);
    world.run(&["rollback", "--yes"]).expect(0);
    fleet.all_on("2.0");
    assert_eq!(asked.len(), 5, "{asked:?}");
}

#[test]
fn what_is_no_longer_kept_is_fetched_again() {
    let (world, fleet, shelf) = served(2);
    for version in ["1.0", "2.0", "3.0"] {
        publish(&world, &shelf, version);
        world.deploy(version, 0);
    }
    fs::remove_dir_all(world.file(".runtime/downloads")).unwrap();
    world.run(&["rollback", "--yes", "1.0"]).expect(0);
    fleet.all_on("1.0");
    let asked = shelf.asked();
    assert_eq!(asked.last().unwrap(), "/hello-1.0.tar.gz", "{asked:?}");
    assert_eq!(asked.len(), 4, "{asked:?}");
}

#[test]
fn a_plan_keeps_nothing_of_what_it_fetches() {
    let (mut world, fleet, shelf) = served(5);
    publish(&world, &shelf, "1.0");
    world.deploy("1.0", 0);
    publish(&world, &shelf, "2.0");
    // Whatever it leaves anywhere is seen.
    fs::create_dir(world.file("temporary")).unwrap();
    world.set("TMPDIR", world.file("temporary").to_str().unwrap());
    does_what_it_says(&world);
    fleet.all_on("2.0");
}

#[test]
fn a_plan_is_not_kept_to_where_the_artifact_became_another() {
    let (world, fleet, shelf) = served(5);
    publish(&world, &shelf, "1.0");
    world.deploy("1.0", 0);
    publish(&world, &shelf, "2.0");
    let plan = ["plan", "--version", "2.0", "--out", "plan.json"];
    let _ = world.run(&plan).expect(0);
    fs::rename(
        shelf.file("hello-1.0.tar.gz"),
        shelf.file("hello-2.0.tar.gz"),
    )
    .unwrap();
    let ran = world.run(&["deploy", "--yes", "--plan", "plan.json"]);
    println!("{}", ran.expect(4).says("had the digest"));
    fleet.all_on("1.0");
}

#[test]
fn a_web_server_that_does_not_have_it_is_told_and_nothing_is_begun() {
    let (mut world, fleet, shelf) = served(5);
    publish(&world, &shelf, "1.0");
    world.deploy("1.0", 0);
    let disk = fleet.on_disk();
    let address = shelf.url("hello-2.0.tar.gz");
    println!(
        "{}",
        world.deploy("2.0", 4).says(&address).says("404 Not Found")
    );
    // Whom nobody vouches for is asked for nothing.
    publish(&world, &shelf, "2.0");
    let (asked, trusted) = (shelf.asked(), world.file("shelf/certificate.pem"));
    let stranger = rcgen::generate_simple_self_signed(["elsewhere".to_owned()]).unwrap();
    world.write("stranger.pem", &stranger.cert.pem());
    world.set(
        "SSL_CERT_FILE",
        world.file("stranger.pem").to_str().unwrap(),
    );
    let ran = world.deploy("2.0", 4).says(&address);
    println!("{}", ran.says("invalid peer certificate"));
    assert_eq!(shelf.asked(), asked);
    drop(shelf);
    world.set("SSL_CERT_FILE", trusted.to_str().unwrap());
    let ran = world.deploy("2.0", 4).says(&address);
    println!(
        "{}",
        ran.says("Connection refused").says("nothing was deployed")
    );
    assert_eq!(fleet.on_disk(), disk);
    assert_eq!(fetched(&world), ["hello-1.0.tar.gz"]);
    fleet.all_on("1.0");
}
