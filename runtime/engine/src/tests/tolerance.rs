//! Targets that are left out, and how many may be.

use super::{
    Stage,
    course::web,
    scripts::{Script, activate, drain, healthy, install, restore, rolling},
};
use crate::{
    Admission, Brief, Count, Effect, Name, Origin, Verdict,
    testing::{Fault, Kind, MemoryWorld},
};

fn tolerant(tolerate: Count) -> Brief {
    let mut brief = web();
    brief.rules.tolerate = tolerate;
    brief
}

fn stage(tolerate: Count) -> Stage {
    let brief = tolerant(tolerate);
    let stage = Stage::new(
        brief.clone(),
        MemoryWorld::new(&brief).running("v1", &[("web", 100.0)]),
    );
    stage.world.minimum(1);
    stage
}

#[track_caller]
fn left_out(verdict: &Verdict, targets: &[&str]) {
    let Verdict::Succeeded { left_out } = verdict else {
        panic!("{verdict:?}")
    };
    let names: Vec<&Name> = left_out.iter().map(|(name, _)| name).collect();
    assert_eq!(names, targets);
}

#[test]
fn unreachable_at_the_start_is_decided_before_anything() {
    let one = stage(Count::Number(0));
    one.world.reachable("b", false);
    let verdict = one.run(&mut Script(rolling(&["a", "b", "c"])));
    let Verdict::Refused { cause } = &verdict else {
        panic!("{verdict:?}")
    };
    assert!(
        cause.message.contains("b: no route to it"),
        "{}",
        cause.message
    );
    assert_eq!(one.world.deeds(), Vec::new());

    let two = stage(Count::Number(1));
    two.world.reachable("b", false);
    left_out(&two.run(&mut Script(rolling(&["a", "b", "c"]))), &["b"]);
    // It was serving, and goes on with what it has.
    assert_eq!(two.world.states()["b"].active, Some("v1".into()));
    assert!(two.world.percents()["b"] > 33.0);
}

#[test]
fn a_percentage_is_rounded_down() {
    for (percent, ok) in [(33.0, false), (34.0, true), (100.0 / 3.0, true)] {
        let stage = stage(Count::Percent(percent));
        stage.world.reachable("b", false);
        let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
        assert_eq!(
            matches!(verdict, Verdict::Succeeded { .. }),
            ok,
            "{percent} %"
        );
    }
}

#[test]
fn one_that_fails_to_install_stays_as_it_was() {
    let stage = stage(Count::Number(1));
    stage.world.fault(Fault::new(Kind::Install).on(&["a"]));
    left_out(&stage.run(&mut Script(rolling(&["a", "b", "c"]))), &["a"]);
    assert_eq!(stage.world.states()["a"].active, Some("v1".into()));
    assert!(stage.world.percents()["a"] > 33.0);
    let touched = stage
        .world
        .deeds()
        .into_iter()
        .any(|deed| match deed.effect {
            Effect::Activate { releases } => releases.contains_key("a"),
            _ => false,
        });
    assert!(!touched, "a is passed over");
}

#[test]
fn one_that_does_not_get_well_is_taken_out() {
    let stage = stage(Count::Number(1));
    stage.world.ill("a", "v2", true);
    left_out(&stage.run(&mut Script(rolling(&["a", "b", "c"]))), &["a"]);
    assert_eq!(stage.world.traffic().admission("a"), Admission::Out);
    assert_eq!(stage.world.percents()["a"], 0.0);
    let own = stage.journal.records().into_iter().any(|record| {
        record.intent.origin == Origin::Host
            && matches!(record.intent.effect, Some(Effect::Apply { .. }))
    });
    assert!(own, "taking it out is recorded");
}

#[test]
fn more_than_are_tolerated_fail_the_deployment() {
    let stage = stage(Count::Number(1));
    stage.world.ill("a", "v2", true);
    stage.world.ill("b", "v2", true);
    let before = stage.snapshot();
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    let Verdict::RolledBack { cause } = &verdict else {
        panic!("{verdict:?}")
    };
    assert!(cause.message.contains("1 target"), "{}", cause.message);
    assert_eq!(stage.snapshot(), before);
    stage.assert_no_new_traffic();
}

