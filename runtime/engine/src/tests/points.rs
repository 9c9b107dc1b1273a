//! The operator's steps: when they run, with whom, and how they are taken back.

use super::{
    Stage,
    course::{all, web},
    scripts::{Script, rolling, simple},
};
use crate::{
    Brief, Effect, Point, StepRule, Verdict,
    testing::{Fault, Kind, MemoryWorld},
};

const POINTS: [Point; 7] = [
    Point::BeforeDeploy,
    Point::BeforeActivate,
    Point::BeforeTraffic,
    Point::AfterTraffic,
    Point::AfterDeploy,
    Point::BeforeRollback,
    Point::AfterRollback,
];

fn step(at: Point, each: bool) -> StepRule {
    StepRule {
        name: format!("{at:?}"),
        at,
        each,
        irreversible: false,
        repeat: true,
    }
}

fn stage(steps: Vec<StepRule>) -> Stage {
    let mut brief = web();
    brief.rules.steps = steps;
    running(&brief)
}

fn running(brief: &Brief) -> Stage {
    Stage::new(
        brief.clone(),
        MemoryWorld::new(brief).running("v1", &[("web", 100.0)]),
    )
}

/// The effects, with steps by point and targets.
fn course(stage: &Stage) -> Vec<String> {
    let tell = |effect: &Effect| match effect {
        Effect::Step { point, targets, .. } => {
            let names: Vec<&str> = targets.iter().map(|name| name.as_str()).collect();
            Some(format!("{point:?} {}", names.join("")))
        }
        Effect::UndoStep { point, .. } => Some(format!("undo {point:?}")),
        Effect::Activate { releases } => {
            let names: Vec<&str> = releases.keys().map(|name| name.as_str()).collect();
            Some(format!("activate {}", names.join("")))
        }
        Effect::Apply { joining, .. } if !joining.is_empty() => Some("join".to_owned()),
        _ => None,
    };
    stage
        .world
        .deeds()
        .iter()
        .filter_map(|deed| tell(&deed.effect))
        .collect()
}

#[test]
fn each_point_is_reached_once() {
    let stage = stage(POINTS.map(|point| step(point, false)).to_vec());
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    assert_eq!(
        verdict,
        Verdict::Succeeded {
            left_out: Vec::new()
        }
    );
    assert_eq!(
        course(&stage),
        [
            "BeforeDeploy abc",
            "BeforeActivate a",
            "activate a",
            "BeforeTraffic a",
            "join",
            "activate b",
            "join",
            "activate c",
            "join",
            "AfterTraffic abc",
            "AfterDeploy abc",
        ]
    );
}

#[test]
fn or_for_each_batch() {
    let points = [
        Point::BeforeActivate,
        Point::BeforeTraffic,
        Point::AfterTraffic,
    ];
    let stage = stage(points.map(|point| step(point, true)).to_vec());
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    assert_eq!(
        verdict,
        Verdict::Succeeded {
            left_out: Vec::new()
        }
    );
    let one = |name: &str| {
        [
            format!("BeforeActivate {name}"),
            format!("activate {name}"),
            format!("BeforeTraffic {name}"),
            "join".to_owned(),
            format!("AfterTraffic {name}"),
        ]
    };
    let expected: Vec<String> = ["a", "b", "c"].iter().flat_map(|name| one(name)).collect();
    assert_eq!(course(&stage), expected);
}

#[test]
fn where_there_is_no_balancer_activation_is_traffic() {
    let mut brief = web();
    brief.rules.balancer = None;
    brief.rules.downtime = true;
    brief.rules.steps = POINTS.map(|point| step(point, false)).to_vec();
    let stage = running(&brief);
    stage.run(&mut Script(simple(&["a", "b", "c"])));
    assert_eq!(
        course(&stage),
        [
            "BeforeDeploy abc",
            "BeforeActivate abc",
            "BeforeTraffic abc",
            "activate abc",
            "AfterTraffic abc",
            "AfterDeploy abc"
        ]
    );
}

#[test]
fn a_step_that_fails_keeps_the_operation_from_happening() {
    for (point, reached) in [(0, 0), (1, 0), (2, 1), (3, 3), (4, 3)] {
        let stage = stage(vec![step(POINTS[point], false)]);
        stage.world.fault(Fault::new(Kind::Step));
        let before = stage.snapshot();
        let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
        let Verdict::RolledBack { cause } = &verdict else {
            panic!("{verdict:?}")
        };
        assert!(cause.message.contains("the step \""), "{}", cause.message);
        assert_eq!(stage.snapshot(), before);
        let forward = stage
            .world
            .deeds()
            .into_iter()
            .filter(|deed| !deed.call.undoing);
        let activated = forward
            .filter(|deed| matches!(deed.effect, Effect::Activate { .. }))
            .count();
        assert_eq!(activated, reached, "{:?}", POINTS[point]);
        // Also the step itself, which may have happened partly.
        assert!(course(&stage).contains(&format!("undo {:?}", POINTS[point])));
    }
}

#[test]
fn the_operation_of_a_failed_step_is_recorded_as_failed_without_effect() {
    let stage = stage(vec![step(Point::BeforeActivate, false)]);
    stage.world.fault(Fault::new(Kind::Step));
    stage.run(&mut Script(rolling(&["a", "b", "c"])));
    let records = stage.journal.records();
    let operation = records.iter().find(|record| {
        matches!(
            record.intent.operation,
            Some(crate::Operation::Activate { .. })
        )
    });
    let operation = operation.unwrap();
    assert_eq!(operation.intent.effect, None);
    assert!(operation.outcome.as_ref().unwrap().result.is_err());
}

