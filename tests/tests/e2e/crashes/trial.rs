//! Two targets and a strategy, deployments that die at a point of their way, and what an uncut
//! one comes to. It holds ends against each other; which points and which way out is for the
//! tests.

use std::{cell::RefCell, collections::BTreeMap, fs};

use serde_json::Value;
use tests::{Counted, Fleet, Load, Mix, Nginx, Ran, Running, World, fleet, load::now_ms};

use super::stand::Stand;
use crate::scene::{deploy, shown};

/// Longer than any request takes, and short: nginx cannot say when the last of them is over.
const LIMITS: &str = "\n[limits]\ndrain = \"500ms\"\n";

/// No target runs all of them, so one of them is always another release.
const VERSIONS: [&str; 3] = ["1.0", "2.0", "3.0"];

/// What stands in front of the targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// The proxy that comes with the program.
    Proxy,
    Nginx,
}

impl Front {
    /// Clients as they are: every habit, but for connections that hold each drain up; and none
    /// that nginx drops by itself when it reloads.
    fn clients(self) -> Mix {
        let quick = Mix {
            slow_get: 1,
            socket: 0,
            ..Mix::ALL
        };
        match self {
            Self::Proxy => quick,
            Self::Nginx => Mix {
                kept_get: 0,
                kept_post: 0,
                ..quick
            },
        }
    }
}

/// What the strategy had done, in its order, and whether each call went well; none where nobody
/// saw its end.
type Calls = Vec<(Value, Option<bool>)>;

/// What a deployment that nothing stops comes to.
#[derive(Debug)]
struct Uncut {
    stand: Stand,
    calls: Calls,
}

/// A fleet that is deployed to again and again.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) world: World,
    pub(crate) fleet: Fleet,
    _nginx: Option<Nginx>,
    load: Load,
    /// By the targets that had the traffic before.
    uncut: BTreeMap<Vec<String>, Uncut>,
    /// When which point's turn was.
    turns: RefCell<Vec<(u64, String)>>,
}

/// A deployment about to be cut off.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) from: String,
    pub(crate) to: &'static str,
    stand: Stand,
    disk: BTreeMap<String, fleet::OnDisk>,
}

impl Trial {
    /// Two targets of these groups that an uncut deployment went over twice, with clients that
    /// use them.
    pub(crate) fn new(front: Front, groups: [&str; 2], strategy: &str) -> Self {
        Self::with_clients(front, front.clients(), groups, strategy)
    }

    /// The same with clients of these habits.
    pub(crate) fn with_clients(
        front: Front,
        clients: Mix,
        groups: [&str; 2],
        strategy: &str,
    ) -> Self {
        let world = World::new();
        let fleet = Fleet::new(&world, &[("one", groups[0]), ("two", groups[1])]);
        let toml = fleet.toml();
        let (nginx, balancer) = match front {
            Front::Proxy => (None, fleet.proxy()),
            Front::Nginx => {
                let nginx = Nginx::start(&world, &fleet.balancer);
                let toml = nginx.toml();
                (Some(nginx), toml)
            }
        };
        world.configure(&[&toml, &balancer, LIMITS, strategy]);
        for version in VERSIONS {
            world.release(version);
        }
        world.deploy("1.0", 0);
        if let Some(nginx) = &nginx {
            nginx.serve(&fleet.balancer);
        }
        let load = Load::of(clients, &fleet.balancer);
        let mut trial = Self {
            world,
            fleet,
            _nginx: nginx,
            load,
            uncut: BTreeMap::new(),
            turns: RefCell::default(),
        };
        for _ in 0..2 {
            trial.uncut();
        }
        trial
    }

    fn uncut(&mut self) {
        let before = self.before("uncut");
        self.world.deploy(before.to, 0);
        let stand = self.stand().in_roles(&before.from, before.to);
        let calls = calls(&shown(&self.world));
        assert!(calls.iter().all(|(_, well)| *well == Some(true)));
        let serving = before.stand.serving();
        self.uncut.insert(serving, Uncut { stand, calls });
    }

    fn stand(&self) -> Stand {
        Stand::of(&self.world, &self.fleet)
    }

    /// Takes away what the next deployment would find on a target, and need not install.
    fn tidy(&self) {
        for (target, there) in self.fleet.on_disk() {
            let active = there.current.unwrap_or_default();
            let releases = self.fleet.root(target).join("releases");
            for release in there.releases {
                if active.file_name() != Some(release.as_ref()) {
                    fs::remove_dir_all(releases.join(release)).unwrap();
                }
            }
        }
    }

    fn disk(&self) -> BTreeMap<String, fleet::OnDisk> {
        let there = self.fleet.on_disk().into_iter();
        there
            .map(|(name, there)| (name.to_owned(), there))
            .collect()
    }

    /// How everything stands, and which release is not there yet.
    pub(crate) fn before(&self, turn: &str) -> Before {
        self.turns.borrow_mut().push((now_ms(), turn.to_owned()));
        self.tidy();
        let versions = self.fleet.versions();
        let runs = |version: &str| versions.values().flatten().any(|each| each == version);
        let stand = self.stand();
        let serves = &stand.serving()[0];
        Before {
            from: versions[serves.as_str()].clone().unwrap(),
            to: VERSIONS.into_iter().find(|each| !runs(each)).unwrap(),
            stand,
            disk: self.disk(),
        }
    }

