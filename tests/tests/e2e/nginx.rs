//! A real nginx in front of the targets. It closes idle kept connections when it reloads, so
//! clients that neither retry nor open new ones can lose a request then: those are counted,
//! beside what a bare reload costs.

use tests::{
    Fleet, Hosts, Load, Mix, Nginx, World,
    load::{Kind, now_ms},
    record,
};

use crate::scene::{CANARY, LIMITS, THREE, deploy, play, shown};

pub(crate) fn behind_nginx(members: &[(&str, &str)], strategy: &str) -> (World, Fleet, Nginx) {
    let world = World::new();
    let fleet = Fleet::new(&world, members);
    let nginx = Nginx::start(&world, &fleet.balancer);
    world.configure(&[&fleet.toml(), &nginx.toml(), LIMITS, strategy]);
    world.release("1.0");
    world.deploy("1.0", 0);
    nginx.serve(&fleet.balancer);
    (world, fleet, nginx)
}

/// How many changes of the load balancer the last deployment asked for.
fn changes(world: &World) -> usize {
    record::entries(&shown(world))
        .iter()
        .filter(|entry| entry.effect == "apply")
        .count()
}

/// Deploys 2.0 with as many reloads as changes, and clients that open a connection for each
/// request, or ask again, notice nothing.
fn nobody_notices(members: &[(&str, &str)], strategy: &str) -> (World, Fleet, Nginx) {
    let (world, fleet, nginx) = behind_nginx(members, strategy);
    world.release("2.0");
    let before = nginx.reloads();
    let played = play(&world, &fleet, Mix::CAREFUL, &deploy("2.0"));
    assert_eq!(played.ran.code(), Some(0), "{}", played.ran);
    played.nobody_noticed();
    let (reloads, changes) = (nginx.reloads() - before, changes(&world));
    println!("{changes} changes, {reloads} reloads");
    assert!(
        reloads <= changes,
        "{reloads} reloads for {changes} changes"
    );
    assert_eq!(
        tests::fleet::version_at(&fleet.balancer).as_deref(),
        Some("2.0")
    );
    (world, fleet, nginx)
}

#[test]
fn canary() {
    let (_world, fleet, _nginx) = nobody_notices(THREE, CANARY);
    fleet.all_on("2.0");
}

#[test]
fn rolling() {
    let strategy = "\n[strategy]\nuse = \"rolling\"\nbatch = 1\n";
    let (_world, fleet, _nginx) = nobody_notices(THREE, strategy);
    fleet.all_on("2.0");
}

#[test]
fn blue_green() {
    let members = [("b", "blue"), ("g", "green")];
    let strategy = "\n[strategy]\nuse = \"blue-green\"\n";
    let (_world, fleet, _nginx) = nobody_notices(&members, strategy);
    let versions = fleet.versions();
    assert!(
        versions.values().any(|it| it.as_deref() == Some("1.0")),
        "the way back is kept: {versions:?}"
    );
}

#[test]
fn simple_costs_downtime_and_ends_it() {
    let strategy = "\n[strategy]\nuse = \"simple\"\n";
    let (world, fleet, _nginx) = behind_nginx(THREE, strategy);
    world.release("2.0");
    let played = play(&world, &fleet, Mix::CAREFUL, &deploy("2.0"));
    assert_eq!(played.ran.code(), Some(0), "{}", played.ran);
    println!("simple: down for {} ms", played.counted.downtime_ms());
    fleet.all_on("2.0");
    // It ended: the last ones to be answered were answered by the new version alone.
    let last = played.counted.between(now_ms() - 500..now_ms());
    assert_eq!(last.share("1.0"), 0.0);
}

#[test]
fn losses_of_kept_connections_are_nginx_s_own() {
    let (world, fleet, nginx) = behind_nginx(THREE, CANARY);
    world.release("2.0");
    let before = nginx.reloads();
    let played = play(&world, &fleet, Mix::KEPT, &deploy("2.0"));
    assert_eq!(played.ran.code(), Some(0), "{}", played.ran);
    let reloads = nginx.reloads() - before;

    // The same number of reloads with nothing changed, under the same load.
    let load = Load::of(Mix::KEPT, &fleet.balancer);
    load.until_answered(100);
    for _ in 0..reloads {
        nginx.reload();
        load.until_answered(100);
    }
    let bare = load.end();
    let lost = |counted: &tests::Counted| {
        (
            counted.failures_of(Kind::KeptGet),
            counted.failures_of(Kind::KeptPost),
        )
    };
    println!(
        "{reloads} reloads: lost {:?} (GET, POST) of {} in the deployment, {:?} of {} by bare reloads",
        lost(&played.counted),
        played.counted.requests(),
        lost(&bare),
        bare.requests(),
    );
    // Each reload can cost each of the two connections one request.
    let failures = played.counted.failures();
    assert!(
        failures.len() <= 2 * reloads,
        "{}\n{}",
        played.counted,
        played.ran
    );
}

#[test]
fn a_file_that_nginx_refuses_changes_nothing() {
    let (world, fleet, nginx) = behind_nginx(THREE, CANARY);
    world.release("2.0");
    // Somebody else's mistake, found by the test that comes before a reload.
    world.write(
        "nginx/upstreams/other.conf",
        "upstream broken { nonsense; }\n",
    );
    let (disk, reloads) = (fleet.on_disk(), nginx.reloads());
    let played = play(&world, &fleet, Mix::CAREFUL, &deploy("2.0"));
    assert_ne!(played.ran.code(), Some(0), "{}", played.ran);
    played.nobody_noticed();
    assert!(
        played.ran.all().contains("nonsense"),
        "nginx's own words: {}",
        played.ran
    );
    assert_eq!(nginx.reloads(), reloads);
    fleet.all_on("1.0");
    assert_eq!(fleet.on_disk(), disk, "{}", played.ran);
}

#[test]
fn nginx_on_a_machine_that_is_reached_over_ssh() {
    let world = World::new();
    let hosts = Hosts::start(&world, &["lb"]);
    let fleet = Fleet::new(&world, THREE);
    let nginx = Nginx::start(&world, &fleet.balancer);
    let balancer = nginx.toml() + "on = \"lb\"\n";
    world.configure(&[&fleet.toml(), &hosts.toml(), &balancer, LIMITS, CANARY]);
    world.release("1.0");
    world.deploy("1.0", 0);
    nginx.serve(&fleet.balancer);
    world.release("2.0");
    let played = play(&world, &fleet, Mix::CAREFUL, &deploy("2.0"));
    assert_eq!(played.ran.code(), Some(0), "{}", played.ran);
    played.nobody_noticed();
    fleet.all_on("2.0");
}