#[test]
fn steps_are_taken_back_in_their_turn_with_what_they_returned() {
    let stage = stage(vec![
        step(Point::BeforeDeploy, false),
        step(Point::BeforeTraffic, false),
    ]);
    stage.world.fault(Fault::new(Kind::Wait));
    stage.run(&mut Script(rolling(&["a", "b", "c"])));
    let undone: Vec<(usize, u64)> = stage
        .undone()
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::UndoStep { step, outcome, .. } => Some((step, outcome["ran"].as_u64()?)),
            _ => None,
        })
        .collect();
    assert_eq!(undone, [(1, 1), (0, 0)]);
}

#[test]
fn steps_run_around_the_rollback() {
    let stage = stage(vec![
        step(Point::BeforeRollback, false),
        step(Point::AfterRollback, false),
    ]);
    stage.world.fault(Fault::new(Kind::Wait));
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
    let course = course(&stage);
    let undone = &course[course
        .iter()
        .position(|line| line.contains("BeforeRollback"))
        .unwrap()..];
    assert_eq!(
        undone,
        [
            "BeforeRollback abc",
            "activate a",
            "join",
            "AfterRollback abc"
        ]
    );
}

#[test]
fn a_step_around_the_rollback_that_fails_keeps_nothing_from_going_back() {
    for point in [Point::BeforeRollback, Point::AfterRollback] {
        let stage = stage(vec![step(point, false)]);
        stage.world.fault(Fault::new(Kind::Wait));
        stage.world.fault(Fault::new(Kind::Step));
        let before = stage.snapshot();
        let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
        let Verdict::Stuck { differences, .. } = &verdict else {
            panic!("{verdict:?}")
        };
        assert!(differences[0].contains(&format!("the step \"{point:?}\" failed")));
        assert_eq!(stage.snapshot(), before);
    }
}

#[test]
fn a_step_that_cannot_be_taken_back_is_told_of() {
    let stage = stage(vec![step(Point::BeforeDeploy, false)]);
    stage.world.fault(Fault::new(Kind::Wait));
    stage.world.fault(Fault::new(Kind::UndoStep));
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    assert!(matches!(verdict, Verdict::Stuck { .. }), "{verdict:?}");
    assert!(matches!(stage.roll_back(), Verdict::RolledBack { .. }));
}

#[test]
fn past_an_irreversible_step_a_failure_freezes() {
    for (failing, frozen) in [(Kind::Wait, true), (Kind::Install, false)] {
        let mut migration = step(Point::BeforeActivate, false);
        migration.irreversible = true;
        let stage = stage(vec![migration]);
        stage.world.fault(Fault::new(failing));
        let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
        assert_eq!(
            matches!(verdict, Verdict::Frozen { .. }),
            frozen,
            "{verdict:?}"
        );
        if let Verdict::Frozen { differences, .. } = &verdict {
            let told = differences.join("\n");
            assert!(told.contains("cannot be taken back"), "{told}");
            assert!(told.contains("a runs v2"), "{told}");
            assert!(stage.undone().is_empty());

            // A person decides: all goes back but the step, and that is said.
            let verdict = stage.roll_back();
            let Verdict::Stuck { differences, .. } = &verdict else {
                panic!("{verdict:?}")
            };
            assert!(
                differences[0].contains("cannot be taken back"),
                "{differences:?}"
            );
            assert_eq!(stage.world.states()["a"].active, Some("v1".into()));
        }
    }
}

#[test]
fn a_failing_step_after_the_deployment_takes_it_back() {
    let stage = stage(vec![step(Point::AfterDeploy, false)]);
    stage.world.fault(Fault::new(Kind::Step));
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
}

#[test]
fn a_step_that_may_not_be_repeated_is_not() {
    let mut once = step(Point::BeforeActivate, false);
    once.repeat = false;
    let stage = stage(vec![once]);
    stage.world.fault(Fault::new(Kind::Step));
    let mut calls = rolling(&["a", "b", "c"]);
    calls.insert(3, calls[2].clone());
    let mut strategy = super::scripts::Careless::new(calls);
    stage.run(&mut strategy);
    assert!(
        strategy.failures()[1].message.contains("second time"),
        "{:?}",
        strategy.failures()
    );
}

#[test]
fn steps_after_all_traffic_run_at_the_latest_at_the_end() {
    // The release runs everywhere already, so no operation brings the traffic to it.
    let mut brief = web();
    brief.release.id = "v1".into();
    brief.rules.steps = vec![step(Point::AfterTraffic, false)];
    let stage = running(&brief);
    stage.run(&mut Script(Vec::new()));
    assert_eq!(course(&stage), ["AfterTraffic abc"]);
}

#[test]
fn every_strategy_reaches_every_point() {
    for (name, stage, mut script) in all() {
        let mut brief = (*stage.brief).clone();
        brief.rules.steps = POINTS.map(|point| step(point, false)).to_vec();
        let stage = Stage::new(brief, stage.world);
        stage.run(&mut script);
        let steps = course(&stage)
            .into_iter()
            .filter(|line| line.contains("fore") || line.contains("After"));
        let points: Vec<String> = steps
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect();
        let expected = [
            "BeforeDeploy",
            "BeforeActivate",
            "BeforeTraffic",
            "AfterTraffic",
            "AfterDeploy",
        ];
        assert_eq!(points, expected, "{name}");
    }
}
