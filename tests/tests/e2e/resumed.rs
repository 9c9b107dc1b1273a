//! A deployment whose process is gone goes on in another one, from where the record ends.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tests::{Fleet, Load, Mix, World, wait};

use crate::scene::{LIMITS, ROLLING, THREE, behind_the_proxy, deploy, shown};

/// It waits long enough to be killed there, and is over soon.
const CANARY: &str = "\n[strategy]\nuse = \"canary\"\nstages = [25, 50]\nsoak = \"8s\"\n";

/// The record under way, once it is of this effect.
pub(crate) fn under_way(world: &World, effect: &str) -> Value {
    wait::until(&format!("`{effect}` is under way"), || {
        let shown = shown(world);
        let last = shown["records"].as_array()?.last()?.clone();
        let open = last["outcome"].is_null() && last["intent"]["effect"]["effect"] == effect;
        open.then_some(last)
    })
}

/// Kills a deployment in its first wait. Gives back its id and the wait's record.
fn killed_in_a_wait(world: &World, version: &str) -> (String, Value) {
    world.release(version);
    let mut deploying = world.start(&deploy(version));
    deploying.until_printed("25 %");
    let wait = under_way(world, "wait");
    deploying.signal(Signal::KILL);
    assert_eq!(deploying.wait().signal(), Some(9));
    (shown(world)["id"].as_str().unwrap().to_owned(), wait)
}

/// Takes the lease of the process that is gone away, so that nobody waits for it.
fn unlock(world: &World) {
    let _ = world.run(&["unlock", "--reason", "it is gone"]).expect(0);
}

#[test]
fn killed_in_a_wait_it_waits_for_what_is_left() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    let load = Load::of(Mix::ALL, &fleet.balancer);
    load.until_answered(50);
    let (id, wait) = killed_in_a_wait(&world, "2.0");
    // Going on is not with what the file says by now.
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, ROLLING]);
    // Its lease still lasts: going on waits for that.
    let resumed = world.run(&["resume", &id]).expect(0);
    println!("{resumed}");
    let resumed = resumed
        .says("going on with hello 2.0 in test with canary")
        .says("goes on after record");
    fleet.all_on("2.0");
    load.until_answered(50);
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}\n{resumed}");
    let shown = shown(&world);
    let place = usize::try_from(wait["intent"]["sequence"].as_u64().unwrap()).unwrap();
    let again = &shown["records"][place - 1];
    let until = |record: &Value| record["intent"]["effect"]["until"].clone();
    assert_eq!(until(again), until(&wait), "{again}");
    assert_eq!(again["intent"]["attempt"], 2, "{again}");
    assert_eq!(shown["state"], "succeeded");
    // What is over does not go on.
    world.run(&["resume", &id]).expect(4).says("is over");
    let _ = world.run(&["resume"]).expect(4);
}

/// Asks the proxy's admin API; gives back what it answers.
fn admin(world: &World, fleet: &Fleet, method: &str, body: &str) -> Value {
    let socket = world.file(&format!(".runtime/proxy/{}.sock", fleet.balancer));
    let mut stream = UnixStream::connect(socket).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} /v1/state HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{text}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Gives the canary another share by hand.
pub(crate) fn share_by_hand(world: &World, fleet: &Fleet, percent: f64) {
    let members = |group: &str| -> Vec<Value> {
        let there = fleet.members.iter().filter(|each| each.group == group);
        let member = |each: &tests::Member| json!({ "target": each.name, "address": each.address, "admission": "ready" });
        there.map(member).collect()
    };
    let pool = |group: &str, percent: f64| json!({ "group": group, "percent": percent, "members": members(group) });
    let pools = [pool("canary", percent), pool("stable", 100.0 - percent)];
    let state = json!({ "version": 1, "pools": pools }).to_string();
    admin(world, fleet, "PUT", &state);
}

