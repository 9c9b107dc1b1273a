//! Strategies that do not behave, and deployments that somebody stops: all end as they began.

use futures::{FutureExt, executor::block_on};

use super::{
    Stage,
    course::{all, birds, colours, web},
    scripts::{
        Careless, Endless, Script, activate, blue_green, canary, drain, healthy, install, restore,
        rolling, split, wait,
    },
};
use crate::{
    Code, Failure, Operation, Operations, Strategy, Verdict,
    testing::{Fault, Kind, MemoryWorld, Write},
};

/// It ends rolled back, with the world as it was; for that reason.
#[track_caller]
fn rolled_back(stage: &Stage, strategy: &mut dyn Strategy, why: &str) {
    let before = stage.snapshot();
    let verdict = stage.run(strategy);
    let Verdict::RolledBack { cause } = &verdict else {
        panic!("{verdict:?}")
    };
    assert!(
        cause.message.contains(why),
        "{:?} does not say {why:?}",
        cause.message
    );
    assert_eq!(stage.snapshot(), before);
    stage.assert_no_new_traffic();
}

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

#[test]
fn one_that_ends_early() {
    for (name, complete, script) in all() {
        let whole = script.0.len();
        for length in 1..whole {
            let world = complete.world.clone();
            let stage = Stage::new((*complete.brief).clone(), world);
            let before = stage.snapshot();
            let verdict = stage.run(&mut Script(script.0[..length].to_vec()));
            if matches!(verdict, Verdict::Succeeded { .. }) {
                // What is left are waits, or a last touch to the shares.
                assert!(length + 4 >= whole, "{name} after {length} of {whole}");
                break;
            }
            assert!(
                matches!(verdict, Verdict::RolledBack { .. }),
                "{name} {length}: {verdict:?}"
            );
            assert_eq!(stage.snapshot(), before, "{name} after {length}");
            stage.assert_no_new_traffic();
        }
    }
}

#[test]
fn one_that_skips_the_health_check() {
    let green = &["g1", "g2"];
    let calls = vec![install(green), activate(green), split(&[("green", 100.0)])];
    rolled_back(&on_colours(), &mut Script(calls), "health");
}

#[test]
fn one_that_splits_before_it_waits() {
    let green = &["g1", "g2"];
    let calls = vec![
        install(green),
        activate(green),
        split(&[("green", 100.0)]),
        healthy(green),
    ];
    rolled_back(
        &on_colours(),
        &mut Careless::new(calls),
        "went on after a failure",
    );
}

#[test]
fn one_that_forgets_a_target() {
    rolled_back(
        &on_web(),
        &mut Script(rolling(&["a", "b"])),
        "v2 is not active on c",
    );
}

#[test]
fn one_that_forgets_a_group() {
    let mut brief = birds();
    brief.rules.minimum_serving = Some(crate::Count::Number(0));
    let shares = [("canary", 25.0), ("stable", 75.0)];
    let world = MemoryWorld::new(&brief).running("v1", &shares);
    world.minimum(0);
    let one = &["a"];
    let calls = vec![
        install(one),
        split(&[("stable", 100.0)]),
        activate(one),
        healthy(one),
        split(&[("canary", 100.0)]),
    ];
    rolled_back(
        &Stage::new(brief, world),
        &mut Script(calls),
        "not active on b, c and d",
    );
}

#[test]
fn one_that_forgets_the_traffic() {
    let green = &["g1", "g2"];
    let calls = vec![install(green), activate(green), healthy(green)];
    rolled_back(
        &on_colours(),
        &mut Script(calls),
        "b1 and b2 get traffic for another release",
    );
}

#[test]
fn one_that_leaves_a_target_drained() {
    let mut calls = rolling(&["a", "b", "c"]);
    calls.truncate(calls.len() - 2);
    rolled_back(&on_web(), &mut Script(calls), "c is not ready");
}

#[test]
fn one_that_ignores_a_failure() {
    let stage = on_web();
    stage.world.fault(Fault::new(Kind::Wait));
    let calls = rolling(&["a", "b", "c"]);
    rolled_back(&stage, &mut Careless::new(calls), "went on after a failure");
}