    /// Runs the program so that it dies at that point, where it comes by it. Whether it did;
    /// where it did, its lease is free.
    pub(crate) fn dies_at(&self, point: &str, arguments: &[&str]) -> Result<(), Ran> {
        let number = self.turns.borrow().len();
        let name = format!("{number}-dies-at-{point}-{}", arguments[0]);
        let mut command = self.world.command();
        command.args(arguments).env("RUNTIME_CRASH_AT", point);
        let output = self.world.file("output").join(name);
        let ran = Running::start(&mut command, &output).wait();
        if ran.signal() != Some(9) {
            return Err(ran);
        }
        let _ = self
            .world
            .run(&["unlock", "--reason", "it is gone"])
            .expect(0);
        Ok(())
    }

    /// Deploys, and dies at that point.
    pub(crate) fn deploy_dies_at(&self, point: &str, before: &Before) -> Result<(), Ran> {
        self.dies_at(point, &deploy(before.to))
    }

    /// Goes on, unless it died with its verdict written, to the same end as an uncut one.
    pub(crate) fn goes_on(&self, before: &Before, turn: &str) {
        if shown(&self.world)["state"] != "succeeded" {
            let resumed = self.world.run(&["resume"]);
            assert_eq!(resumed.code(), Some(0), "{turn}\n{resumed}");
        }
        self.ended_as_uncut(before, turn);
    }

    /// Takes it back, unless it died with its verdict written, to how everything stood.
    pub(crate) fn is_taken_back(&self, before: &Before, turn: &str) {
        if shown(&self.world)["state"] == "succeeded" {
            return self.ended_as_uncut(before, turn);
        }
        let back = self.world.run(&["rollback"]);
        assert_eq!(back.code(), Some(0), "{turn}\n{back}");
        self.ended_as_before(before, turn);
    }

    /// Panics unless the last deployment came to the same end as an uncut one.
    pub(crate) fn ended_as_uncut(&self, before: &Before, turn: &str) {
        let uncut = &self.uncut[&before.stand.serving()];
        let stand = self.stand().in_roles(&before.from, before.to);
        assert_eq!(stand, uncut.stand, "{turn}");
        let shown = shown(&self.world);
        assert_eq!(shown["state"], "succeeded", "{turn}");
        assert_eq!(calls(&shown), uncut.calls, "{turn}");
    }

    /// Panics unless everything is as it was before the last deployment.
    pub(crate) fn ended_as_before(&self, before: &Before, turn: &str) {
        assert_eq!(self.stand(), before.stand, "{turn}");
        assert_eq!(self.disk(), before.disk, "{turn}");
        let shown = shown(&self.world);
        // Where nothing had been begun that changes anything, there is nothing to take back.
        let changes = |record: &Value| record["intent"]["undo"]["undo"] != "nothing";
        let state = match rows(&shown, "strategy").any(changes) {
            true => "rolled-back",
            false => "refused",
        };
        assert_eq!(shown["state"], state, "{turn}");
        // What went before is the beginning of what an uncut one does; the last call of it may
        // have been cut off.
        let uncut = &self.uncut[&before.stand.serving()].calls;
        let calls = calls(&shown);
        for (place, ((call, well), (wanted, _))) in calls.iter().zip(uncut).enumerate() {
            let cut = place + 1 == calls.len() && *well != Some(true);
            assert!(*well == Some(true) || cut, "{turn}: {calls:?}");
            assert_eq!(call, wanted, "{turn}");
        }
        let undone = undone(&shown);
        assert!(undone.iter().all(|well| *well), "{turn}: {shown}");
    }

    /// Ends the load; panics where a request failed, and says in whose turn.
    pub(crate) fn nobody_noticed(self) {
        let turns = self.turns.into_inner();
        let counted = self.load.end();
        println!("{} turns\n{counted}", turns.len());
        let ends = turns.iter().skip(1).map(|(began, _)| *began);
        for ((began, turn), end) in turns.iter().zip(ends.chain([u64::MAX])) {
            let failures = counted.between(*began..end).failures().len();
            if failures > 0 {
                println!("{failures} requests failed in the turn of {turn}");
            }
        }
        assert_eq!(counted.failures().len(), 0, "{counted}");
    }

    /// Ends the load of clients that do notice, and says how much.
    pub(crate) fn somebody_noticed(self) -> Counted {
        let counted = self.load.end();
        println!("{} turns\n{counted}", self.turns.into_inner().len());
        counted
    }
}

fn rows<'a>(shown: &'a Value, by: &'a str) -> impl Iterator<Item = &'a Value> {
    let records = shown["records"].as_array().unwrap();
    records
        .iter()
        .filter(move |record| record["intent"]["origin"]["by"] == by)
}

fn well(record: &Value) -> Option<bool> {
    let outcome = &record["outcome"];
    (!outcome.is_null()).then(|| outcome["result"].get("Ok").is_some())
}

fn calls(shown: &Value) -> Calls {
    rows(shown, "strategy")
        .map(|record| (record["intent"]["operation"].clone(), well(record)))
        .collect()
}

/// Whether each thing that was taken back went well. What was cut off was done once more.
fn undone(shown: &Value) -> Vec<bool> {
    let cut = |record: &&Value| record["outcome"]["result"]["Err"]["code"] == "interrupted";
    rows(shown, "undo")
        .filter(|record| !cut(record))
        .filter_map(well)
        .collect()
}
