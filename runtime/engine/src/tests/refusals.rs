//! Every refusal of the guard: nothing happens, it is recorded, and the deployment is undone.

use super::{
    Stage,
    course::{birds, colours, web},
    rule,
    scripts::{Careless, activate, drain, healthy, install, restore, split},
};
use crate::{Brief, Code, Count, Operation, Verdict, testing::MemoryWorld};

/// The last call is refused by that rule, and has no effect.
#[track_caller]
fn refused(brief: &Brief, world: MemoryWorld, calls: Vec<Operation>, by: &str, says: &[&str]) {
    let count = calls.len();
    let stage = Stage::new(brief.clone(), world);
    let before = stage.snapshot();
    let mut strategy = Careless::new(calls);
    let verdict = stage.run(&mut strategy);
    let [failure] = strategy.failures()[..] else {
        panic!("not just one failure: {:?}", strategy.1);
    };
    assert!(strategy.1[count - 1].is_err(), "{:?}", strategy.1);
    if by == "invalid" {
        assert_eq!(failure.code, Code::Invalid, "{failure:?}");
    } else {
        assert_eq!(
            (&failure.code, rule(failure)),
            (&Code::Refused, by),
            "{failure:?}"
        );
    }
    for text in says {
        assert!(
            failure.message.contains(text),
            "{:?} does not say {text:?}",
            failure.message
        );
    }
    let records = stage.journal.records();
    let last = records.iter().find(|record| {
        record
            .outcome
            .as_ref()
            .is_some_and(|outcome| outcome.result.as_ref() == Err(failure))
    });
    assert!(
        last.is_some_and(|record| record.intent.effect.is_none()),
        "the refusal is recorded"
    );
    assert!(!matches!(verdict, Verdict::Succeeded { .. }));
    assert_eq!(stage.snapshot(), before);
    stage.assert_no_new_traffic();
}

fn serving(brief: &Brief, shares: &[(&str, f64)]) -> MemoryWorld {
    MemoryWorld::new(brief).running("v1", shares)
}

fn on_web(calls: Vec<Operation>, by: &str, says: &[&str]) {
    refused(&web(), serving(&web(), &[("web", 100.0)]), calls, by, says);
}

fn on_colours(calls: Vec<Operation>, by: &str, says: &[&str]) {
    refused(
        &colours(),
        serving(&colours(), &[("blue", 100.0)]),
        calls,
        by,
        says,
    );
}

#[test]
fn activating_under_traffic() {
    let calls = || vec![install(&["a", "b"]), activate(&["a", "b"])];
    on_web(calls(), "activate-under-traffic", &["a and b", "downtime"]);

    for allow in [
        (|brief: &mut Brief| brief.rules.downtime = true) as fn(&mut Brief),
        |brief| brief.rules.platform.push("uninterrupted-activate".into()),
    ] {
        let mut brief = web();
        allow(&mut brief);
        let stage = Stage::new(brief.clone(), serving(&brief, &[("web", 100.0)]));
        let mut strategy = Careless::new(calls());
        stage.run(&mut strategy);
        assert!(strategy.failures().is_empty(), "{:?}", strategy.1);
    }
}

#[test]
fn activating_what_is_not_installed() {
    on_web(
        vec![drain(&["a"]), activate(&["a"])],
        "not-installed",
        &["v2", "a", "install"],
    );
}

#[test]
fn traffic_to_an_unproven_target_by_a_split() {
    let green = &["g1", "g2"];
    let calls = vec![install(green), activate(green), split(&[("green", 100.0)])];
    on_colours(calls, "unproven", &["g1 and g2", "health"]);
}

#[test]
fn traffic_to_an_unproven_target_by_a_restore() {
    let a = &["a"];
    on_web(
        vec![install(a), drain(a), activate(a), restore(a)],
        "unproven",
        &["a would get"],
    );
}

#[test]
fn more_traffic_to_an_unproven_target_by_draining_another() {
    let mut brief = web();
    brief.rules.downtime = true;
    let a = &["a"];
    let world = serving(&brief, &[("web", 100.0)]);
    refused(
        &brief,
        world,
        vec![install(a), activate(a), drain(&["b"])],
        "unproven",
        &["a would"],
    );
}

#[test]
fn fewer_than_the_minimum_by_draining() {
    on_web(
        vec![drain(&["a", "b"])],
        "minimum-serving",
        &["a and b", "1 target", "2 must", "3 served"],
    );
    on_web(
        vec![drain(&["a"]), drain(&["b"])],
        "minimum-serving",
        &["b"],
    );
}

#[test]
fn fewer_than_the_minimum_by_splitting() {
    let brief = birds();
    let world = serving(&brief, &[("canary", 25.0), ("stable", 75.0)]);
    refused(
        &brief,
        world,
        vec![split(&[("canary", 100.0)])],
        "minimum-serving",
        &["b, c and d"],
    );
}

