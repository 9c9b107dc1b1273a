//! The memory of one server while a hundred deployments wait in it, beside that of one with
//! nothing to do.

use std::{fs, process::Stdio};

use figures::{Bar, Figure};
use tests::{Running, World, wait};

const DEPLOYMENTS: usize = 100;
const MIB: f64 = 1024.0;
/// What each may take beside what the server has anyway.
const MIB_EACH: f64 = 1.0;

pub(crate) fn measure() -> Figure {
    let world = World::new();
    world.release("1.0");
    let idle = {
        let server = Server::start(&world);
        server.until("runtime_store_looks_total{result=\"ok\"}", 3.0);
        server.resident()
    };
    for number in 0..DEPLOYMENTS {
        hand_in(&world, number);
    }
    let server = Server::start(&world);
    server.until(
        "runtime_operations_total{effect=\"observe\",result=\"ok\"}",
        DEPLOYMENTS as f64,
    );
    server.until("runtime_deployments_in_hand", DEPLOYMENTS as f64);
    let full = server.resident();
    let each = (full - idle) / DEPLOYMENTS as f64;
    Figure {
        name: format!("memory of a server in which {DEPLOYMENTS} deployments wait"),
        measured: format!("{full:.0} MiB: {each:.2} MiB each"),
        baseline: format!("with none: {idle:.0} MiB"),
        ratio: Some(full / idle),
        bar: Some(Bar {
            text: format!("<= {MIB_EACH} MiB each"),
            kept: each <= MIB_EACH,
        }),
    }
}

/// A server, ended with this.
struct Server {
    running: Running,
    address: String,
}

impl Server {
    fn start(world: &World) -> Self {
        let mut running = world.start(&[
            "serve",
            "--state",
            ".runtime/state.db",
            "--listen",
            "127.0.0.1:0",
            "--lease",
            "3s",
        ]);
        running.until_printed("answering on ");
        let printed = running.output();
        let address = printed.split("answering on ").nth(1).unwrap();
        let address = address.split_whitespace().next().unwrap().to_owned();
        Self { running, address }
    }

    /// Waits until it has counted so many.
    fn until(&self, metric: &str, least: f64) {
        wait::until(&format!("{metric} is {least}"), || {
            let (_, text) = wait::get(&self.address, "/metrics")?;
            let value = text
                .lines()
                .find_map(|line| line.strip_prefix(metric)?.trim().parse::<f64>().ok());
            value.filter(|value| *value >= least)
        });
    }

    /// What is resident now, in MiB.
    fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kilobytes.parse::<f64>().unwrap() / MIB
    }
}

/// Hands a deployment in that is held before its first change.
fn hand_in(world: &World, number: usize) {
    let configuration = format!("e{number:03}.toml");
    world.write(
        &configuration,
        &format!(
            r#"
application = "bench"
environment = "e{number:03}"

[release]
artifact = "hello-{{version}}/"

[strategy]
use = "rolling"

[[targets]]
name = "one"
address = "one:80"

[[targets]]
name = "two"
address = "two:80"

[platform]
use = "release-directory"
root = "apps/{number:03}/{{target}}"
restart = ["true"]

[[health-checks]]
use = "command"
run = ["true"]
"#
        ),
    );
    let run = |arguments: &[&str]| {
        let mut command = world.command();
        command.args(arguments).args(["--config", &configuration]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    let said = run(&["deploy", "--detach", "--yes", "--version", "1.0"]);
    let id = said.split("as deployment ").nth(1).unwrap();
    run(&["pause", id.lines().next().unwrap()]);
}
