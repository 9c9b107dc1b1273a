//! What `blue-green` asks of the host, call by call.

use runtime_sdk::{
    serde_json::from_value,
    testing::{Fake, deployment},
};

use super::*;

const FLEET: [(&str, &str); 4] = [
    ("b1", "blue"),
    ("b2", "blue"),
    ("g1", "green"),
    ("g2", "green"),
];

fn blue_green(settings: Value) -> BlueGreen {
    from_value(settings).unwrap()
}

#[test]
fn the_idle_group_gets_the_release_and_then_all_traffic() {
    let fake = Fake::new().traffic(&[("blue", 100.0), ("green", 0.0)]);
    blue_green(json!({})).run(&deployment(&FLEET)).unwrap();
    assert_eq!(
        fake.calls(),
        [
            "current",
            "begin install on green",
            "install g1 g2",
            "begin activate on green",
            "activate g1 g2",
            "await-healthy g1 g2",
            "begin switch to green",
            "split blue=0 green=100",
        ]
    );
}

#[test]
fn the_next_time_it_is_the_other_group() {
    let fake = Fake::new().traffic(&[("green", 100.0)]);
    blue_green(json!({})).run(&deployment(&FLEET)).unwrap();
    assert_eq!(fake.calls().last().unwrap(), "split blue=100 green=0");
}

#[test]
fn the_first_deployment_goes_to_the_first_group_at_once() {
    let fake = Fake::new();
    let settings = json!({ "stages": [10], "keep-old": "30m", "approve": true });
    blue_green(settings)
        .run(&deployment(&FLEET).as_first())
        .unwrap();
    assert_eq!(
        fake.calls(),
        [
            "current",
            "begin install on blue",
            "install b1 b2",
            "begin activate on blue",
            "activate b1 b2",
            "await-healthy b1 b2",
            "begin switch to blue",
            "split blue=100 green=0",
        ]
    );
}

#[test]
fn traffic_can_move_in_stages_and_the_old_group_be_kept() {
    let fake = Fake::new().traffic(&[("blue", 100.0)]);
    let settings = json!({ "stages": [10, 50, 100], "soak": "15m", "keep-old": "30m" });
    blue_green(settings).run(&deployment(&FLEET)).unwrap();
    assert_eq!(
        fake.calls()[6..],
        [
            "begin green at 10%",
            "split blue=90 green=10",
            "wait 15m",
            "begin green at 50%",
            "split blue=50 green=50",
            "wait 15m",
            "begin switch to green",
            "split blue=0 green=100",
            "begin keep blue",
            "wait 30m",
        ]
    );
}

#[test]
fn a_failure_while_the_old_group_is_kept_fails_the_deployment() {
    let fake = Fake::new()
        .traffic(&[("blue", 100.0)])
        .fails("watch g1 g2 |  for 30m", Failure::breached("p95 is 800 ms"));
    let deployment = deployment(&FLEET).with_detail("analysis", true);
    let failure = blue_green(json!({ "keep-old": "30m" }))
        .run(&deployment)
        .unwrap_err();
    assert_eq!(failure.message, "p95 is 800 ms");
    assert_eq!(fake.calls().last().unwrap(), "watch g1 g2 |  for 30m");
}

#[test]
fn a_rollback_to_what_still_runs_is_only_a_switch() {
    let fake = Fake::new().traffic(&[("blue", 100.0)]);
    let mut deployment = deployment(&FLEET).as_rollback();
    deployment.active[2].1 = Some("2".into());
    deployment.active[3].1 = Some("2".into());
    blue_green(json!({ "stages": [10], "keep-old": "30m" }))
        .run(&deployment)
        .unwrap();
    assert_eq!(
        fake.calls()[2..],
        [
            "install g1 g2",
            "await-healthy g1 g2",
            "begin switch to green",
            "split blue=0 green=100"
        ]
    );
}

#[test]
fn people_are_asked_before_the_switch() {
    let question = "approval Send the traffic from blue to green, with 2?";
    let fake = Fake::new()
        .traffic(&[("blue", 100.0)])
        .fails(question, Failure::rejected("alice said no"));
    blue_green(json!({ "approve": true }))
        .run(&deployment(&FLEET))
        .unwrap_err();
    assert_eq!(fake.calls().last().unwrap(), question);
}

#[test]
fn a_fleet_that_does_not_fit_is_refused_before_anything_happens() {
    let both = [("blue", 50.0), ("green", 50.0)];
    let mut other = FLEET.to_vec();
    other.push(("x1", "red"));
    for (fleet, shares) in [
        (FLEET.to_vec(), &both[..]),
        (FLEET[..2].to_vec(), &[]),
        (other, &[]),
    ] {
        let fake = Fake::new().traffic(shares);
        let failure = blue_green(json!({})).run(&deployment(&fleet)).unwrap_err();
        assert_eq!(failure.code, "invalid");
        assert_eq!(fake.calls(), ["current"]);
    }
}

#[test]
fn nonsense_is_refused() {
    let settings = json!({ "groups": ["a", "a"], "stages": [50, 10] });
    let problems = blue_green(settings).problems();
    let places: Vec<&str> = problems
        .iter()
        .map(|problem| problem.pointer.as_str())
        .collect();
    assert_eq!(places, ["/groups/1", "/stages/1"]);
}

#[test]
fn the_schema_is_current() {
    runtime_sdk::testing::check_schema::<BlueGreen>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn the_idle_group_must_take_part() {
    let fake = Fake::new().traffic(&[("blue", 100.0)]);
    let mut only_blue = deployment(&FLEET);
    only_blue.details = json!({ "bystanders": ["g1", "g2"] }).to_string();
    let failure = blue_green(json!({})).run(&only_blue).unwrap_err();
    assert_eq!(failure.code, "invalid");
    assert!(
        failure.message.contains("`green` is idle") && failure.message.contains("g1, g2"),
        "{}",
        failure.message
    );
    assert_eq!(fake.calls(), ["current"]);
}
