//! Plugins from outside the workspace: one that is useful, and one that does harm in every way
//! that the sandbox is there for.

use std::{path::PathBuf, sync::OnceLock};

use tests::{Fleet, Mix, Ran, Sink, World, guest};

use crate::scene::{ROLLING, THREE, behind_the_proxy, deploy, play, status};

fn hostile() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| guest::build("hostile", include_str!("../guests/hostile.rs")))
        .clone()
}

#[test]
fn a_plugin_from_outside_takes_part() {
    let source = include_str!("../guests/tickets.rs");
    assert!(
        source.lines().count() <= 30,
        "the smallest useful notifier is small"
    );
    let plugin = guest::build("tickets", source);
    let sink = Sink::start(200);
    let more = format!(
        "{ROLLING}\n[[notifiers]]\nuse = \"tickets\"\nurl = \"{}/new\"\nproject = \"OPS\"\n\
         \n[plugins.tickets]\nsource = \"{}\"\n",
        sink.url(),
        plugin.display()
    );
    let (world, fleet) = behind_the_proxy(THREE, &more);
    world.release("2.0");
    world.deploy("2.0", 0);
    fleet.all_on("2.0");
    let bodies: Vec<_> = sink
        .received()
        .into_iter()
        .map(|request| request.body)
        .collect();
    for event in ["started", "succeeded"] {
        let told = |body: &&String| body.contains(event) && body.contains("OPS");
        assert!(bodies.iter().any(|body| told(&body)), "{event}: {bodies:?}");
    }
    let path = plugin.display().to_string();
    world
        .run(&["plugin", "inspect", &path])
        .expect(0)
        .says("posts tickets")
        .says("{url}");
}

/// A deployment in which a step does harm when the new release is up.
fn harmed(deed: &str, argument: &str) -> (World, Fleet, Ran) {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    let (disk, traffic) = (fleet.on_disk(), status(&world)["targets"].clone());
    world.configure(&[
        &fleet.toml(),
        &fleet.proxy(),
        crate::scene::LIMITS,
        ROLLING,
        &format!(
            "\n[[steps]]\nname = \"harm\"\nat = \"before-traffic\"\nuse = \"hostile\"\n\
             deed = \"{deed}\"\nargument = \"{argument}\"\n\
             \n[plugins.hostile]\nsource = \"{}\"\nlimits = {{ time = \"2s\", memory = \"32MiB\" }}\n",
            hostile().display()
        ),
    ]);
    world.release("2.0");
    let played = play(&world, &fleet, Mix::ALL, &deploy("2.0"));
    played.nobody_noticed();
    let ran = played.ran.expect(1).says("hostile");
    fleet.all_on("1.0");
    assert_eq!(fleet.on_disk(), disk, "{ran}");
    assert_eq!(status(&world)["targets"], traffic, "{ran}");
    println!("{ran}");
    (world, fleet, ran)
}

#[test]
fn a_plugin_that_loops_is_stopped() {
    harmed("loop", "").2.says("time");
}

#[test]
fn a_plugin_that_eats_memory_is_stopped() {
    harmed("eat memory", "").2.says("memory");
}

#[test]
fn a_plugin_that_panics_fails_its_call() {
    harmed("panic", "").2.says("broke off");
}

#[test]
fn a_plugin_that_asks_another_origin_is_denied() {
    let sink = Sink::start(200);
    let (_world, _fleet, ran) = harmed("ask", &format!("{}/secret", sink.url()));
    // It says which line of the configuration would allow it.
    ran.says("was not granted")
        .says("grants.http")
        .says(&sink.url());
    assert!(sink.received().is_empty());
}

#[test]
fn a_plugin_that_climbs_out_of_its_directory_is_denied() {
    harmed("read", "/etc/passwd").2.says("was not granted");
    let (world, _fleet, ran) = harmed("write", "apps/one/../../written");
    ran.says("`..`");
    assert!(!world.file("written").exists());
}

#[test]
fn a_plugin_that_returns_garbage_fails_its_call() {
    let (_world, _fleet, ran) = harmed("return garbage", "");
    assert!(
        !ran.all().contains('\u{1b}'),
        "nothing of it reaches the terminal raw: {ran}"
    );
}

#[test]
fn a_plugin_that_returns_too_much_fails_its_call() {
    harmed("return too much", "");
}
