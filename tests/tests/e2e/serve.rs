//! One server: what is handed in to it, what it cannot go on with, and what it says of itself.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixDatagram, UnixListener, UnixStream},
    time::Duration,
};

use rustix::process::Signal;
use tests::{Fleet, Load, Mix, Postgres, World, wait};

use crate::{
    resumed::share_by_hand,
    scene::{LIMITS, THREE, behind_the_proxy, deploy, shown as last},
    serving::{Serving, canary, configure, fleet_in, hand_in, ownership, records, shown},
};

#[test]
fn what_is_handed_in_is_run_by_a_server() {
    let (world, fleet) = behind_the_proxy(THREE, &canary("1s"));
    let load = Load::of(Mix::ALL, &fleet.balancer);
    world.release("2.0");
    let queued = world.run(&["deploy", "--detach", "--yes", "--version", "2.0"]);
    let queued = queued.expect(0);
    println!("{queued}");
    let id = last(&world)["id"].as_str().unwrap().to_owned();
    let queued = queued.says(&format!("`runtime status --watch {id}`"));
    world
        .run(&["status"])
        .expect(0)
        .says(&format!("deployment {id} of 2.0 waits for a server"));
    // Who changed their mind takes it out again.
    let other = hand_in(&world, "2.1");
    let back = world.run(&["rollback", &other]).expect(0);
    println!("{back}");
    assert_eq!(shown(&world, &other)["state"], "refused");
    // A file is a store for servers, too.
    let server = Serving::start(&world, "server", &[]);
    let watched = world.run(&["status", "--watch", &id]).expect(0);
    println!("{watched}");
    watched.says("hello 2.0 succeeded");
    fleet.all_on("2.0");
    assert_eq!(
        server.counts("runtime_deployments_taken_total{state=\"queued\"}"),
        1.0
    );

    // What fails every check of a deployment is not handed in.
    world
        .run(&["deploy", "--detach", "--yes", "--version", "9.9"])
        .expect(4)
        .says("the artifact cannot be used");
    // What fails is taken back there as well as here.
    world.bad_release("3.0", "answers 500");
    let failed = world.run(&["deploy", "--detach", "--yes", "--version", "3.0"]);
    drop(failed.expect(0));
    let watched = world.run(&["status", "--watch"]).expect(1);
    println!("{watched}");
    fleet.all_on("2.0");
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}\n{queued}");
    println!("{}", server.stop());
}

#[test]
fn several_applications_at_once_and_one_that_cannot_be() {
    let postgres = Postgres::start();
    let places: Vec<(World, Fleet)> = ["east", "west", "north"]
        .iter()
        .map(|environment| {
            let world = World::new();
            let fleet = Fleet::new(&world, THREE);
            configure(&world, &fleet, &postgres, environment, &canary("1s"));
            world.release("1.0");
            world.deploy("1.0", 0);
            (world, fleet)
        })
        .collect();
    let loads: Vec<_> = places
        .iter()
        .map(|(_, fleet)| Load::of(Mix::ALL, &fleet.balancer))
        .collect();
    // The one that waits the longest is one whose secret the server does not have.
    let mut bad = World::new();
    bad.set("TOKEN", "a value");
    let bad_fleet = Fleet::new(&bad, THREE);
    let step = "\n[[steps]]\nname = \"call\"\nat = \"before-deploy\"\n\
                use = \"command\"\nrun = [\"true\"]\n\
                environment = { TOKEN = { secret = \"TOKEN\", use = [\"environment\"] } }\n";
    let strategy = format!("{}{step}", canary("1s"));
    configure(&bad, &bad_fleet, &postgres, "bad", &strategy);
    let bad_id = hand_in(&bad, "1.0");
    let gone = World::new();
    let gone_fleet = Fleet::new(&gone, THREE);
    configure(&gone, &gone_fleet, &postgres, "gone", &canary("1s"));
    let gone_id = hand_in(&gone, "1.0");
    drop(gone);
    let mut ids = Vec::new();
    for (world, _) in &places {
        ids.push(hand_in(world, "2.0"));
    }
    // Two at once, from a folder of its own: each deployment has its own.
    let elsewhere = World::new();
    let url = postgres.url();
    let server = Serving::start(&elsewhere, "server", &["--state", &url, "--at-once", "2"]);
    for ((world, fleet), id) in places.iter().zip(&ids) {
        let watched = world.run(&["status", "--watch", id]).expect(0);
        println!("{watched}");
        fleet.all_on("2.0");
    }
    for load in loads {
        let counted = load.end();
        assert_eq!(counted.failures().len(), 0, "{counted}\n{}", server.said());
    }
    let refused = bad.run(&["status", "--watch", &bad_id]).expect(4);
    println!("{refused}");
    refused.says("a secret is missing").says("TOKEN");
    let state = format!("SELECT state FROM runtime.deployments WHERE id = '{gone_id}'");
    assert_eq!(postgres.run(&state), "refused");
    assert!(server.said().contains("has no folder"), "{}", server.said());
    let refused = server.counts("runtime_deployments_ended_total{verdict=\"refused\"}");
    assert_eq!(refused, 2.0);
    assert_eq!(server.get("/readyz").0, 200);
    println!("{}", server.stop());
}

