//! How things are taken back: each rule of it, and what happens where it does not work.

use super::{
    Stage,
    course::{all, birds, colours, web},
    scripts::{
        Careless, Script, activate, blue_green, drain, healthy, install, restore, rolling, simple,
        split, wait,
    },
};
use crate::{
    Effect, Failure, Origin, Verdict,
    testing::{Fault, Kind, MemoryWorld},
};

fn on_web() -> Stage {
    Stage::new(
        web(),
        MemoryWorld::new(&web()).running("v1", &[("web", 100.0)]),
    )
}

fn on_colours() -> Stage {
    Stage::new(
        colours(),
        MemoryWorld::new(&colours()).running("v1", &[("blue", 100.0)]),
    )
}

fn kinds(effects: &[Effect]) -> Vec<&'static str> {
    let kind = |effect: &Effect| match effect {
        Effect::Apply { .. } => "traffic",
        Effect::Activate { .. } => "activate",
        Effect::Deactivate { .. } => "deactivate",
        Effect::AwaitHealthy { .. } => "health",
        Effect::Remove { .. } => "remove",
        Effect::Step { .. } => "step",
        Effect::UndoStep { .. } => "undo-step",
        _ => "other",
    };
    effects.iter().map(kind).collect()
}

#[track_caller]
fn stuck(verdict: &Verdict) -> String {
    let Verdict::Stuck { differences, .. } = verdict else {
        panic!("{verdict:?}")
    };
    differences.join("\n")
}

#[test]
fn neighbouring_traffic_changes_go_back_in_one_step() {
    let stage = on_colours();
    stage.world.fault(Fault::new(Kind::Wait).after(1));
    let verdict = stage.run(&mut Script(blue_green(&["g1", "g2"])));
    assert!(matches!(verdict, Verdict::RolledBack { .. }));
    let undone = stage.undone();
    assert_eq!(kinds(&undone), ["traffic", "activate", "health", "remove"]);
    let Effect::Apply {
        traffic,
        drained,
        joining,
        ..
    } = &undone[0]
    else {
        panic!()
    };
    assert_eq!(
        (traffic.share("blue"), traffic.share("green")),
        (100.0, 0.0)
    );
    assert_eq!((drained.len(), joining.len()), (2, 0));
    // Recorded as the undo of the oldest of them.
    let records = stage.journal.records();
    let first = records
        .iter()
        .find(|record| matches!(record.intent.effect, Some(Effect::Apply { .. })));
    let first = first.unwrap().intent.sequence;
    assert!(
        records
            .iter()
            .any(|record| record.intent.origin == Origin::Undo(first))
    );
}

#[test]
fn the_newest_goes_back_first_and_the_old_release_must_be_well() {
    let stage = on_web();
    stage.world.ill("b", "v2", true);
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
    assert_eq!(
        kinds(&stage.undone()),
        [
            "activate", "health", "traffic", "activate", "health", "traffic", "remove"
        ]
    );
    stage.assert_no_new_traffic();
}

#[test]
fn a_first_activation_is_deactivated_and_an_installation_removed() {
    let stage = Stage::new(web(), MemoryWorld::new(&web()));
    let all = &["a", "b", "c"];
    let calls = vec![
        install(all),
        activate(all),
        healthy(all),
        split(&[("web", 100.0)]),
        wait(),
    ];
    stage.world.fault(Fault::new(Kind::Wait));
    let verdict = stage.run(&mut Script(calls));
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
    assert_eq!(kinds(&stage.undone()), ["traffic", "deactivate", "remove"]);
    assert!(
        stage
            .world
            .states()
            .values()
            .all(|state| state.installed.is_empty())
    );
}

#[test]
fn what_lay_there_before_is_not_removed() {
    let mut brief = web();
    brief.release.id = "v1".into();
    let world = MemoryWorld::new(&brief).running("v1", &[("web", 100.0)]);
    let stage = Stage::new(brief, world);
    stage.world.runs("c", None);
    let before = stage.snapshot();
    stage.world.fault(Fault::new(Kind::Wait));
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
    assert_eq!(stage.snapshot(), before);
    let removed = stage.undone().into_iter().find_map(|effect| match effect {
        Effect::Remove { targets, .. } => Some(targets),
        _ => None,
    });
    assert_eq!(removed, Some(["c".into()].into()));
}

