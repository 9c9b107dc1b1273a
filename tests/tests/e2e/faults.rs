//! Larger fleets, and something that goes wrong at a random moment of a deployment: whatever it
//! is, the deployment ends all new or all old, or can be brought there by the verb that it names.
//!
//! `TESTS_SEEDS` says how many runs there are; `TESTS_SEED` repeats the one of a seed, which is
//! said where a run fails.

use std::{env, path::PathBuf, time::Duration};

use rusqlite::Connection;
use rustix::process::{Signal, kill_process};
use tests::{Between, Fleet, Load, Mishap, Mix, Ran, Running, World, process, wait};

use crate::scene::{LIMITS, deploy, shown, status};

/// How many seeds, where nobody says.
const SEEDS: u64 = 3;
/// How many kinds of faults there are; each has a deployment of its own in every run.
const KINDS: u64 = 4;

const MEMBERS: [(&str, &str); 7] = [
    ("t1", "a"),
    ("t2", "a"),
    ("t3", "a"),
    ("t4", "b"),
    ("t5", "b"),
    ("t6", "b"),
    ("t7", "b"),
];

const STRATEGIES: [&str; 3] = [
    "\n[strategy]\nuse = \"rolling\"\nbatch = 2\n",
    "\n[strategy]\nuse = \"rolling\"\nbatch = \"50%\"\nfirst = \"t4\"\n",
    "\n[strategy]\nuse = \"canary\"\ngroup = \"a\"\nstages = [20, 60]\nsoak = \"300ms\"\n",
];

/// A sequence of numbers that is the same for the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one_of<T: Copy>(&mut self, these: &[T]) -> T {
        these[usize::try_from(self.below(these.len() as u64)).unwrap()]
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The process is killed at that point.
    Dies(u64),
    /// This happens to a request to the load balancer, after so many others.
    Request(u32, Mishap),
    /// A target stands still once so much of the record is there, until the deployment ended.
    Stands(&'static str, usize),
    /// Somebody else has the store for themselves for so long once so much of the record is there.
    Locked(Duration, usize),
}

impl Fault {
    /// One of that kind.
    fn random(kind: u64, random: &mut Random) -> Self {
        let mishaps = [
            Mishap::Refused,
            Mishap::Lost,
            Mishap::Late(Duration::from_millis(700)),
            Mishap::Hangs,
        ];
        let rows = usize::try_from(2 + random.below(14)).unwrap();
        match kind % KINDS {
            0 => Self::Dies(1 + random.below(150)),
            1 => {
                let requests = u32::try_from(random.below(25)).unwrap();
                Self::Request(requests, random.one_of(&mishaps))
            }
            2 => Self::Stands(random.one_of(&MEMBERS).0, rows),
            // Less than a process waits for the file, and more.
            _ => Self::Locked(Duration::from_secs(random.one_of(&[2, 8])), rows),
        }
    }

    /// Whether clients of the application may notice.
    fn is_noticed(self) -> bool {
        matches!(self, Self::Stands(..))
    }
}

struct Scene {
    world: World,
    fleet: Fleet,
    between: Between,
}

impl Scene {
    fn new(strategy: &str) -> Self {
        let world = World::new();
        let fleet = Fleet::new(&world, &MEMBERS);
        let socket = world.file("proxy.sock");
        let proxy = format!("{}admin-socket = \"{}\"\n", fleet.proxy(), socket.display());
        // A target that stands still has failed soon.
        let toml = fleet
            .toml()
            .replace("timeout = \"2s\"", "timeout = \"1s\"\nfailures = 2");
        let limits = format!("{LIMITS}minimum-serving = 3\n");
        world.configure(&[&toml, &proxy, &limits, strategy]);
        for version in ["1.0", "2.0"] {
            world.release(version);
        }
        // All goes well where nothing goes wrong.
        for version in ["1.0", "2.0"] {
            world.deploy(version, 0);
        }
        let between = Between::on(&socket);
        Self {
            world,
            fleet,
            between,
        }
    }

    /// Waits until the record is that long, or the deployment over.
    fn until_row(&self, row: usize, id: &str) {
        wait::until(&format!("there are {row} records"), || {
            let shown = shown(&self.world);
            let there = shown["records"].as_array().unwrap().len();
            (shown["id"] != *id && (there >= row || !shown["ended"].is_null())).then_some(())
        });
    }