#[test]
fn one_that_tries_again_has_not_ignored_it() {
    let stage = on_web();
    stage.world.fault(Fault::new(Kind::AwaitHealthy).on(&["a"]));
    let mut calls = rolling(&["a", "b", "c"]);
    calls.insert(4, healthy(&["a"]));
    let verdict = stage.run(&mut Careless::new(calls));
    assert_eq!(
        verdict,
        Verdict::Succeeded {
            left_out: Vec::new()
        }
    );
}

#[test]
fn one_that_hears_bad_news_twice_has_ignored_it_all_the_same() {
    let stage = on_web();
    stage.world.fault(Fault::new(Kind::Watch));
    let mut calls = rolling(&["a", "b", "c"]);
    let watch = Operation::Watch {
        candidate: vec!["a".into()],
        baseline: vec![],
        duration_ms: 5,
    };
    calls.extend([watch.clone(), watch]);
    rolled_back(&stage, &mut Careless::new(calls), "it broke");
}

#[test]
fn one_that_fails_by_itself() {
    struct Tired;
    #[async_trait::async_trait]
    impl Strategy for Tired {
        async fn run(&mut self, operations: &mut dyn Operations) -> Result<(), Failure> {
            operations.perform(drain(&["a"])).await?;
            Err(Failure::new(Code::Breached, "no more"))
        }
    }
    rolled_back(&on_web(), &mut Tired, "no more");
}

#[test]
fn nothing_was_changed_where_nothing_was_done() {
    let stage = on_web();
    let verdict = stage.run(&mut Script(vec![drain(&["a", "b"])]));
    assert!(matches!(verdict, Verdict::Refused { .. }), "{verdict:?}");
    assert_eq!(stage.world.deeds(), Vec::new());
}

#[test]
fn a_target_that_falls_ill_in_a_wait_takes_the_deployment_back() {
    for wait in 0..3 {
        let (_, stage, mut script) = all().remove(3);
        stage.world.falls_ill(wait, "a", "v2");
        rolled_back(&stage, &mut script, "no longer healthy: a");
    }
    for wait in 0..2 {
        let (_, stage, mut script) = all().remove(1);
        for target in ["a", "b"] {
            stage.world.falls_ill(wait, target, "v2");
        }
        rolled_back(&stage, &mut script, "no longer healthy");
    }
}

#[test]
fn an_abort_ends_the_call_under_way_and_takes_everything_back() {
    for (_, stage, mut script) in all().into_iter().skip(1) {
        stage.world.aborts(
            1.min(script.0.iter().filter(|call| **call == wait()).count() - 1),
            &stage.asked,
        );
        rolled_back(&stage, &mut script, "asked to stop");
    }
}

#[test]
fn an_abort_that_the_strategy_does_not_hear_of_counts_at_the_end() {
    let stage = on_web();
    let mut calls = rolling(&["a", "b", "c"]);
    calls.truncate(calls.len() - 1);
    calls.push(wait());
    stage.world.aborts(2, &stage.asked);
    rolled_back(&stage, &mut Careless::new(calls), "asked");
}

#[test]
fn an_abort_before_anything_is_a_refusal() {
    let stage = on_web();
    stage.asked.abort();
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    let Verdict::Refused { cause } = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(cause.code, Code::Interrupted);
    assert!(stage.journal.records().is_empty());
}

#[test]
fn one_that_calls_for_ever_after_an_abort_is_stopped() {
    let stage = on_web();
    stage.world.aborts(3, &stage.asked);
    let verdict = stage.run(&mut Endless(wait()));
    assert!(matches!(&verdict, Verdict::Refused { cause } if cause.code == Code::Interrupted));
    let records = stage.journal.records().len();
    assert!((10..40).contains(&records), "{records} records");
}

#[test]
fn whoever_runs_a_strategy_sees_that_it_is_over() {
    let stage = on_web();
    let mut deployment = stage.deployment();
    block_on(deployment.begin()).unwrap();
    stage.asked.abort();
    let mut calls = 0;
    while !deployment.over() {
        let failure = block_on(deployment.perform(Operation::Now)).unwrap_err();
        assert_eq!(failure.code, Code::Interrupted);
        calls += 1;
    }
    assert!((10..40).contains(&calls), "{calls} calls");
}