#[test]
fn what_failed_is_taken_back_too() {
    for happens in [false, true] {
        for kind in [
            Kind::Install,
            Kind::Activate,
            Kind::Apply,
            Kind::AwaitHealthy,
        ] {
            for after in 0..3 {
                let (_, stage, mut script) = all().remove(3);
                let before = stage.snapshot();
                let mut fault = Fault::new(kind).after(after);
                fault.happens = happens;
                stage.world.fault(fault);
                let verdict = stage.run(&mut script);
                let succeeded = matches!(verdict, Verdict::Succeeded { .. });
                assert!(
                    succeeded || matches!(verdict, Verdict::RolledBack { .. }),
                    "{verdict:?}"
                );
                assert!(
                    succeeded || stage.snapshot() == before,
                    "{kind:?} {after} {happens}"
                );
                stage.assert_no_new_traffic();
            }
        }
    }
}

#[test]
fn one_whose_old_release_does_not_get_well_stays_out_and_the_others_go_back() {
    let stage = on_web();
    stage.world.ill("c", "v2", true);
    stage.world.ill("c", "v1", true);
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    let told = stuck(&verdict);
    assert!(
        told.contains("c gets 0 % of the traffic, where it got 33.33 %"),
        "{told}"
    );
    assert!(told.contains("not healthy: c: answers 500"), "{told}");
    assert!(told.contains("runtime rollback d1"), "{told}");
    // The minimum keeps the others from being drained with `c` out: what cannot go back says so.
    assert_eq!(stage.world.percents()["c"], 0.0);
    stage.assert_no_new_traffic();

    stage.world.mend();
    let verdict = stage.roll_back();
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
    assert!(
        stage
            .world
            .states()
            .values()
            .all(|state| state.active == Some("v1".into()))
    );
    assert!(
        stage
            .world
            .percents()
            .values()
            .all(|percent| *percent > 33.0)
    );
}

#[test]
fn one_more_target_than_the_minimum_lets_the_others_go_back() {
    let mut brief = web();
    brief.rules.minimum_serving = Some(crate::Count::Number(1));
    let stage = Stage::new(
        brief.clone(),
        MemoryWorld::new(&brief).running("v1", &[("web", 100.0)]),
    );
    stage.world.minimum(1);
    stage.world.ill("c", "v2", true);
    stage.world.ill("c", "v1", true);
    let told = stuck(&stage.run(&mut Script(rolling(&["a", "b", "c"]))));
    assert!(
        told.contains("c gets 0 %") && !told.contains("v2"),
        "{told}"
    );
    let states = stage.world.states();
    assert!(
        ["a", "b"]
            .iter()
            .all(|name| states[*name].active == Some("v1".into()))
    );
}

#[test]
fn a_healthy_new_target_waits_until_an_ill_one_is_back() {
    let stage = on_web();
    // `a` falls ill while `b` has been renewed as well: `b` cannot be drained before `a` serves.
    stage.world.falls_ill(1, "a", "v2");
    let before = stage.snapshot();
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
    assert_eq!(stage.snapshot(), before);
}

#[test]
fn a_load_balancer_that_hangs_once_is_asked_again() {
    let stage = on_colours();
    stage.world.fault(Fault::new(Kind::Wait));
    let mut fault = Fault::new(Kind::Apply).after(1);
    fault.failure = fault.failure.retryable();
    stage.world.fault(fault);
    let verdict = stage.run(&mut Script(blue_green(&["g1", "g2"])));
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
    let attempts: Vec<u32> = stage
        .journal
        .records()
        .iter()
        .map(|record| record.intent.attempt)
        .collect();
    assert!(attempts.contains(&2));
}

#[test]
fn a_load_balancer_that_is_gone_leaves_the_release_where_it_has_traffic() {
    let stage = on_colours();
    stage.world.fault(Fault::new(Kind::Wait).after(1));
    stage.world.fault(Fault::new(Kind::Apply).after(2).always());
    let told = stuck(&stage.run(&mut Script(blue_green(&["g1", "g2"]))));
    for text in [
        "g1 runs v2, where v1 ran before",
        "g2 gets 25 %",
        "v2 still lies on g1",
        "it broke",
    ] {
        assert!(told.contains(text), "{told}");
    }
    let undone = stage.undone();
    assert_eq!(kinds(&undone), ["traffic"]);

    stage.world.mend();
    assert!(matches!(stage.roll_back(), Verdict::RolledBack { .. }));
    assert!(
        stage
            .world
            .states()
            .values()
            .all(|state| state.active == Some("v1".into()))
    );
}

