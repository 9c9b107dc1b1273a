//! What most tests begin with: a fleet on which 1.0 runs, 2.0 ready to go out, and clients
//! that use the application meanwhile.

use tests::{Counted, Fleet, Load, Mix, Ran, World, load::now_ms, record};

/// Limits that suit a machine where everything is near: a WebSocket that stays open holds a
/// drain up for its whole length.
pub(crate) const LIMITS: &str = "\n[limits]\ndrain = \"1s\"\n";

/// One target after the other.
pub(crate) const ROLLING: &str = "\n[strategy]\nuse = \"rolling\"\n";

/// A canary that is over soon.
pub(crate) const CANARY: &str =
    "\n[strategy]\nuse = \"canary\"\nstages = [10, 50]\nsoak = \"2s\"\n";

/// One canary and two others.
pub(crate) const THREE: &[(&str, &str)] =
    &[("one", "canary"), ("two", "stable"), ("three", "stable")];

/// Targets behind the embedded proxy, with 1.0 on all of them.
pub(crate) fn behind_the_proxy(members: &[(&str, &str)], more: &str) -> (World, Fleet) {
    let world = World::new();
    let fleet = Fleet::new(&world, members);
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, more]);
    world.release("1.0");
    world.deploy("1.0", 0);
    (world, fleet)
}

/// What came of running the program under load.
pub(crate) struct Played {
    pub(crate) ran: Ran,
    pub(crate) counted: Counted,
    /// Where in the deployment requests failed, one line an operation; empty where none did.
    pub(crate) failed_during: String,
}

/// Runs the program while clients of these habits use the application.
pub(crate) fn play(world: &World, fleet: &Fleet, mix: Mix, arguments: &[&str]) -> Played {
    let load = Load::of(mix, &fleet.balancer);
    load.until_answered(50);
    let began = now_ms();
    let ran = world.run(arguments);
    let ended = now_ms();
    load.until_answered(50);
    let counted = load.end();
    println!(
        "{arguments:?} took {} ms, ended with {:?}\n{counted}",
        ended - began,
        ran.code()
    );
    let failed_during = match counted.failures().is_empty() {
        true => String::new(),
        false => failures_by_operation(world, &counted),
    };
    Played {
        ran,
        counted,
        failed_during,
    }
}

fn failures_by_operation(world: &World, counted: &Counted) -> String {
    let mut text = String::new();
    let entries = record::entries(&shown(world));
    for (number, entry) in entries.iter().enumerate() {
        let until = entries
            .get(number + 1)
            .map_or(u64::MAX, |next| next.started);
        let failures = counted.between(entry.started..until).failures().len();
        if failures > 0 {
            let (effect, call) = (&entry.effect, &entry.call);
            text += &format!("{failures} failed during #{} {call} {effect}\n", number + 1);
        }
    }
    text
}

impl Played {
    /// Panics unless no request failed.
    #[track_caller]
    pub(crate) fn nobody_noticed(&self) {
        let Self {
            ran,
            counted,
            failed_during,
        } = self;
        let none = counted.failures().is_empty();
        assert!(none, "requests failed\n{counted}{failed_during}\n{ran}");
    }
}

/// The arguments that deploy a version.
pub(crate) fn deploy(version: &str) -> [&str; 4] {
    ["deploy", "--yes", "--version", version]
}

/// The record of the last deployment.
pub(crate) fn shown(world: &World) -> serde_json::Value {
    world.run(&["show", "--format", "json"]).expect(0).json()
}

/// What `status` says of targets and traffic, for programs; but for what the balancer saw of a
/// target last, which comes and goes with requests.
pub(crate) fn status(world: &World) -> serde_json::Value {
    let mut status = world.run(&["status", "--format", "json"]).expect(0).json();
    for target in status["targets"].as_array_mut().unwrap() {
        target.as_object_mut().unwrap().remove("up");
    }
    status
}
