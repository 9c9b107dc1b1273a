//! What `release-directory` does on a machine, step by step.

use runtime_sdk::{
    serde_json::from_value,
    testing::{Fake, check_schema, release, target},
};

use super::*;

fn platform(settings: Value) -> ReleaseDirectory {
    from_value(settings).unwrap()
}

#[test]
fn the_schema_is_current() {
    check_schema::<ReleaseDirectory>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn an_installation_is_one_round_trip() {
    let fake = Fake::new();
    let shared = json!(["storage/", ".env", "var/cache/"]);
    platform(json!({ "root": "/srv/{target}/", "shared": shared }))
        .install(&target("web01", "web"), &release("5.0-a"))
        .unwrap();
    assert_eq!(
        fake.calls(),
        [
            "perform",
            "create-directory /srv/web01/releases",
            "unpack /srv/web01/releases/5.0-a 5.0-a",
            "create-directory /srv/web01/shared/storage",
            "remove /srv/web01/releases/5.0-a/storage",
            "link /srv/web01/releases/5.0-a/storage ../../shared/storage",
            "create-directory /srv/web01/shared",
            "remove /srv/web01/releases/5.0-a/.env",
            "link /srv/web01/releases/5.0-a/.env ../../shared/.env",
            "create-directory /srv/web01/shared/var/cache",
            "create-directory /srv/web01/releases/5.0-a/var",
            "remove /srv/web01/releases/5.0-a/var/cache",
            "link /srv/web01/releases/5.0-a/var/cache ../../../shared/var/cache",
        ]
    );
}

#[test]
fn what_was_cut_off_is_not_complete() {
    // What a machine leaves of an archive that was cut off.
    let fake = Fake::new().file("/srv/releases/2.partial/a", "");
    let (platform, target) = (platform(json!({ "root": "/srv" })), target("web01", "web"));
    platform.install(&target, &release("1")).unwrap();
    let complete = |platform: &ReleaseDirectory| -> Vec<(String, bool)> {
        let installed = platform.installed(&target).unwrap();
        installed
            .into_iter()
            .map(|release| (release.id, release.complete))
            .collect()
    };
    assert_eq!(
        complete(&platform),
        [("1".to_owned(), true), ("2".to_owned(), false)]
    );
    platform.remove(&target, "2").unwrap();
    assert_eq!(complete(&platform), [("1".to_owned(), true)]);
    drop(fake);
}

#[test]
fn a_program_of_its_own_is_ended_switched_and_started() {
    let fake = Fake::new();
    let (target, settings) = (
        target("one", "canary"),
        json!({
            "root": "/srv",
            "start": ["bin/hello", "--listen", "{target.address}"],
            "environment": { "VERSION": "{version}" },
        }),
    );
    let platform = platform(settings);
    platform.activate(&target, &release("2-x")).unwrap();
    assert_eq!(
        fake.calls(),
        [
            "perform",
            "stop /srv/application.pid 10000",
            "link /srv/current releases/2-x",
            "start bin/hello --listen one:80",
        ]
    );
    let command = &fake.commands()[0];
    assert_eq!(command.working_directory.as_deref(), Some("/srv/current"));
    assert_eq!(
        command.environment,
        [("VERSION".to_owned(), "2".to_owned())]
    );
    assert_eq!(platform.active(&target).unwrap().as_deref(), Some("2-x"));

    platform.deactivate(&target).unwrap();
    assert_eq!(platform.active(&target).unwrap(), None);
    assert_eq!(fake.text("/srv/application.pid"), None);
}

#[test]
fn a_service_is_restarted_after_the_switch() {
    let fake = Fake::new();
    let settings = json!({
        "root": "/srv",
        "restart": ["systemctl", "restart", "shop"],
        "stop": ["systemctl", "stop", "shop"],
    });
    let (platform, target) = (platform(settings), target("web01", "web"));
    platform.activate(&target, &release("2")).unwrap();
    platform.deactivate(&target).unwrap();
    assert_eq!(
        fake.calls(),
        [
            "perform",
            "link /srv/current releases/2",
            "run systemctl restart shop",
            "perform",
            "run systemctl stop shop",
            "remove /srv/current",
        ]
    );
}

#[test]
fn a_link_to_elsewhere_names_its_last_part() {
    let _fake = Fake::new().link("/srv/current", "/srv/releases/7/");
    let active = platform(json!({ "root": "/srv" }))
        .active(&target("web01", "web"))
        .unwrap();
    assert_eq!(active.as_deref(), Some("7"));
}

#[test]
fn a_release_that_would_climb_is_refused() {
    let fake = Fake::new();
    let platform = platform(json!({ "root": "/srv" }));
    for id in ["../x", ".", "", "x.partial"] {
        assert_eq!(
            platform
                .remove(&target("web01", "web"), id)
                .unwrap_err()
                .code,
            "invalid"
        );
    }
    assert!(fake.calls().is_empty());
}

#[test]
fn nonsense_is_refused() {
    for (settings, expected) in [
        (
            json!({ "root": "/srv/{target}", "start": ["x", "{{y}}"] }),
            &[][..],
        ),
        (json!({ "root": "/srv/{version}" }), &["/root"]),
        (json!({ "root": "" }), &["/root"]),
        (
            json!({ "root": "/s", "shared": ["a/", "../b", "/c", ""] }),
            &["/shared/1", "/shared/2", "/shared/3"],
        ),
        (
            json!({ "root": "/s", "start": ["x"], "stop": ["y"] }),
            &["/stop"],
        ),
        (json!({ "root": "/s", "restart": [] }), &["/restart"]),
        (
            json!({ "root": "/s", "start": ["x", "{traget}"] }),
            &["/start/1"],
        ),
    ] {
        let problems = platform(settings).problems();
        let places: Vec<&str> = problems
            .iter()
            .map(|problem| problem.pointer.as_str())
            .collect();
        assert_eq!(places, expected);
    }
}
