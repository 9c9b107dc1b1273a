//! What `rolling` asks of the host, call by call.

use runtime_sdk::{
    serde_json::from_value,
    testing::{Fake, deployment},
};

use super::*;

const THREE: [(&str, &str); 3] = [("web01", "web"), ("web02", "web"), ("web03", "web")];

fn rolling(settings: Value) -> Rolling {
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
fn one_at_a_time_with_a_pause_between() {
    let fake = Fake::new().traffic(&[("web", 100.0)]);
    rolling(json!({ "pause": "30s" }))
        .run(&deployment(&THREE[..2]))
        .unwrap();
    assert_eq!(
        fake.calls(),
        [
            "current",
            "begin install",
            "install web01 web02",
            "begin batch 1 of 2",
            "drain web01",
            "activate web01",
            "await-healthy web01",
            "restore web01",
            "wait 30s",
            "begin batch 2 of 2",
            "drain web02",
            "activate web02",
            "await-healthy web02",
            "restore web02",
        ]
    );
}

#[test]
fn a_first_target_is_a_barrier_for_the_rest() {
    let fake = Fake::new().traffic(&[("web", 100.0)]);
    let settings = json!({ "first": "web02", "batch": 2, "pause": "1m" });
    let failed = fake.fails("await-healthy web02", Failure::unhealthy("no"));
    rolling(settings).run(&deployment(&THREE)).unwrap_err();
    assert_eq!(
        effects(&failed),
        [
            "current",
            "install web01 web02 web03",
            "drain web02",
            "activate web02",
            "await-healthy web02",
        ]
    );
}

#[test]
fn the_share_of_a_single_member_goes_to_the_others_meanwhile() {
    let fake = Fake::new().traffic(&[("a", 25.0), ("b", 75.0)]);
    let fleet = [("web01", "a"), ("web02", "b"), ("web03", "b")];
    rolling(json!({})).run(&deployment(&fleet)).unwrap();
    assert_eq!(
        effects(&fake)[2..],
        [
            "split a=0 b=100",
            "activate web01",
            "await-healthy web01",
            "split a=25 b=75",
            "drain web02",
            "activate web02",
            "await-healthy web02",
            "restore web02",
            "drain web03",
            "activate web03",
            "await-healthy web03",
            "restore web03",
        ]
    );
}

#[test]
fn what_does_not_serve_yet_goes_first() {
    let fake = Fake::new().traffic(&[("web", 100.0)]);
    let mut deployment = deployment(&THREE[..2]);
    deployment.active[1].1 = None;
    rolling(json!({})).run(&deployment).unwrap();
    assert_eq!(
        effects(&fake)[2..],
        [
            "activate web02",
            "await-healthy web02",
            "restore web02",
            "drain web01",
            "activate web01",
            "await-healthy web01",
            "restore web01",
        ]
    );
}

#[test]
fn groups_come_in_the_order_asked_for() {
    let fake = Fake::new().traffic(&[("eu", 50.0), ("us", 50.0)]);
    let fleet = [("eu1", "eu"), ("us1", "us"), ("eu2", "eu"), ("us2", "us")];
    rolling(json!({ "order": ["us"], "batch": "50%" }))
        .run(&deployment(&fleet))
        .unwrap();
    let activations: Vec<String> = fake
        .calls()
        .into_iter()
        .filter(|call| call.starts_with("activate"))
        .collect();
    assert_eq!(activations, ["activate us1 us2", "activate eu1 eu2"]);
}

#[test]
fn a_batch_of_all_is_refused_before_anything_is_switched() {
    let fake = Fake::new().traffic(&[("web", 100.0)]);
    let failure = rolling(json!({ "batch": "100%" }))
        .run(&deployment(&THREE))
        .unwrap_err();
    assert_eq!(failure.code, "invalid");
    assert!(!fake.calls().iter().any(|call| call.starts_with("activate")));
}

#[test]
fn a_rollback_does_not_pause() {
    let fake = Fake::new().traffic(&[("web", 100.0)]);
    rolling(json!({ "pause": "5m" }))
        .run(&deployment(&THREE).as_rollback())
        .unwrap();
    assert!(!fake.calls().iter().any(|call| call.starts_with("wait")));
}

#[test]
fn the_pause_is_watched_where_there_is_an_analysis() {
    let fake = Fake::new()
        .traffic(&[("web", 100.0)])
        .verdict("inconclusive");
    let deployment = deployment(&THREE).with_detail("analysis", true);
    let failure = rolling(json!({ "pause": "5m" }))
        .run(&deployment)
        .unwrap_err();
    assert_eq!(failure.code, "breached");
    assert_eq!(fake.calls().last().unwrap(), "watch web01 |  for 5m");
}

#[test]
fn without_a_load_balancer_there_is_nothing_to_drain() {
    let fake = Fake::new();
    rolling(json!({}))
        .run(&deployment(&THREE[..1]).with_detail("balancer", false))
        .unwrap();
    assert_eq!(
        effects(&fake),
        ["install web01", "activate web01", "await-healthy web01"]
    );
}

#[test]
fn nonsense_is_refused() {
    let places = |settings: Value| -> Vec<String> {
        rolling(settings)
            .problems()
            .into_iter()
            .map(|problem| problem.pointer)
            .collect()
    };
    assert_eq!(
        places(json!({ "batch": 0, "order": ["a", "b", "a"] })),
        ["/batch", "/order/2"]
    );
    assert_eq!(places(json!({ "batch": "25%" })), [""; 0]);
    let fake = Fake::new().traffic(&[("web", 100.0)]);
    let unknown = rolling(json!({ "first": "web09" }))
        .run(&deployment(&THREE))
        .unwrap_err();
    assert_eq!(unknown.code, "invalid");
    assert_eq!(fake.calls(), ["current"]);
}

#[test]
fn the_schema_is_current() {
    runtime_sdk::testing::check_schema::<Rolling>(env!("CARGO_MANIFEST_DIR"));
}