#[test]
fn a_target_that_cannot_be_reached_any_more_is_told_of() {
    let stage = on_web();
    stage.world.fault(Fault::new(Kind::Wait));
    let mut deployment = stage.deployment();
    futures::executor::block_on(async {
        deployment.begin().await.unwrap();
        for call in rolling(&["a", "b", "c"]).into_iter().take(5) {
            stage.world.reachable("a", true);
            let _ = crate::Operations::perform(&mut deployment, call).await;
        }
    });
    stage.world.reachable("a", false);
    let failure = Failure::new(crate::Code::Internal, "enough");
    let verdict = futures::executor::block_on(deployment.finish(Err(failure)));
    let told = stuck(&verdict);
    assert!(
        told.contains("a could not be asked what runs there: no route to it"),
        "{told}"
    );
    assert!(told.contains("activating failed: a"), "{told}");
}

#[test]
fn nothing_is_called_rolled_back_that_was_not_read_back() {
    let stage = on_web();
    stage.world.fault(Fault::new(Kind::Wait));
    stage.world.fault(Fault::new(Kind::Observe).after(1));
    let told = stuck(&stage.run(&mut Script(rolling(&["a", "b", "c"]))));
    assert!(told.contains("could not be read back"), "{told}");
    assert!(matches!(stage.roll_back(), Verdict::RolledBack { .. }));
}

#[test]
fn no_automatic_rollback_freezes() {
    let mut brief = web();
    brief.rules.automatic_rollback = false;
    let stage = Stage::new(
        brief.clone(),
        MemoryWorld::new(&brief).running("v1", &[("web", 100.0)]),
    );
    stage.world.fault(Fault::new(Kind::Wait));
    let before = stage.snapshot();
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    let Verdict::Frozen { differences, .. } = &verdict else {
        panic!("{verdict:?}")
    };
    let told = differences.join("\n");
    assert!(told.contains("a runs v2, where v1 ran before"), "{told}");
    assert!(stage.undone().is_empty());

    assert!(matches!(stage.roll_back(), Verdict::RolledBack { .. }));
    assert_eq!(stage.snapshot(), before);
}

#[test]
fn downtime_goes_back_under_traffic_too() {
    let mut brief = web();
    brief.rules.downtime = true;
    let stage = Stage::new(
        brief.clone(),
        MemoryWorld::new(&brief).running("v1", &[("web", 100.0)]),
    );
    stage.world.ill("b", "v2", true);
    let before = stage.snapshot();
    let verdict = stage.run(&mut Script(simple(&["a", "b", "c"])));
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
    assert_eq!(stage.snapshot(), before);
    assert_eq!(kinds(&stage.undone()), ["activate", "health", "remove"]);
}

#[test]
fn under_downtime_one_that_stays_ill_is_taken_out() {
    let mut brief = web();
    brief.rules.downtime = true;
    let stage = Stage::new(
        brief.clone(),
        MemoryWorld::new(&brief).running("v1", &[("web", 100.0)]),
    );
    stage.world.ill("b", "v2", true);
    stage.world.ill("b", "v1", true);
    stuck(&stage.run(&mut Script(simple(&["a", "b", "c"]))));
    assert_eq!(stage.world.percents()["b"], 0.0);
    assert_eq!(stage.world.percents()["a"], 50.0);

    stage.world.mend();
    assert!(matches!(stage.roll_back(), Verdict::RolledBack { .. }));
    assert!(stage.world.percents()["b"] > 33.0);
}

#[test]
fn a_canary_that_stays_ill_does_not_get_its_share_back() {
    let (brief, shares) = (birds(), [("canary", 25.0), ("stable", 75.0)]);
    let stage = Stage::new(
        brief.clone(),
        MemoryWorld::new(&brief).running("v1", &shares),
    );
    stage.world.ill("a", "v2", true);
    stage.world.ill("a", "v1", true);
    let calls = vec![
        install(&["a"]),
        split(&[("stable", 100.0)]),
        activate(&["a"]),
        healthy(&["a"]),
    ];
    let told = stuck(&stage.run(&mut Script(calls)));
    assert!(told.contains("canary cannot get 25 %"), "{told}");
    assert_eq!(stage.world.percents()["a"], 0.0);
    assert_eq!(stage.world.traffic().share("stable"), 100.0);
}

#[test]
fn a_target_activated_twice_goes_back_once() {
    let stage = on_web();
    let a = &["a"];
    let calls = vec![
        install(a),
        drain(a),
        activate(a),
        activate(a),
        healthy(a),
        restore(a),
    ];
    let verdict = stage.run(&mut Careless::new(calls));
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
    assert_eq!(
        kinds(&stage.undone()),
        ["traffic", "activate", "health", "traffic", "remove"]
    );
}