    /// Deploys while that happens.
    fn deploy(&self, version: &str, fault: Fault) -> Ran {
        let before = shown(&self.world)["id"].as_str().unwrap().to_owned();
        let mut command = self.world.command();
        command.args(deploy(version));
        if let Fault::Dies(point) = fault {
            command.env("RUNTIME_CRASH_AT", point.to_string());
        }
        if let Fault::Request(after, mishap) = fault {
            self.between.after(after, mishap);
        }
        let output = self.world.file("output").join(format!("after-{before}"));
        let deploying = Running::start(&mut command, &output);
        match fault {
            Fault::Stands(target, row) => {
                self.until_row(row, &before);
                let there = process::strays(&self.fleet.root(target));
                for pid in &there {
                    let _ = kill_process(*pid, Signal::STOP);
                }
                let ran = deploying.wait();
                for pid in there {
                    let _ = kill_process(pid, Signal::CONT);
                }
                ran
            }
            Fault::Locked(time, row) => {
                self.until_row(row, &before);
                let store = Connection::open(self.store()).unwrap();
                store.busy_timeout(wait::PATIENCE).unwrap();
                store.execute_batch("BEGIN IMMEDIATE").unwrap();
                std::thread::sleep(time);
                drop(store);
                deploying.wait()
            }
            Fault::Dies(_) | Fault::Request(..) => deploying.wait(),
        }
    }

    fn store(&self) -> PathBuf {
        self.world.file(".runtime/state.db")
    }

    /// Brings what was left to an end; gives back which.
    fn brought_to_an_end(&self, ran: &Ran, random: &mut Random) -> String {
        let world = &self.world;
        self.between.calm();
        let state = || shown(world)["state"].as_str().unwrap().to_owned();
        println!("it ended as {}\n{ran}", state());
        match (state().as_str(), ran.code()) {
            ("succeeded", Some(0) | None) => {}
            ("rolled-back" | "refused", Some(1 | 4) | None) => {}
            ("stuck", Some(7)) => {
                let listed = shown(world)["verdict"]["differences"].clone();
                assert_ne!(listed.as_array().map(Vec::len), Some(0), "{ran}");
                let retried = world.run(&["retry"]);
                assert_eq!(retried.code(), Some(0), "{ran}{retried}");
            }
            ("running" | "cut-off", Some(6) | None) => {
                let _ = world.run(&["unlock", "--reason", "it is gone"]).expect(0);
                let verb = random.one_of(&["resume", "rollback"]);
                let ended = world.run(&[verb]);
                println!("{verb} ended with {:?}, as {}", ended.code(), state());
                assert!(matches!(ended.code(), Some(0 | 1)), "{ran}{ended}");
            }
            (state, code) => panic!("{state}, with {code:?}\n{ran}"),
        }
        state()
    }

    /// Panics unless the program, the disk and the targets say that this version is everywhere,
    /// and all of them serve.
    fn all_serve(&self, version: &str) {
        self.fleet.all_on(version);
        for (name, disk) in self.fleet.on_disk() {
            let link = disk.current.unwrap();
            let link = link.file_name().unwrap().to_string_lossy().into_owned();
            assert!(link.starts_with(version), "{name}: {link}");
        }
        for target in status(&self.world)["targets"].as_array().unwrap() {
            let release = target["release"].as_str().unwrap();
            assert!(release.starts_with(version), "{target}");
            assert_eq!(target["admission"], "ready", "{target}");
            assert_ne!(target["percent"], 0.0, "{target}");
        }
    }
}

fn run(seed: u64) {
    let mut random = Random(seed);
    let strategy = random.one_of(&STRATEGIES);
    let scene = Scene::new(strategy);
    let mut version = "2.0";
    let first = random.below(KINDS);
    for round in 0..KINDS {
        let other = if version == "1.0" { "2.0" } else { "1.0" };
        let fault = Fault::random(first + round, &mut random);
        println!("seed {seed}: {fault:?} while {other} goes out with {strategy}");
        let load = Load::of(Mix::ALL, &scene.fleet.balancer);
        let ran = scene.deploy(other, fault);
        let state = scene.brought_to_an_end(&ran, &mut random);
        if state == "succeeded" {
            version = other;
        }
        scene.all_serve(version);
        let counted = load.end();
        println!("{state}\n{counted}");
        let noticed = fault.is_noticed();
        assert!(noticed || counted.failures().is_empty(), "{counted}\n{ran}");
    }
}

#[test]
fn whatever_goes_wrong_it_ends_all_new_or_all_old() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse().unwrap());
    let seeds = match number("TESTS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("TESTS_SEEDS").unwrap_or(SEEDS) + 1,
    };
    for seed in seeds {
        let end = std::panic::catch_unwind(|| run(seed));
        if let Err(panic) = end {
            println!("`TESTS_SEED={seed}` repeats it");
            std::panic::resume_unwind(panic);
        }
    }
}