#[test]
fn what_somebody_changed_meanwhile_stops_it_until_that_is_accepted() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    let (id, _) = killed_in_a_wait(&world, "2.0");
    unlock(&world);
    share_by_hand(&world, &fleet, 60.0);
    let before = admin(&world, &fleet, "GET", "")["revision"].clone();
    let records = shown(&world)["records"].clone();

    let stopped = world.run(&["resume"]).expect(6);
    println!("{stopped}");
    stopped
        .says("somebody changed something meanwhile")
        .says("nothing was touched")
        .says(&format!("`runtime resume {id} --accept-drift`"))
        .says(&format!("`runtime rollback {id}`"));
    let stopped = world.run(&["resume", "--format", "json"]).expect(6);
    assert_eq!(stopped.json_lines().last().unwrap()["code"], 6, "{stopped}");
    assert_eq!(admin(&world, &fleet, "GET", "")["revision"], before);
    assert_eq!(shown(&world)["records"], records);
    world.run(&["status"]).expect(0).says("cut-off");

    let resumed = world.run(&["resume", "--accept-drift"]).expect(0);
    println!("{resumed}");
    fleet.all_on("2.0");
}

#[test]
fn a_deployment_on_top_says_both_ways_out_or_takes_one_first() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    let (id, _) = killed_in_a_wait(&world, "2.0");
    unlock(&world);
    world.release("3.0");
    let refused = world.run(&deploy("3.0")).expect(4);
    refused
        .says(&format!("`runtime resume {id}`"))
        .says(&format!("`runtime rollback {id}`"))
        .says("--recover");
    let first = |way: &str, version: &str| {
        world.run(&["deploy", "--yes", "--version", version, "--recover", way])
    };
    let done = first("resume", "3.0").expect(0);
    println!("{done}");
    let done = done.says("hello 2.0 succeeded").says("hello 3.0 succeeded");
    fleet.all_on("3.0");

    let (id, _) = killed_in_a_wait(&world, "4.0");
    // Its lease still lasts: that is waited for, too.
    let back = first("rollback", "3.0").expect(0);
    println!("{back}");
    back.says("hello 4.0 was taken back")
        .says("hello 3.0 succeeded");
    let back = world.run(&["show", &id]).expect(0);
    back.says("was taken back");
    fleet.all_on("3.0");
    drop(done);
}

#[test]
fn a_frozen_one_goes_on_once_it_can() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    let step = "\n[rollback]\nautomatic = false\n\n[[steps]]\nname = \"sign\"\nat = \"before-traffic\"\n\
                use = \"command\"\nrun = [\"test\", \"-e\", \"signed\"]\n";
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, ROLLING, step]);
    world.release("2.0");
    let frozen = world.deploy("2.0", 6).says("frozen");
    println!("{frozen}");
    let id = shown(&world)["id"].as_str().unwrap().to_owned();
    let frozen = frozen.says(&format!("`runtime resume {id}` goes on with it"));
    // Nothing has changed: it freezes again.
    let again = world.run(&["resume", &id]).expect(6).says("frozen");
    world.write("signed", "");
    let resumed = world.run(&["resume", &id]).expect(0);
    fleet.all_on("2.0");
    println!("{frozen}{again}{resumed}");
}

#[test]
fn a_step_that_may_not_be_repeated_is_a_persons_to_judge() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    let step = "\n[[steps]]\nname = \"pay\"\nat = \"before-deploy\"\nrepeat = false\nuse = \"command\"\n\
                run = [\"sh\", \"-c\", \"echo paid >> ledger; while [ -e held ]; do sleep 0.1; done\"]\n";
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, ROLLING, step]);
    world.release("2.0");
    world.write("held", "");
    let deploying = world.start(&deploy("2.0"));
    wait::until("it is paid", || {
        std::fs::read_to_string(world.file("ledger")).ok()
    });
    deploying.signal(Signal::KILL);
    assert_eq!(deploying.wait().signal(), Some(9));
    std::fs::remove_file(world.file("held")).unwrap();
    unlock(&world);
    let asked = world.run(&["resume"]).expect(6);
    println!("{asked}");
    asked.says("\"pay\"").says("--step happened");
    world.run(&["resume", "--step", "happened"]).expect(0);
    fleet.all_on("2.0");
    let paid = std::fs::read_to_string(world.file("ledger")).unwrap();
    assert_eq!(paid, "paid\n");
}
