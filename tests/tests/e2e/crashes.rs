//! The process dies before and after every write of its record and every effect, one run a
//! point; another one goes on, or takes everything back; and it all ends as if nothing had
//! happened. Under load, and no request fails.

use serde_json::Value;
use tests::{Fleet, Load, Mix, Ran, Running, World};

use crate::{
    nginx::behind_nginx,
    scene::{THREE, behind_the_proxy, deploy, shown, status},
};

const ROLLING: &str = "\n[strategy]\nuse = \"rolling\"\n";

const CANARY: &str = "\n[strategy]\nuse = \"canary\"\nstages = [50]\nsoak = \"500ms\"\n";

const TWO: &[(&str, &str)] = &[("one", "all"), ("two", "all")];

/// More points than that would be a deployment that does not end.
const POINTS_MAX: u32 = 500;

/// Runs the program so that it dies at that point, where it comes by it.
fn crash_at(world: &World, point: u32, arguments: &[&str]) -> Ran {
    let name = format!("crash-{}-{point}", arguments[0]);
    let output = world.file("output").join(name);
    let mut command = world.command();
    command
        .args(arguments)
        .env("RUNTIME_CRASH_AT", point.to_string());
    Running::start(&mut command, &output).wait()
}

/// What the strategy had done, in its order, and how each call ended.
fn calls(world: &World) -> Vec<(Value, bool)> {
    let shown = shown(world);
    let records = shown["records"].as_array().unwrap();
    let by_the_strategy = records
        .iter()
        .filter(|record| record["intent"]["origin"]["by"] == "strategy");
    by_the_strategy
        .map(|record| {
            let result = &record["outcome"]["result"];
            let well = result.get("Ok").is_some();
            (record["intent"]["operation"].clone(), well)
        })
        .collect()
}

/// Who gets which part of the traffic.
fn traffic(world: &World) -> Vec<[Value; 3]> {
    let targets = status(world)["targets"].clone();
    let part = |target: &Value| ["name", "percent", "admission"].map(|key| target[key].clone());
    targets.as_array().unwrap().iter().map(part).collect()
}

/// Two targets behind the proxy, with 2.0 on both.
fn rolling() -> (World, Fleet) {
    let (world, fleet) = behind_the_proxy(TWO, ROLLING);
    world.release("2.0");
    world.deploy("2.0", 0);
    (world, fleet)
}

/// Dies at each of every `step` points of a deployment, while clients of these habits use the
/// application; `then` brings it to its end. None of their requests fails.
fn at_points(
    (world, fleet): (&World, &Fleet),
    mix: Mix,
    step: usize,
    then: impl Fn(u32, &str, &str),
) {
    let load = Load::of(mix, &fleet.balancer);
    for point in (1..POINTS_MAX).step_by(step) {
        let now = fleet.versions()["one"].clone().unwrap();
        let (from, to) = match now.as_str() {
            "1.0" => ("1.0", "2.0"),
            _ => ("2.0", "1.0"),
        };
        let ran = crash_at(world, point, &deploy(to));
        if ran.signal() != Some(9) {
            let _ = ran.expect(0);
            let counted = load.end();
            println!("{point} points\n{counted}");
            assert_eq!(counted.failures().len(), 0, "{counted}");
            assert!(point > 20, "{point}");
            return;
        }
        let _ = world.run(&["unlock", "--reason", "it is gone"]).expect(0);
        then(point, from, to);
    }
    panic!("a deployment with more than {POINTS_MAX} points");
}

/// Goes on with the last deployment, unless it died with its verdict written.
fn goes_on(world: &World, fleet: &Fleet, point: u32, to: &str) {
    if shown(world)["state"] != "succeeded" {
        let resumed = world.run(&["resume"]);
        assert_eq!(resumed.code(), Some(0), "point {point}\n{resumed}");
    }
    fleet.all_on(to);
}

#[test]
fn it_goes_on_from_every_point() {
    let (world, fleet) = rolling();
    let (wanted, uncut) = (traffic(&world), calls(&world));
    at_points((&world, &fleet), Mix::ALL, 1, |point, _, to| {
        goes_on(&world, &fleet, point, to);
        assert_eq!(traffic(&world), wanted, "point {point}");
        let calls = calls(&world);
        assert_eq!(calls.len(), uncut.len(), "point {point}: {calls:?}");
        for ((call, well), (wanted, was)) in calls.iter().zip(&uncut) {
            let (call, wanted) = (&call["call"], &wanted["call"]);
            assert_eq!((call, well), (wanted, was), "point {point}");
        }
    });
}

#[test]
fn it_is_taken_back_from_every_point() {
    let (world, fleet) = rolling();
    at_points((&world, &fleet), Mix::ALL, 1, |point, from, to| {
        if shown(&world)["state"] == "succeeded" {
            fleet.all_on(to);
            return;
        }
        let back = world.run(&["rollback"]);
        assert_eq!(back.code(), Some(0), "point {point}\n{back}");
        fleet.all_on(from);
    });
}

#[test]
fn it_goes_on_though_it_dies_again_meanwhile() {
    let (world, fleet) = rolling();
    at_points((&world, &fleet), Mix::ALL, 3, |point, _, to| {
        if shown(&world)["state"] != "succeeded" {
            let again = crash_at(&world, 1 + point % 8, &["resume"]);
            if again.signal() == Some(9) {
                let _ = world.run(&["unlock", "--reason", "it is gone"]).expect(0);
            }
        }
        goes_on(&world, &fleet, point, to);
    });
}

#[test]
fn a_canary_goes_on() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    world.release("2.0");
    at_points((&world, &fleet), Mix::ALL, 4, |point, _, to| {
        goes_on(&world, &fleet, point, to);
    });
}

#[test]
fn behind_nginx_it_goes_on() {
    let (world, fleet, _nginx) = behind_nginx(THREE, ROLLING);
    world.release("2.0");
    at_points((&world, &fleet), Mix::CAREFUL, 4, |point, _, to| {
        goes_on(&world, &fleet, point, to);
    });
}