#[test]
fn two_of_one_call_are_too_many_for_one() {
    let stage = stage(Count::Number(1));
    stage.world.fault(Fault::new(Kind::Install).on(&["a", "b"]));
    let verdict = stage.run(&mut Script(vec![install(&["a", "b", "c"])]));
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
}

#[test]
fn what_was_left_out_is_part_of_the_undo() {
    let stage = stage(Count::Number(1));
    stage.world.ill("a", "v2", true);
    stage.world.fault(Fault::new(Kind::Wait).after(1));
    let before = stage.snapshot();
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
    assert_eq!(stage.snapshot(), before);
}

#[test]
fn the_minimum_that_the_operator_names_holds_for_those_left_out_too() {
    let mut brief = tolerant(Count::Number(1));
    brief.rules.minimum_serving = Some(Count::Number(2));
    let stage = Stage::new(
        brief.clone(),
        MemoryWorld::new(&brief).running("v1", &[("web", 100.0)]),
    );
    stage.world.fault(Fault::new(Kind::Install).on(&["a"]));
    let calls = vec![install(&["a", "b", "c"]), drain(&["b"]), activate(&["b"])];
    let verdict = stage.run(&mut Script(calls));
    let Verdict::RolledBack { cause } = &verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(super::rule(cause), "minimum-serving");
}

#[test]
fn the_last_ready_member_is_not_left_out() {
    let mut brief = crate::testing::brief(&[("a", "canary"), ("b", "stable")]);
    brief.rules.tolerate = Count::Number(1);
    brief.rules.downtime = true;
    let shares = [("canary", 50.0), ("stable", 50.0)];
    let stage = Stage::new(
        brief.clone(),
        MemoryWorld::new(&brief).running("v1", &shares),
    );
    stage.world.ill("a", "v2", true);
    let calls = vec![install(&["a", "b"]), activate(&["a"]), healthy(&["a"])];
    let verdict = stage.run(&mut Script(calls));
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
}

#[test]
fn a_call_about_nobody_that_is_left_does_nothing() {
    let stage = stage(Count::Number(1));
    stage.world.reachable("a", false);
    let a = &["a"];
    let mut calls = rolling(&["b", "c"]);
    calls.extend([install(a), drain(a), activate(a), healthy(a), restore(a)]);
    left_out(&stage.run(&mut Script(calls)), &["a"]);
}

#[test]
fn an_unhealthy_soak_is_never_tolerated() {
    let stage = stage(Count::Number(2));
    stage.world.falls_ill(0, "a", "v2");
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
}

#[test]
fn a_load_balancer_that_names_a_target_fails_all_the_same() {
    let stage = stage(Count::Number(2));
    stage.world.fault(Fault::new(Kind::Apply).on(&["a"]));
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
}

#[test]
fn under_downtime_one_is_taken_out_once_the_others_are_well() {
    let mut brief = tolerant(Count::Number(1));
    brief.rules.downtime = true;
    let stage = Stage::new(
        brief.clone(),
        MemoryWorld::new(&brief).running("v1", &[("web", 100.0)]),
    );
    stage.world.fault(Fault::new(Kind::Activate).on(&["a"]));
    left_out(
        &stage.run(&mut Script(super::scripts::simple(&["a", "b", "c"]))),
        &["a"],
    );
    assert_eq!(stage.world.percents()["a"], 0.0);
    let course: Vec<bool> = stage
        .world
        .deeds()
        .iter()
        .filter(|deed| {
            matches!(
                deed.effect,
                Effect::Apply { .. } | Effect::AwaitHealthy { .. }
            )
        })
        .map(|deed| matches!(deed.effect, Effect::Apply { .. }))
        .collect();
    assert_eq!(course, [false, true]);
}
