//! What tests of servers begin with: a database, a fleet whose state lies there, and servers
//! with names.

use rustix::process::Signal;
use serde_json::Value;
use tests::{Fleet, Postgres, Running, World, wait};

use crate::scene::{LIMITS, THREE};

/// Short, so that tests do not wait long for those who died; long enough for a busy machine.
pub(crate) const LEASE: &str = "3s";

/// A server under test.
pub(crate) struct Serving {
    running: Running,
    /// Where it answers for itself.
    pub(crate) address: String,
}

impl Serving {
    /// Starts one, under this user's name.
    pub(crate) fn start(world: &World, name: &str, more: &[&str]) -> Self {
        Self::start_with(world, &[("USER", name)], more)
    }

    /// Starts one with these variables.
    pub(crate) fn start_with(world: &World, variables: &[(&str, &str)], more: &[&str]) -> Self {
        let arguments = ["serve", "--lease", LEASE, "--listen", "127.0.0.1:0"];
        let mut running = world.start_with(&[&arguments, more].concat(), variables);
        running.until_printed("answering on ");
        let printed = running.output();
        let address = printed.split("answering on ").nth(1).unwrap();
        let address = address.split_whitespace().next().unwrap().to_owned();
        Self { running, address }
    }

    /// Its process's number.
    pub(crate) fn id(&self) -> u32 {
        self.running.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Everything that it said so far.
    pub(crate) fn said(&self) -> String {
        self.running.output()
    }

    /// Kills it.
    pub(crate) fn kill(self) {
        self.signal(Signal::KILL);
        assert_eq!(self.running.wait().signal(), Some(9));
    }

    /// Asks it to end, and waits until it has. Gives back what it said.
    pub(crate) fn stop(self) -> String {
        self.signal(Signal::TERM);
        self.running.wait().expect(0).all()
    }

    /// Waits for its end.
    pub(crate) fn wait(self) -> tests::Ran {
        self.running.wait()
    }

    /// What it answers there.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        wait::get(&self.address, path).expect("the server answers")
    }

    /// The value of a metric, by its name with labels; 0 where it was never counted.
    pub(crate) fn counts(&self, name: &str) -> f64 {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200, "{text}");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }
}

/// The canary of a deployment that takes a few seconds.
pub(crate) fn canary(soak: &str) -> String {
    format!("\n[strategy]\nuse = \"canary\"\nstages = [25, 50]\nsoak = \"{soak}\"\n")
}

/// A fleet whose state lies in this database, with 1.0 on it, and what configures it.
pub(crate) fn fleet_in(postgres: &Postgres, strategy: &str) -> (World, Fleet) {
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    configure(&world, &fleet, postgres, "test", strategy);
    world.release("1.0");
    world.deploy("1.0", 0);
    (world, fleet)
}

/// Writes the configuration of an environment of that name.
pub(crate) fn configure(
    world: &World,
    fleet: &Fleet,
    postgres: &Postgres,
    environment: &str,
    strategy: &str,
) {
    let named = format!("environment = \"{environment}\"");
    let toml = fleet.toml().replace("environment = \"test\"", &named);
    let state = format!("\n[state]\nurl = \"{}\"\n", postgres.url());
    world.configure(&[&toml, &fleet.proxy(), LIMITS, strategy, &state]);
}

/// Hands a version in. Gives back the deployment's id.
pub(crate) fn hand_in(world: &World, version: &str) -> String {
    world.release(version);
    let arguments = ["deploy", "--detach", "--yes", "--version", version];
    let said = world.run(&[&arguments[..], &["--format", "json"]].concat());
    let said = said.expect(0).json_lines();
    let queued = said.last().unwrap();
    assert_eq!(queued["event"], "queued", "{queued}");
    queued["deployment_id"].as_str().unwrap().to_owned()
}

/// The deployment as `show` has it.
pub(crate) fn shown(world: &World, id: &str) -> Value {
    let shown = world.run(&["show", id, "--format", "json"]);
    shown.expect(0).json()
}

/// How many records there are of it.
pub(crate) fn records(postgres: &Postgres, id: &str) -> usize {
    let sql = format!("SELECT count(*) FROM runtime.records WHERE deployment = '{id}'");
    postgres.run(&sql).parse().unwrap()
}

/// The number of the process that holds a deployment's lease; none where nobody does.
pub(crate) fn holder(postgres: &Postgres, id: &str) -> Option<u32> {
    let sql = format!(
        "SELECT process FROM runtime.leases
         WHERE deployment = '{id}' AND until_at > runtime.clock()"
    );
    postgres.run(&sql).parse().ok()
}

/// What was audited of a deployment's ownership, in order.
pub(crate) fn ownership(postgres: &Postgres, id: &str) -> Vec<String> {
    let sql = format!(
        "SELECT action FROM runtime.audit WHERE deployment = '{id}' AND action IN
         ('deployment_queued', 'deployment_taken_over', 'deployment_handed_over',
          'deployment_halted', 'deployment_refused', 'deployment_succeeded')
         ORDER BY sequence"
    );
    postgres.run(&sql).lines().map(str::to_owned).collect()
}
