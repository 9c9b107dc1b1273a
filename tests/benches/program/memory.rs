//! The most memory that the program has while it deploys to a hundred targets.

use std::{fs, process::Stdio, thread, time::Duration};

use figures::Figure;
use tests::{Fleet, World};

const TARGETS: usize = 100;
const MIB: f64 = 1024.0;

pub(crate) fn measure() -> Figure {
    let world = World::new();
    let names: Vec<_> = (1..=TARGETS)
        .map(|number| format!("t{number:03}"))
        .collect();
    let members: Vec<_> = names.iter().map(|name| (name.as_str(), "all")).collect();
    let fleet = Fleet::new(&world, &members);
    let strategy = "\n[strategy]\nuse = \"rolling\"\nbatch = \"25%\"\n\
                    \n[limits]\nminimum-serving = \"50%\"\ndrain = \"1s\"\n";
    world.configure(&[&fleet.toml(), &fleet.proxy(), strategy]);
    for version in ["1.0", "2.0"] {
        world.release(version);
    }
    world.deploy("1.0", 0);
    let mut command = world.command();
    command
        .args(["deploy", "--yes", "--version", "2.0"])
        .stdin(Stdio::null());
    let mut deploying = command.stdout(Stdio::null()).spawn().unwrap();
    let mut peak = 0.0_f64;
    while deploying.try_wait().unwrap().is_none() {
        peak = peak.max(high_water_mark(deploying.id()).unwrap_or(0.0));
        thread::sleep(Duration::from_millis(2));
    }
    assert!(deploying.wait().unwrap().success());
    fleet.all_on("2.0");
    Figure::alone(
        "memory of the process deploying to 100 targets",
        format!("{peak:.0} MiB"),
        "<= 150 MiB",
        peak <= 150.0,
    )
}

/// The most that was ever resident, in MiB.
fn high_water_mark(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / MIB)
}
