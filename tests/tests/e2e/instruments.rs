//! The tests' own instruments: a load that counted wrongly would prove nothing.

use std::process::Command;

use tests::{Hosts, Load, Mix, Nginx, Server, World, load::Kind, wait};

fn hello(world: &World, version: &str, behaviour: &str, address: &str) -> Server {
    let release = world.bad_release(version, behaviour);
    let mut command = Command::new(release.join("bin/hello"));
    let mut server = Server::start("hello", &release, command.args(["--listen", address]));
    server.until_ready(|| wait::get(address, "/health"));
    server
}

#[test]
fn every_habit_of_the_load_is_answered() {
    let world = World::new();
    let server = hello(&world, "1.0", "", &world.at(7000));
    let load = Load::on(&world.at(7000));
    load.until_answered(100);
    let counted = load.end();
    println!("{counted}");
    assert_eq!(counted.failures().len(), 0, "{counted}");
    assert_eq!(counted.versions(), ["1.0"]);
    assert_eq!(counted.share("1.0"), 100.0);
    for kind in [
        Kind::FreshGet,
        Kind::FreshPost,
        Kind::KeptGet,
        Kind::KeptPost,
        Kind::Socket,
    ] {
        assert!(
            counted.to_string().contains(&kind.to_string()),
            "{kind}: {counted}"
        );
    }
    drop(server);
}

#[test]
fn errors_and_downtime_are_counted() {
    let world = World::new();
    let address = world.at(7000);
    let server = hello(&world, "1.0", "error-rate=0.5", &address);
    let load = Load::of(
        Mix {
            fresh_get: 50,
            ..Mix::KEPT
        },
        &address,
    );
    load.until_answered(50);
    let errors = load.so_far();
    assert!(errors.failures().len() * 3 > errors.requests(), "{errors}");
    assert!(errors.to_string().contains("status 500"), "{errors}");

    drop(server);
    let failed = load.so_far().failures_of(Kind::FreshGet);
    wait::until("the load notices", || {
        (load.so_far().failures_of(Kind::FreshGet) > failed + 20).then_some(())
    });
    let _second = hello(&world, "2.0", "", &address);
    load.until_answered(50);
    let counted = load.end();
    println!("{counted}down for {} ms", counted.downtime_ms());
    // Twenty requests that failed, fifty a second.
    assert!(counted.downtime_ms() >= 300, "{counted}");
    assert_eq!(counted.versions(), ["1.0", "2.0"]);
}

#[test]
fn a_release_that_stops_says_goodbye_to_its_sockets() {
    let world = World::new();
    let address = world.at(7000);
    let server = hello(&world, "1.0", "", &address);
    let only_sockets = Mix {
        socket: 50,
        kept_get: 0,
        kept_post: 0,
        ..Mix::KEPT
    };
    let load = Load::of(only_sockets, &address);
    load.until_answered(20);
    assert_eq!(load.so_far().failures().len(), 0);
    drop(server);
    wait::until("nothing is left to answer", || {
        (!load.so_far().failures().is_empty()).then_some(())
    });
    let counted = load.end();
    // The goodbye itself is no failure; finding nobody afterwards is.
    assert!(counted.to_string().contains("cannot open"), "{counted}");
    assert!(
        !counted
            .to_string()
            .contains("WebSocket messages: Connection"),
        "{counted}"
    );
}

#[test]
fn the_servers_are_real_and_end_with_the_world() {
    let world = World::new();
    let hosts = Hosts::start(&world, &["one", "two"]);
    for name in ["one", "two"] {
        let (host, port) = (hosts.address(name), "2200");
        let host = format!("{}@{}", hosts.user(), host.split(':').next().unwrap());
        let home = world.file("home/.ssh");
        let option = |name: &str, file: &str| format!("-o{name}={}", home.join(file).display());
        let ran = Command::new("ssh")
            .args([
                "-F",
                "none",
                "-p",
                port,
                "-oBatchMode=yes",
                "-oStrictHostKeyChecking=yes",
            ])
            .args([
                option("UserKnownHostsFile", "known_hosts"),
                option("IdentityFile", "id_ed25519"),
            ])
            .args([host.as_str(), "echo $HOME"])
            .output()
            .unwrap();
        let home = format!("{}/ssh/{name}/home\n", world.path().display());
        assert_eq!(String::from_utf8_lossy(&ran.stdout), home, "{ran:?}");
    }
    let nginx = Nginx::start(&world, &world.at(8080));
    assert_eq!(nginx.reloads(), 0);
    nginx.reload();
    assert_eq!(nginx.reloads(), 1);
    let folder = world.path().to_owned();
    assert!(!tests::process::strays(&folder).is_empty());
    drop((nginx, hosts, world));
    assert!(tests::process::strays(&folder).is_empty());
}