#[test]
fn what_cannot_go_on_is_left_to_people() {
    let postgres = Postgres::start();
    let (world, fleet) = fleet_in(&postgres, &canary("30s"));
    let one = Serving::start(&world, "one", &[]);
    let id = hand_in(&world, "2.0");
    wait::until("it waits", || (records(&postgres, &id) >= 10).then_some(()));
    crate::resumed::under_way(&world, "wait");
    one.kill();
    share_by_hand(&world, &fleet, 60.0);
    let other = Serving::start(&world, "other", &[]);
    let stopped = world.run(&["status", "--watch", &id]).expect(6);
    println!("{stopped}");
    stopped.says("somebody changed something meanwhile");
    world
        .run(&["status"])
        .expect(0)
        .says("left to people")
        .says("somebody changed something meanwhile");
    assert_eq!(
        other.counts("runtime_deployments_ended_total{verdict=\"halted\"}"),
        1.0
    );
    assert!(other.said().contains("somebody changed something"));
    // It looks again and again, and does not try again.
    let looks = other.counts("runtime_store_looks_total{result=\"ok\"}");
    wait::until("it looked for work a few more times", || {
        let now = other.counts("runtime_store_looks_total{result=\"ok\"}");
        (now >= looks + 5.0).then_some(())
    });
    let taken = [
        "deployment_queued",
        "deployment_taken_over",
        "deployment_taken_over",
    ];
    assert_eq!(ownership(&postgres, &id)[..3], taken);
    assert_eq!(ownership(&postgres, &id)[3..], ["deployment_halted"]);
    // What people do with it is theirs.
    let resuming = world.start(&["resume", &id, "--accept-drift"]);
    crate::resumed::under_way(&world, "wait");
    world.run(&["promote", "--full", &id]).expect(0);
    let _ = resuming.wait().expect(0);
    fleet.all_on("2.0");
    println!("{}", other.stop());
}

