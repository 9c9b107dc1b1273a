//! What `canary` asks of the host, call by call.

use runtime_sdk::{
    serde_json::from_value,
    testing::{Fake, deployment},
};

use super::*;

const FOUR: [(&str, &str); 4] = [
    ("web01", "canary"),
    ("web02", "stable"),
    ("web03", "stable"),
    ("web04", "stable"),
];
const TWO: [(&str, &str); 2] = [("one", "canary"), ("two", "stable")];

fn canary(settings: Value) -> Canary {
    from_value(settings).unwrap()
}

/// The calls, without the stages' names.
fn effects(fake: &Fake) -> Vec<String> {
    fake.calls()
        .into_iter()
        .filter(|call| !call.starts_with("begin"))
        .collect()
}

#[test]
fn by_default_three_stages_then_one_at_a_time() {
    let fake = Fake::new().traffic(&[("canary", 25.0), ("stable", 75.0)]);
    canary(json!({})).run(&deployment(&FOUR)).unwrap();
    assert_eq!(
        fake.calls(),
        [
            "current",
            "begin install",
            "install web01 web02 web03 web04",
            "begin activate canary",
            "split canary=0 stable=100",
            "activate web01",
            "await-healthy web01",
            "begin canary at 10%",
            "split canary=10 stable=90",
            "wait 5m",
            "begin canary at 25%",
            "split canary=25 stable=75",
            "wait 5m",
            "begin canary at 50%",
            "split canary=50 stable=50",
            "wait 5m",
            "begin the rest of the fleet",
            "begin batch 1 of 3",
            "drain web02",
            "activate web02",
            "await-healthy web02",
            "restore web02",
            "begin batch 2 of 3",
            "drain web03",
            "activate web03",
            "await-healthy web03",
            "restore web03",
            "begin batch 3 of 3",
            "drain web04",
            "activate web04",
            "await-healthy web04",
            "restore web04",
            "split canary=25 stable=75",
        ]
    );
}

#[test]
fn who_got_nothing_is_looked_at_before_the_canary_lends_its_share() {
    let fake = Fake::new().traffic(&[("canary", 100.0), ("stable", 0.0)]);
    canary(json!({ "stages": [50] }))
        .run(&deployment(&TWO))
        .unwrap();
    assert_eq!(
        effects(&fake)[..5],
        [
            "current",
            "install one two",
            "await-healthy two",
            "split canary=0 stable=100",
            "activate one",
        ]
    );
}

#[test]
fn a_single_other_target_lends_its_share_to_the_canary() {
    let fake = Fake::new().traffic(&[("canary", 50.0), ("stable", 50.0)]);
    canary(json!({ "stages": [10, 50], "soak": "5s" }))
        .run(&deployment(&TWO))
        .unwrap();
    assert_eq!(
        effects(&fake)[2..],
        [
            "split canary=0 stable=100",
            "activate one",
            "await-healthy one",
            "split canary=10 stable=90",
            "wait 5s",
            "split canary=50 stable=50",
            "wait 5s",
            "split canary=100 stable=0",
            "activate two",
            "await-healthy two",
            "split canary=50 stable=50",
        ]
    );
}

#[test]
fn with_all_traffic_on_the_canary_the_others_need_no_draining() {
    let fake = Fake::new().traffic(&[("canary", 25.0), ("stable", 75.0)]);
    let settings = json!({ "stages": [100], "soak": "1m", "batch": "100%" });
    canary(settings).run(&deployment(&FOUR)).unwrap();
    assert_eq!(
        effects(&fake)[4..],
        [
            "await-healthy web01",
            "split canary=100 stable=0",
            "wait 1m",
            "activate web02 web03 web04",
            "await-healthy web02 web03 web04",
            "split canary=25 stable=75",
        ]
    );
}

#[test]
fn the_idle_group_takes_over_and_the_others_stay_idle() {
    let fake = Fake::new().traffic(&[("blue", 100.0), ("green", 0.0)]);
    let fleet = [
        ("b1", "blue"),
        ("b2", "blue"),
        ("g1", "green"),
        ("g2", "green"),
    ];
    let settings = json!({ "group": "idle", "stages": [10], "batch": 2 });
    canary(settings).run(&deployment(&fleet)).unwrap();
    assert_eq!(
        effects(&fake)[1..],
        [
            "install b1 b2 g1 g2",
            "activate g1 g2",
            "await-healthy g1 g2",
            "split blue=90 green=10",
            "wait 5m",
            "split blue=0 green=100",
            "activate b1 b2",
            "await-healthy b1 b2",
        ]
    );
}

#[test]
fn the_first_deployment_is_all_at_once() {
    let fake = Fake::new();
    canary(json!({}))
        .run(&deployment(&FOUR).as_first())
        .unwrap();
    assert_eq!(
        effects(&fake),
        [
            "current",
            "install web01 web02 web03 web04",
            "activate web01 web02 web03 web04",
            "await-healthy web01 web02 web03 web04",
            "split canary=25 stable=75",
        ]
    );
}

