//! The network between a process and its store, and between it and a machine, is away for
//! shorter and for longer than the lease lasts.

use std::fs;

use serde_json::Value;
use tests::{Fleet, Hosts, Load, Mix, Postgres, Running, Wire, World, wait};

use crate::{
    resumed::under_way,
    scene::{LIMITS, ROLLING, THREE, deploy, shown},
};

const CANARY: &str = "\n[strategy]\nuse = \"canary\"\nstages = [25, 50]\nsoak = \"3s\"\n";

/// What leads to its database over a wire, and what does not.
struct Scene {
    world: World,
    fleet: Fleet,
    wire: Wire,
    _postgres: Postgres,
}

/// The configuration of whoever reaches the database by itself.
const DIRECT: [&str; 2] = ["--config", "direct.toml"];

/// 1.0 runs, and 2.0 is ready to go out.
fn over_a_wire() -> Scene {
    let postgres = Postgres::start();
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    let server = postgres.address();
    let wire = Wire::new(&world, 5432, &server);
    let configuration = |server: &str| {
        let url = postgres.url().replace(&postgres.address(), server);
        let state = format!("\n[state]\nurl = \"{url}\"\n");
        [&fleet.toml(), &fleet.proxy(), LIMITS, CANARY, &state].join("\n")
    };
    world.configure(&[&configuration(wire.address())]);
    world.write(DIRECT[1], &configuration(&server));
    world.release("1.0");
    world.deploy("1.0", 0);
    world.release("2.0");
    Scene {
        world,
        fleet,
        wire,
        _postgres: postgres,
    }
}

/// The record, as whoever reaches the database reads it.
fn read(world: &World) -> Value {
    let arguments = [&["show", "--format", "json"][..], &DIRECT].concat();
    world.run(&arguments).expect(0).json()
}

#[test]
fn a_database_out_of_reach_for_less_than_a_lease_holds_a_deployment_up() {
    let scene = over_a_wire();
    let load = Load::of(Mix::ALL, &scene.fleet.balancer);
    let mut deploying = scene.world.start(&deploy("2.0"));
    deploying.until_printed("25 %");
    under_way(&scene.world, "wait");
    scene.wire.cut();
    // The soak is over meanwhile, and nothing further begins: it looks for another connection.
    let before = scene.wire.connections();
    wait::until("it looks for another connection", || {
        (scene.wire.connections() > before).then_some(())
    });
    scene.wire.mend();
    let ran = deploying.wait().expect(0);
    println!("{ran}");
    scene.fleet.all_on("2.0");
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}\n{ran}");
    let shown = shown(&scene.world);
    assert_eq!(shown["state"], "succeeded");
    // Nobody else took it up, and nothing was done twice.
    for record in shown["records"].as_array().unwrap() {
        assert_eq!(record["intent"]["attempt"], 1, "{record}");
    }
}

#[test]
fn a_database_out_of_reach_for_longer_ends_it_there_and_another_goes_on() {
    let scene = over_a_wire();
    let load = Load::of(Mix::ALL, &scene.fleet.balancer);
    let mut deploying = scene.world.start(&deploy("2.0"));
    deploying.until_printed("25 %");
    under_way(&scene.world, "wait");
    scene.wire.cut();
    // It holds the lease for as long as that lasts.
    let resume = [&["resume", "--wait", "2m"][..], &DIRECT].concat();
    let resumed = scene.world.run(&resume).expect(0);
    println!("{resumed}");
    scene.fleet.all_on("2.0");
    let records = read(&scene.world)["records"].clone();
    // Whatever the first one had on its way arrives now.
    scene.wire.mend();
    let ended = deploying.wait().expect(6);
    println!("{ended}");
    let _ = ended.says("was abandoned by this process");
    scene.fleet.all_on("2.0");
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}\n{resumed}");
    let shown = read(&scene.world);
    assert_eq!(shown["state"], "succeeded");
    assert_eq!(shown["records"], records);
}

/// Nothing is activated for as long as the file `held` is there.
const HELD: &str = "\n[[steps]]\nname = \"hold\"\nat = \"before-activate\"\nuse = \"command\"\n\
                    run = [\"sh\", \"-c\", \"while [ -e held ]; do sleep 0.1; done\"]\n";

/// Two machines, of which `two` is reached over a wire.
struct Machines {
    world: World,
    fleet: Fleet,
    wire: Wire,
    _hosts: Hosts,
}

impl Machines {
    /// 1.0 runs on both.
    fn new() -> Self {
        let world = World::new();
        let hosts = Hosts::start(&world, &["one", "two"]);
        let members = [("one", "all"), ("two", "all")];
        let fleet = Fleet::new(&world, &members).in_folder(world.file("remote"));
        let wire = Wire::new(&world, 2222, &hosts.address("two"));
        hosts.known_as(&world, "two", wire.address());
        let machines = hosts.toml().replace(&hosts.address("two"), wire.address());
        let parts = [
            &fleet.toml(),
            &machines,
            &fleet.proxy(),
            LIMITS,
            ROLLING,
            HELD,
        ];
        world.configure(&parts);
        world.release("1.0");
        world.deploy("1.0", 0);
        world.release("2.0");
        Self {
            world,
            fleet,
            wire,
            _hosts: hosts,
        }
    }

    /// Deploys 2.0, and cuts the wire before anything is activated.
    fn cut_in_the_middle(&self) -> Running {
        self.world.write("held", "");
        let deploying = self.world.start(&deploy("2.0"));
        under_way(&self.world, "step");
        self.wire.cut();
        fs::remove_file(self.world.file("held")).unwrap();
        deploying
    }
}

#[test]
fn a_machine_out_of_reach_for_a_while_holds_a_deployment_up() {
    let machines = Machines::new();
    let load = Load::of(Mix::ALL, &machines.fleet.balancer);
    let deploying = machines.cut_in_the_middle();
    wait::until("something is to go over the wire", || {
        machines.wire.holds().then_some(())
    });
    machines.wire.mend();
    let ran = deploying.wait().expect(0);
    println!("{ran}");
    machines.fleet.all_on("2.0");
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}\n{ran}");
}

#[test]
fn a_machine_that_stays_out_of_reach_is_listed_and_taken_back_once_it_is_there() {
    let machines = Machines::new();
    let disk = machines.fleet.on_disk();
    let load = Load::of(Mix::ALL, &machines.fleet.balancer);
    let ran = machines.cut_in_the_middle().wait().expect(7);
    println!("{ran}");
    let _ = ran.says("two").says("`runtime retry ");
    // The only one that is left to serve is not taken down for it.
    let versions = machines.fleet.versions();
    assert_eq!(versions["one"].as_deref(), Some("2.0"), "{versions:?}");
    machines.wire.mend();
    let back = machines.world.run(&["retry"]).expect(0);
    println!("{back}");
    machines.fleet.all_on("1.0");
    assert_eq!(machines.fleet.on_disk(), disk);
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}\n{back}");
}