#[test]
fn one_that_polls_for_ever_is_stopped() {
    let stage = on_web();
    let verdict = stage.run(&mut Endless(Operation::Now));
    let Verdict::Refused { cause } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(cause.message.contains("100000 calls"), "{}", cause.message);
}

#[test]
fn nothing_is_done_any_more_once_the_record_is_lost() {
    let calls = canary("a", &["b", "c", "d"]);
    let stage = || {
        let shares = [("canary", 25.0), ("stable", 75.0)];
        Stage::new(birds(), MemoryWorld::new(&birds()).running("v1", &shares))
    };
    let whole = stage();
    whole.run(&mut Script(calls.clone()));
    for write in 0..whole.journal.writes() {
        let stage = stage();
        stage.journal.dies(Write::Before(write));
        let verdict = stage.run(&mut Careless::new(calls.clone()));
        assert!(
            matches!(verdict, Verdict::Abandoned { .. }),
            "{write}: {verdict:?}"
        );
        assert!(stage.undone().is_empty());
        assert_eq!(stage.journal.writes(), write);
        assert_eq!(stage.journal.verdict(), None);
        let begun = stage
            .journal
            .records()
            .iter()
            .filter(|record| record.intent.effect.is_some())
            .count();
        // The first record is an observation, which is no deed.
        assert_eq!(
            stage.world.deeds().len(),
            begun.saturating_sub(1),
            "{write}"
        );
    }
}

#[test]
fn a_restore_is_all_that_lets_a_drained_target_in() {
    let stage = on_web();
    let calls = vec![
        install(&["a"]),
        drain(&["a"]),
        activate(&["a"]),
        healthy(&["a"]),
        split(&[("web", 100.0)]),
    ];
    let mut deployment = stage.deployment();
    block_on(deployment.begin()).unwrap();
    for call in calls {
        block_on(deployment.perform(call)).unwrap();
    }
    assert_eq!(stage.world.percents()["a"], 0.0);
    block_on(deployment.perform(restore(&["a"]))).unwrap();
    assert!(stage.world.percents()["a"] > 33.0);
}

#[test]
fn one_without_a_health_check_gets_by_without_one_where_that_is_said() {
    let mut brief = colours();
    brief.rules.health.unchecked = true;
    let stage = Stage::new(
        brief.clone(),
        MemoryWorld::new(&brief).running("v1", &[("blue", 100.0)]),
    );
    let mut calls = blue_green(&["g1", "g2"]);
    calls.remove(2);
    let mut deployment = stage.deployment();
    block_on(deployment.begin()).unwrap();
    for call in calls {
        block_on(deployment.perform(call)).unwrap();
    }
    assert!(matches!(
        block_on(deployment.finish(Ok(()))),
        Verdict::Succeeded { .. }
    ));
}

#[test]
fn a_call_that_was_dropped_may_have_happened_and_is_taken_back() {
    for (kind, call) in [
        (Kind::Install, 0),
        (Kind::Apply, 1),
        (Kind::Activate, 2),
        (Kind::AwaitHealthy, 3),
    ] {
        for happens in [false, true] {
            let stage = on_web();
            let before = stage.snapshot();
            let mut fault = Fault::new(kind).hangs();
            fault.happens = happens;
            stage.world.fault(fault);
            let mut deployment = stage.deployment();
            block_on(deployment.begin()).unwrap();
            let calls = rolling(&["a", "b", "c"]);
            for done in &calls[..call] {
                block_on(deployment.perform(done.clone())).unwrap();
            }
            let cut = deployment.perform(calls[call].clone()).now_or_never();
            assert_eq!(cut, None);
            let failure = Failure::new(Code::Timeout, "the strategy took too long");
            let verdict = block_on(deployment.finish(Err(failure)));
            assert!(
                matches!(verdict, Verdict::RolledBack { .. }),
                "{kind:?}: {verdict:?}"
            );
            assert_eq!(stage.snapshot(), before);
            assert!(
                stage
                    .journal
                    .records()
                    .iter()
                    .all(|record| record.outcome.is_some())
            );
        }
    }
}