#[test]
fn a_way_back_that_was_cut_off_goes_on_as_one() {
    let postgres = Postgres::start();
    let (world, fleet) = fleet_in(&postgres, &canary("30s"));
    world.release("2.0");
    let load = Load::of(Mix::ALL, &fleet.balancer);
    let mut deploying = world.start(&deploy("2.0"));
    deploying.until_printed("25 %");
    crate::resumed::under_way(&world, "wait");
    deploying.signal(Signal::KILL);
    let _ = deploying.wait();
    let _ = world.run(&["unlock", "--reason", "it is gone"]).expect(0);
    // Before its first write: only its lease says what it was about.
    let back = world.start_with(&["rollback"], &[("RUNTIME_CRASH_AT", "1")]);
    assert_eq!(back.wait().signal(), Some(9));
    let server = Serving::start(&world, "server", &[]);
    wait::until("it was taken back", || {
        (last(&world)["state"] == "rolled-back").then_some(())
    });
    fleet.all_on("1.0");
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}\n{}", server.said());
    println!("{}", server.stop());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (world, fleet) = behind_the_proxy(THREE, &canary("1s"));
    let step = "\n[[steps]]\nname = \"long\"\nat = \"before-deploy\"\nuse = \"command\"\n\
                run = [\"sh\", \"-c\", \"touch begun; while [ -e held ]; do sleep 0.1; done\"]\n";
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, &canary("1s"), step]);
    world.write("held", "");
    let server = Serving::start(&world, "server", &[]);
    let id = hand_in(&world, "2.0");
    wait::until("the step is under way", || {
        world.file("begun").exists().then_some(())
    });
    server.signal(Signal::TERM);
    wait::until("it stops", || {
        server.said().contains("leaving 1 deployment").then_some(())
    });
    assert_eq!(server.get("/readyz").0, 503);
    assert_eq!(server.get("/healthz").0, 200);
    server.signal(Signal::TERM);
    let ended = server.wait().expect(6);
    println!("{ended}");
    ended.says("stopped at once");
    std::fs::remove_file(world.file("held")).unwrap();
    // One that has its time over leaves it the same way.
    let next = Serving::start(&world, "next", &["--grace", "0s"]);
    world.run(&["status", "--watch", &id]).expect(0);
    fleet.all_on("2.0");
    println!("{}", next.stop());
}

/// What the manager was told since it was asked last.
fn told(manager: &UnixDatagram) -> Vec<String> {
    let mut lines = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length) = manager.recv(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..length]);
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

fn until_told(manager: &UnixDatagram, what: &str) {
    wait::until(&format!("the manager is told {what}"), || {
        told(manager)
            .iter()
            .any(|line| line.starts_with(what))
            .then_some(())
    });
}

#[test]
fn it_says_how_it_is() {
    let postgres = Postgres::start();
    let (world, _fleet) = fleet_in(&postgres, &canary("1s"));
    let socket = world.file("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    let socket = socket.display().to_string();
    let variables = [
        ("NOTIFY_SOCKET", socket.as_str()),
        ("WATCHDOG_USEC", "1000000"),
    ];
    let server = Serving::start_with(&world, &variables, &[]);
    until_told(&manager, "READY=1");
    until_told(&manager, "WATCHDOG=1");
    until_told(&manager, "WATCHDOG=1");
    let id = hand_in(&world, "2.0");
    until_told(&manager, "STATUS=running 1 deployment");
    world.run(&["status", "--watch", &id]).expect(0);
    until_told(&manager, "STATUS=waiting for work");
    assert_eq!(server.get("/healthz"), (200, "alive\n".to_owned()));
    assert_eq!(server.get("/readyz"), (200, "ready\n".to_owned()));
    assert_eq!(server.get("/").0, 404);
    let (_, metrics) = server.get("/metrics");
    println!("{metrics}");
    well_formed(&metrics);
    for sample in [
        "runtime_deployments_ended_total{verdict=\"succeeded\"} 1",
        "runtime_deployments_in_hand 0",
        "runtime_deployments_open{state=\"queued\"} 0",
        "runtime_operations_total{effect=\"activate\",result=\"ok\"}",
        "runtime_operation_duration_seconds_bucket{effect=\"wait\",le=\"5\"}",
        "runtime_lease_renewals_total{result=\"renewed\"}",
    ] {
        assert!(metrics.contains(sample), "{sample}\n{metrics}");
    }
    // Without its store it is alive, and neither ready nor worth waiting for.
    drop(postgres);
    wait::until("it is not ready", || {
        (server.get("/readyz").0 == 503).then_some(())
    });
    let _before = told(&manager);
    let failed = "runtime_store_looks_total{result=\"failed\"}";
    let looks = server.counts(failed);
    wait::until("it looked a few times more", || {
        (server.counts(failed) >= looks + 2.0).then_some(())
    });
    let since = told(&manager);
    assert!(!since.contains(&"WATCHDOG=1".to_owned()), "{since:?}");
    assert_eq!(server.get("/healthz").0, 200);
    server.signal(Signal::TERM);
    until_told(&manager, "STOPPING=1");
    let _ = server.wait().expect(0);
}

/// Each sample has a line of help and one of type before it, and each of these stands once.
fn well_formed(metrics: &str) {
    let mut families: Vec<(String, String)> = Vec::new();
    let mut helped = None;
    for line in metrics.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(!text.is_empty(), "{line}");
            assert!(families.iter().all(|(known, _)| known != name), "{line}");
            helped = Some(name.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(helped.take().as_deref(), Some(name), "{line}");
            families.push((name.to_owned(), kind.to_owned()));
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = name.split('{').next().unwrap();
            let (family, kind) = families.last().expect("a family comes first");
            let rest = name
                .strip_prefix(family.as_str())
                .expect("it is of its family");
            match kind.as_str() {
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&rest), "{line}"),
                "counter" => assert!(rest.is_empty() && name.ends_with("_total"), "{line}"),
                kind => assert!(rest.is_empty() && kind == "gauge", "{line}"),
            }
        }
    }
    assert!(families.len() >= 6, "{metrics}");
}