#[test]
fn the_first_deployment_with_an_idle_group_leaves_one_idle() {
    let fake = Fake::new();
    let fleet = [("b1", "blue"), ("g1", "green")];
    canary(json!({ "group": "idle" }))
        .run(&deployment(&fleet).as_first())
        .unwrap();
    assert_eq!(effects(&fake).last().unwrap(), "split blue=100 green=0");
}

#[test]
fn a_rollback_neither_soaks_nor_asks() {
    let fake = Fake::new().traffic(&[("canary", 50.0), ("stable", 50.0)]);
    canary(json!({ "approve": true }))
        .run(&deployment(&TWO).as_rollback())
        .unwrap();
    assert_eq!(
        effects(&fake)[2..],
        [
            "split canary=0 stable=100",
            "activate one",
            "await-healthy one",
            "split canary=50 stable=50",
            "split canary=100 stable=0",
            "activate two",
            "await-healthy two",
            "split canary=50 stable=50",
        ]
    );
}

#[test]
fn an_analysis_watches_each_stage_beside_the_others() {
    let fake = Fake::new().traffic(&[("canary", 50.0), ("stable", 50.0)]);
    let settings = json!({
        "stages": [10, 50], "first-soak": "1h", "soak": ["5m", "10m"],
    });
    canary(settings)
        .run(&deployment(&TWO).with_detail("analysis", true))
        .unwrap();
    let calls = fake.calls();
    let watched: Vec<&String> = calls
        .iter()
        .filter(|call| call.starts_with("watch"))
        .collect();
    assert_eq!(
        watched,
        ["watch one | two for 1h", "watch one | two for 10m"]
    );
}

#[test]
fn an_analysis_that_cannot_tell_fails_unless_told_otherwise() {
    let deployment = deployment(&TWO).with_detail("analysis", true);
    let shares = [("canary", 50.0), ("stable", 50.0)];
    {
        let fake = Fake::new().traffic(&shares).verdict("inconclusive");
        assert_eq!(
            canary(json!({})).run(&deployment).unwrap_err().code,
            "breached"
        );
        assert_eq!(fake.calls().last().unwrap(), "watch one | two for 5m");
    }
    let _fake = Fake::new().traffic(&shares).verdict("inconclusive");
    canary(json!({ "inconclusive": "continue" }))
        .run(&deployment)
        .unwrap();
}

#[test]
fn people_are_asked_before_the_rest_follows() {
    let question = "approval shop 2 on one. Go on to the other 1?";
    let fake = Fake::new()
        .traffic(&[("canary", 50.0), ("stable", 50.0)])
        .fails(question, Failure::rejected("alice said no"));
    canary(json!({ "approve": true }))
        .run(&deployment(&TWO))
        .unwrap_err();
    assert_eq!(fake.calls().last().unwrap(), question);
}

#[test]
fn a_first_share_replaces_the_stages_below_it() {
    let fake = Fake::new().traffic(&[("canary", 50.0), ("stable", 50.0)]);
    canary(json!({ "traffic-percent": 10 }))
        .run(&deployment(&TWO))
        .unwrap();
    let splits: Vec<String> = fake
        .calls()
        .into_iter()
        .filter(|call| call.starts_with("begin canary"))
        .collect();
    assert_eq!(
        splits,
        [
            "begin canary at 10%",
            "begin canary at 25%",
            "begin canary at 50%"
        ]
    );
}

#[test]
fn a_fleet_that_does_not_fit_is_refused_before_anything_happens() {
    for (settings, fleet, shares) in [
        (
            json!({}),
            vec![("a", "web"), ("b", "other")],
            vec![("web", 50.0), ("other", 50.0)],
        ),
        (json!({}), vec![("a", "canary")], vec![("canary", 100.0)]),
        (
            json!({ "group": "idle" }),
            TWO.to_vec(),
            vec![("canary", 50.0), ("stable", 50.0)],
        ),
        (json!({ "group": "idle" }), TWO.to_vec(), vec![]),
    ] {
        let fake = Fake::new().traffic(&shares);
        let failure = canary(settings).run(&deployment(&fleet)).unwrap_err();
        assert_eq!(failure.code, "invalid");
        assert_eq!(fake.calls(), ["current"]);
    }
}

#[test]
fn nonsense_is_refused() {
    for (settings, expected) in [
        (json!({ "stages": [10, 50, 100] }), &[][..]),
        (json!({ "stages": [] }), &["/stages"]),
        (
            json!({ "stages": [10, 10, 5] }),
            &["/stages/1", "/stages/2"],
        ),
        (json!({ "stages": [0, 10] }), &["/stages/0"]),
        (json!({ "stages": [10, 50], "soak": ["5m"] }), &["/soak"]),
        (
            json!({ "traffic-percent": 0, "batch": 0 }),
            &["/traffic-percent", "/batch"],
        ),
    ] {
        let problems = canary(settings).problems();
        let places: Vec<&str> = problems
            .iter()
            .map(|problem| problem.pointer.as_str())
            .collect();
        assert_eq!(places, expected);
    }
}

#[test]
fn the_schema_is_current() {
    runtime_sdk::testing::check_schema::<Canary>(env!("CARGO_MANIFEST_DIR"));
}
