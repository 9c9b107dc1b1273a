//! From the start of the program to the first operation, with eight plugins in use: with
//! their compiled code in the cache, and without.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use figures::{Figure, median};
use tests::{Fleet, World};

const WARM: usize = 30;
const COLD: usize = 5;
/// Ticks a second of the times in `/proc`: the same on every Linux that this runs on.
const TICKS: f64 = 100.0;

/// Six plugins besides the platform, the strategy and the balancer, whose step ends each
/// deployment with its first operation, so that the next one finds the world as it was.
const PLUGINS: &str = r#"
[strategy]
use = "rolling"

[[health-checks]]
use = "tcp"

[[steps]]
name = "first operation"
at = "before-deploy"
use = "command"
run = ["false"]

[[notifiers]]
use = "slack"
on = []
webhook-url = "http://127.0.0.1:1/"

[[notifiers]]
use = "webhook"
on = []
url = "http://127.0.0.1:1/"
"#;

pub(crate) fn measure() -> Vec<Figure> {
    let mut world = World::new();
    let fleet = Fleet::new(&world, &[("one", "all"), ("two", "all")]);
    world.release("1.0");
    world.release("2.0");
    let working = PLUGINS.replace(r#"run = ["false"]"#, r#"run = ["true"]"#);
    world.configure(&[&fleet.toml(), &fleet.proxy(), &working]);
    world.deploy("1.0", 0);
    world.configure(&[&fleet.toml(), &fleet.proxy(), PLUGINS]);
    let cache = world.file("cache");
    world.set("XDG_CACHE_HOME", &cache.display().to_string());

    let cold = (0..COLD).map(|_| cold(&world, &cache)).collect();
    let empty = empty_program(world.path());
    let (mut warm, mut baseline) = (Vec::new(), Vec::new());
    for _ in 0..WARM {
        warm.push(first_operation(&world).0);
        let begin = Instant::now();
        assert!(Command::new(&empty).status().unwrap().success());
        baseline.push(begin.elapsed());
    }
    let (warm, baseline, cold) = (median(warm), median(baseline), median(cold));
    let name = "start to the first operation, caches warm, 8 plugins";
    vec![
        Figure::times(name, warm, ("empty program", baseline), 10.0),
        Figure::alone(
            "the same, caches cold",
            format!("{:.2} s of CPU time", cold.as_secs_f64()),
            "<= 1.5 s",
            cold <= Duration::from_millis(1500),
        ),
    ]
}

fn cold(world: &World, cache: &Path) -> Duration {
    if cache.exists() {
        fs::remove_dir_all(cache).unwrap();
    }
    first_operation(world).1
}

/// The time, and the CPU time, from the start to the first line that tells of an operation.
fn first_operation(world: &World) -> (Duration, Duration) {
    let begin = Instant::now();
    let mut deploying = world
        .command()
        .args(["deploy", "--yes", "--version", "2.0", "--format", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(deploying.stdout.take().unwrap()).lines();
    let mut seen = None;
    for line in lines.map_while(Result::ok) {
        if seen.is_none() && line.contains(r#""event":"started""#) {
            seen = Some((begin.elapsed(), cpu_time(&deploying)));
        }
    }
    deploying.wait().unwrap();
    seen.expect("a deployment has a first operation")
}

fn cpu_time(process: &Child) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    // The name of the program stands in parentheses, and may hold anything.
    let fields: Vec<_> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks: f64 = [fields[11], fields[12]]
        .iter()
        .map(|field| field.parse::<f64>().unwrap())
        .sum();
    Duration::from_secs_f64(ticks / TICKS)
}

/// The least that a Rust program can be.
fn empty_program(folder: &Path) -> PathBuf {
    let (source, program) = (folder.join("empty.rs"), folder.join("empty"));
    fs::write(&source, "fn main() {}\n").unwrap();
    let built = Command::new("rustc")
        .arg("-O")
        .arg("-o")
        .arg(&program)
        .arg(&source)
        .status();
    assert!(built.unwrap().success());
    program
}