#[test]
fn the_minimum_is_what_the_operator_says() {
    let cases: [(Option<Count>, usize, bool); 9] = [
        (None, 1, true),
        (None, 2, false),
        (Some(Count::Number(2)), 1, true),
        (Some(Count::Number(3)), 1, false),
        (Some(Count::Number(9)), 1, false),
        (Some(Count::Percent(34.0)), 1, true),
        (Some(Count::Percent(34.0)), 2, false),
        (Some(Count::Percent(33.0)), 2, true),
        (Some(Count::Percent(100.0 * 2.0 / 3.0)), 1, true),
    ];
    for (minimum, count, allowed) in cases {
        let mut brief = web();
        brief.rules.minimum_serving = minimum;
        let world = serving(&brief, &[("web", 100.0)]);
        world.minimum(0);
        let stage = Stage::new(brief, world);
        let mut strategy = Careless::new(vec![drain(&["a", "b"][..count])]);
        stage.run(&mut strategy);
        assert_eq!(
            strategy.failures().is_empty(),
            allowed,
            "{minimum:?} draining {count}"
        );
    }
}

#[test]
fn the_only_one_that_serves_stays() {
    let brief = crate::testing::brief(&[("a", "web")]);
    let world = serving(&brief, &[("web", 100.0)]);
    refused(
        &brief,
        world,
        vec![drain(&["a"])],
        "last-member",
        &["web", "100 %"],
    );
}

#[test]
fn the_last_ready_member_of_a_group_with_a_share() {
    let brief = birds();
    let world = serving(&brief, &[("canary", 25.0), ("stable", 75.0)]);
    refused(
        &brief,
        world,
        vec![drain(&["a"])],
        "last-member",
        &["canary", "25 %"],
    );
}

#[test]
fn shares_that_do_not_add_up() {
    on_colours(vec![split(&[("blue", 99.98)])], "shares", &["99.98 %"]);
    on_colours(
        vec![split(&[("blue", 60.0), ("green", 50.0)])],
        "shares",
        &["110 %"],
    );
    on_colours(vec![split(&[])], "shares", &["0 %"]);
}

#[test]
fn shares_may_be_a_hundredth_off() {
    let stage = Stage::new(colours(), serving(&colours(), &[("blue", 100.0)]));
    let mut strategy = Careless::new(vec![split(&[("blue", 99.99)])]);
    stage.run(&mut strategy);
    assert!(strategy.failures().is_empty(), "{:?}", strategy.1);
}

#[test]
fn an_unknown_group_or_target() {
    let calls = vec![split(&[("red", 50.0), ("blue", 50.0)])];
    on_colours(calls, "unknown-group", &["red", "blue and green"]);
    on_web(vec![install(&["a", "x"])], "invalid", &["x", "a, b and c"]);
}

#[test]
fn a_share_for_a_group_without_ready_members() {
    let stage = MemoryWorld::new(&colours());
    refused(
        &colours(),
        stage,
        vec![split(&[("blue", 100.0)])],
        "no-member",
        &["b1 and b2"],
    );
    let green = &["g1", "g2"];
    let calls = vec![
        install(green),
        activate(green),
        healthy(green),
        drain(green),
        split(&[("green", 100.0)]),
    ];
    on_colours(calls, "no-member", &["green", "not drained"]);
}

#[test]
fn nonsense() {
    on_web(vec![install(&["a", "a"])], "invalid", &["a is named twice"]);
    on_colours(
        vec![split(&[("blue", 50.0), ("blue", 50.0)])],
        "invalid",
        &["two shares"],
    );
    on_colours(vec![split(&[("blue", f64::NAN)])], "invalid", &["no share"]);
    on_colours(
        vec![split(&[("blue", 150.0), ("green", -50.0)])],
        "invalid",
        &["-50"],
    );
    on_colours(
        vec![split(&[("blue", f64::INFINITY)])],
        "invalid",
        &["no share"],
    );
    refused(
        &web(),
        MemoryWorld::new(&web()),
        vec![healthy(&["a"])],
        "invalid",
        &["a cannot"],
    );
    let watch = Operation::Watch {
        candidate: vec![],
        baseline: vec![],
        duration_ms: 1,
    };
    on_web(vec![watch], "invalid", &["nothing to watch"]);
}

#[test]
fn splitting_without_a_load_balancer() {
    let mut brief = web();
    brief.rules.balancer = None;
    let world = serving(&brief, &[]);
    refused(
        &brief,
        world,
        vec![split(&[("web", 100.0)])],
        "invalid",
        &["no load balancer"],
    );
    let stage = Stage::new(brief.clone(), serving(&brief, &[]));
    let mut strategy = Careless::new(vec![drain(&["a"]), restore(&["a"])]);
    stage.run(&mut strategy);
    assert!(strategy.failures().is_empty());
    assert_eq!(stage.world.deeds(), Vec::new());
}