#[test]
fn a_shutdown_has_an_end() {
    let (world, fleet) = behind_the_proxy(THREE, &canary("1s"));
    let step = "\n[[steps]]\nname = \"long\"\nat = \"before-deploy\"\nuse = \"command\"\n\
                run = [\"sh\", \"-c\", \"touch begun; while [ -e held ]; do sleep 0.1; done\"]\n";
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, &canary("1s"), step]);
    world.write("held", "");
    let server = Serving::start(&world, "server", &["--grace", "500ms"]);
    let id = hand_in(&world, "2.0");
    wait::until("the step is under way", || {
        world.file("begun").exists().then_some(())
    });
    let said = server.stop();
    assert!(said.contains("did not come to a stop in time"), "{said}");
    std::fs::remove_file(world.file("held")).unwrap();
    let next = Serving::start(&world, "next", &[]);
    world.run(&["status", "--watch", &id]).expect(0);
    fleet.all_on("2.0");
    println!("{}", next.stop());
}

#[test]
fn it_listens_where_it_is_told_to_or_does_not_start() {
    let (world, _fleet) = behind_the_proxy(THREE, &canary("1s"));
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let ran = world.run(&[&["serve"], arguments].concat()).expect(code);
        println!("{ran}");
        ran.says(words)
    };
    let _ = refused(&["--lease", "500ms"], 2, "`--lease` is too short");
    let _ = refused(&["--listen", "localhost"], 2, "unix:PATH");
    let _ = refused(
        &["--listen", "192.0.2.1:9464"],
        4,
        "nothing can listen on 192.0.2.1:9464",
    );
    let _ = refused(
        &["--state", "postgres://nobody@127.0.0.1:1/none"],
        4,
        "the state store",
    );
    let _ = refused(&["--config", "none.toml"], 3, "there is no configuration");
    // A socket that another one left behind is in nobody's way.
    let socket = world.file("http.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let listen = format!("unix:{}", socket.display());
    let mut server = world.start(&["serve", "--listen", &listen]);
    server.until_printed("answering on ");
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // One that lives is.
    let _ = refused(&["--listen", &listen], 4, "nothing can listen on unix:");
    server.signal(Signal::INT);
    let _ = server.wait().expect(0).says("Ctrl-C: nothing was running");
}
