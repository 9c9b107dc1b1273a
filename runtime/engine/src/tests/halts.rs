//! Going on needs a person: it stops with the reason, and has touched and written nothing.

use super::{
    Stage,
    course::web,
    scripts::{Careless, Script, drain, healthy, install, rolling, wait},
};
use crate::{
    Admission, Effect, Halt, Operation, Origin, Point, Record, Resume, StepRule, StepWord,
    Strategy, Verdict, Wanted,
    testing::{Death, Fault, Kind, MemoryWorld, Write},
};

const ALL: &[&str] = &["a", "b", "c"];

fn stage(steps: Vec<StepRule>) -> Stage {
    let mut brief = web();
    brief.rules.steps = steps;
    let world = MemoryWorld::new(&brief).running("v1", &[("web", 100.0)]);
    Stage::new(brief, world)
}

fn once(at: Point) -> StepRule {
    StepRule {
        name: "migrate".into(),
        at,
        each: false,
        irreversible: false,
        repeat: false,
    }
}

/// The process dies after so many writes.
fn cut(steps: Vec<StepRule>, writes: usize) -> Stage {
    let stage = stage(steps);
    stage.journal.dies(Write::Before(writes));
    let verdict = stage.run(&mut Script(rolling(ALL)));
    assert!(matches!(verdict, Verdict::Abandoned { .. }), "{verdict:?}");
    stage
}

/// It stops, and everything is as it was.
#[track_caller]
fn halted(stage: &Stage, strategy: &mut dyn Strategy, resume: Resume) -> Halt {
    let (deeds, records) = (stage.world.deeds(), stage.journal.records());
    let verdict = stage.resume(strategy, resume);
    assert_eq!(stage.world.deeds(), deeds);
    assert_eq!(stage.journal.records(), records);
    assert_eq!(stage.journal.verdict(), None);
    match verdict {
        Verdict::Halted { halt } => halt,
        other => panic!("{other:?}"),
    }
}

fn last(stage: &Stage) -> Record {
    stage.journal.records().pop().unwrap()
}

#[test]
fn a_strategy_that_asks_for_something_else() {
    let stage = cut(Vec::new(), 10);
    let mut other = rolling(ALL);
    other[1] = drain(&["b"]);
    let halt = halted(&stage, &mut Script(other), stage.resumption());
    assert_eq!(
        halt,
        Halt::Differs {
            sequence: 3,
            recorded: Wanted::Call(drain(&["a"])),
            asked: Wanted::Call(drain(&["b"])),
        }
    );
    assert!(
        halt.to_string()
            .contains("record 3 has {\"call\":\"drain\",\"targets\":[\"a\"]")
    );
    // Also one that takes no notice of it.
    let mut other = rolling(ALL);
    other[1] = drain(&["b"]);
    halted(&stage, &mut Careless::new(other), stage.resumption());
}

#[test]
fn a_strategy_that_asks_for_less() {
    let stage = cut(Vec::new(), 10);
    let halt = halted(&stage, &mut Script(vec![install(ALL)]), stage.resumption());
    let Halt::Differs {
        sequence, asked, ..
    } = halt
    else {
        panic!("{halt:?}")
    };
    assert_eq!((sequence, asked), (3, Wanted::End));
}

#[test]
fn a_strategy_that_asks_for_a_call_in_place_of_an_answer() {
    let stage = stage(Vec::new());
    let mut calls = rolling(ALL);
    calls.insert(0, Operation::Now);
    stage.journal.dies(Write::Before(8));
    stage.run(&mut Script(calls));
    let halt = halted(&stage, &mut Script(rolling(ALL)), stage.resumption());
    assert!(
        matches!(halt, Halt::Differs { sequence: 2, .. }),
        "{halt:?}"
    );
}

#[test]
fn traffic_that_somebody_changed() {
    // `a` has the release and traffic; draining `b` has not begun.
    let stage = cut(Vec::new(), 14);
    stage.world.admits("c", Admission::Out);
    let halt = halted(&stage, &mut Script(rolling(ALL)), stage.resumption());
    let Halt::Drift { differences } = &halt else {
        panic!("{halt:?}")
    };
    assert!(differences.join("").contains("c gets 0 %"), "{halt}");
    let accepting = Resume {
        accept_drift: true,
        ..stage.resumption()
    };
    // The guard holds on what was found: without `b` only `a` would serve.
    let verdict = stage.resume(&mut Script(rolling(ALL)), accepting);
    let Verdict::RolledBack { cause } = &verdict else {
        panic!("{verdict:?}\n{}", stage.told())
    };
    assert_eq!(super::rule(cause), "minimum-serving");
}

#[test]
fn accepted_drift_that_is_in_nobodys_way() {
    let stage = cut(Vec::new(), 6);
    stage.world.admits("b", Admission::Out);
    let accepting = Resume {
        accept_drift: true,
        ..stage.resumption()
    };
    let verdict = stage.resume(&mut Script(rolling(ALL)), accepting);
    assert!(matches!(verdict, Verdict::Succeeded { .. }), "{verdict:?}");
}

#[test]
fn a_release_that_somebody_changed() {
    let stage = cut(Vec::new(), 22);
    // `a` has the new release and traffic; somebody puts the old one back.
    stage.world.runs("a", Some("v1"));
    let halt = halted(&stage, &mut Script(rolling(ALL)), stage.resumption());
    let Halt::Drift { differences } = &halt else {
        panic!("{halt:?}")
    };
    assert_eq!(differences, &["a runs v1, where the record has v2"]);
    let accepting = Resume {
        accept_drift: true,
        ..stage.resumption()
    };
    let verdict = stage.resume(&mut Script(rolling(ALL)), accepting);
    let Verdict::RolledBack { cause } = &verdict else {
        panic!("{verdict:?}")
    };
    assert!(cause.message.contains("v2 is not active on a"), "{cause}");
}

#[test]
fn an_activation_under_way_is_no_drift() {
    for death in [Death::Before(4), Death::Halfway(4), Death::After(4)] {
        let stage = stage(Vec::new());
        stage.world.dies(Some(death));
        let mut script = Script(rolling(ALL));
        let cut = futures::FutureExt::now_or_never(stage.deployment().run(&mut script));
        assert_eq!(cut, None);
        assert!(last(&stage).outcome.is_none());
        let verdict = stage.resume(&mut script, stage.resumption());
        assert!(matches!(verdict, Verdict::Succeeded { .. }), "{verdict:?}");
    }
}

#[test]
fn a_world_that_cannot_be_read() {
    let stage = cut(Vec::new(), 10);
    stage.world.fault(Fault::new(Kind::Observe));
    let halt = halted(&stage, &mut Script(rolling(ALL)), stage.resumption());
    assert!(matches!(halt, Halt::Unreadable { .. }), "{halt:?}");
    let stage = cut(Vec::new(), 10);
    stage.world.reachable("c", false);
    let halt = halted(&stage, &mut Script(rolling(ALL)), stage.resumption());
    assert!(
        halt.to_string().contains("c can no longer be asked"),
        "{halt}"
    );
}

#[test]
fn a_step_under_way_that_may_not_be_repeated() {
    let cut_off = || {
        let stage = stage(vec![once(Point::BeforeActivate)]);
        stage.world.fault(Fault::new(Kind::Step).hangs());
        let mut script = Script(rolling(ALL));
        let cut = futures::FutureExt::now_or_never(stage.deployment().run(&mut script));
        assert_eq!(cut, None);
        stage.world.mend();
        stage
    };
    let ran = |stage: &Stage| {
        let deeds = stage.world.deeds().into_iter();
        deeds
            .filter(|deed| matches!(deed.effect, Effect::Step { .. }))
            .count()
    };
    let stage = cut_off();
    let halt = halted(&stage, &mut Script(rolling(ALL)), stage.resumption());
    assert_eq!(
        halt,
        Halt::Unrepeatable {
            sequence: 4,
            step: "migrate".into()
        }
    );
    for (word, times) in [(StepWord::Happened, 1), (StepWord::Again, 2)] {
        let stage = cut_off();
        let resume = Resume {
            step: Some(word),
            ..stage.resumption()
        };
        let verdict = stage.resume(&mut Script(rolling(ALL)), resume);
        assert!(matches!(verdict, Verdict::Succeeded { .. }), "{verdict:?}");
        assert_eq!(ran(&stage), times, "{word:?}");
    }
}

#[test]
fn a_wait_waits_for_what_is_left() {
    let stage = stage(Vec::new());
    stage.world.fault(Fault::new(Kind::Wait).hangs());
    let mut script = Script(rolling(ALL));
    let cut = futures::FutureExt::now_or_never(stage.deployment().run(&mut script));
    assert_eq!(cut, None);
    let before = last(&stage).intent.effect;
    let verdict = stage.resume(&mut script, stage.resumption());
    assert!(matches!(verdict, Verdict::Succeeded { .. }), "{verdict:?}");
    let deeds = stage.world.deeds();
    let waits: Vec<_> = deeds
        .iter()
        .filter(|deed| Some(&deed.effect) == before.as_ref())
        .map(|deed| (deed.call.sequence, deed.call.attempt))
        .collect();
    let sequence = waits[0].0;
    assert_eq!(waits, [(sequence, 1), (sequence, 2)]);
}

/// Nobody looked after the targets while no process was there.
#[test]
fn a_target_that_fell_ill_meanwhile_gets_no_more_traffic() {
    let whole = stage(Vec::new());
    whole.run(&mut Script(rolling(ALL)));
    let joins = |record: &Record| matches!(&record.intent.effect, Some(Effect::Apply { joining, .. }) if !joining.is_empty());
    let records = whole.journal.records();
    let join = records.iter().position(joins).unwrap();
    // Before `a` gets its traffic, while it is given to it, and after.
    for write in [
        Write::Before(2 * join),
        Write::After(2 * join),
        Write::Before(2 * join + 1),
        Write::Before(2 * join + 2),
    ] {
        let stage = stage(Vec::new());
        let before = stage.snapshot();
        stage.journal.dies(write);
        stage.run(&mut Script(rolling(ALL)));
        stage.world.falls_ill_now("a", "v2");
        let deeds = stage.world.deeds().len();
        let verdict = stage.resume(&mut Script(rolling(ALL)), stage.resumption());
        let Verdict::RolledBack { cause } = &verdict else {
            panic!("{verdict:?}\n{}", stage.told())
        };
        assert_eq!(cause.code, crate::Code::Unhealthy, "{write:?}: {cause}");
        let again = stage.world.deeds().split_off(deeds);
        let again = again.iter().filter(|deed| {
            matches!(&deed.effect, Effect::AwaitHealthy { releases, .. } if releases.get("a") == Some(&"v2".into()))
        });
        assert_eq!(again.count(), 1, "{write:?}\n{}", stage.told());
        assert_eq!(stage.snapshot(), before);
    }
}

#[test]
fn what_was_complete_but_for_its_end_succeeds() {
    let whole = stage(Vec::new());
    whole.run(&mut Script(rolling(ALL)));
    let stage = cut(Vec::new(), whole.journal.writes() - 1);
    let deeds = stage.world.deeds().len();
    let verdict = stage.resume(&mut Script(rolling(ALL)), stage.resumption());
    assert!(matches!(verdict, Verdict::Succeeded { .. }), "{verdict:?}");
    assert_eq!(stage.journal.verdict().unwrap()["verdict"], "succeeded");
    let done = stage.world.deeds().split_off(deeds);
    let looked = |effect: &Effect| matches!(effect, Effect::AwaitHealthy { .. });
    assert!(done.iter().all(|deed| looked(&deed.effect)), "{done:?}");
}

/// What is frozen goes forth from what failed.
#[test]
fn a_frozen_deployment_goes_on_once_somebody_wants_it() {
    for step in [false, true] {
        let steps = if step {
            vec![once(Point::BeforeTraffic)]
        } else {
            Vec::new()
        };
        let mut brief = web();
        brief.rules.automatic_rollback = false;
        brief.rules.steps = steps;
        let world = MemoryWorld::new(&brief).running("v1", &[("web", 100.0)]);
        let stage = Stage::new(brief, world);
        let kind = if step { Kind::Step } else { Kind::AwaitHealthy };
        stage.world.fault(Fault::new(kind));
        let mut script = Script(rolling(ALL));
        let verdict = stage.run(&mut script);
        assert!(matches!(verdict, Verdict::Frozen { .. }), "{verdict:?}");

        // Whoever only wants it to come to its end gets the same end.
        let again = stage.resume(&mut script, stage.resumption());
        let (Verdict::Frozen { cause, .. }, Verdict::Frozen { cause: first, .. }) =
            (&again, &verdict)
        else {
            panic!("{again:?}")
        };
        assert_eq!(cause, first);
        let mut thaw = Resume {
            thaw: true,
            ..stage.resumption()
        };
        if step {
            let halt = stage.resume(&mut script, thaw.clone());
            assert!(
                matches!(
                    &halt,
                    Verdict::Halted {
                        halt: Halt::Unrepeatable { .. }
                    }
                ),
                "{halt:?}"
            );
            thaw.step = Some(StepWord::Happened);
        }
        // And dies once more on its way.
        stage.journal.revive();
        let write = stage.journal.writes() + 12;
        stage.journal.dies(Write::After(write));
        let mut deployment = stage.resuming(thaw);
        let died = futures::executor::block_on(deployment.run(&mut script));
        assert!(
            matches!(died, Verdict::Abandoned { .. }),
            "{died:?}\n{}",
            stage.told()
        );
        let verdict = stage.resume(&mut script, stage.resumption());
        assert!(
            matches!(verdict, Verdict::Succeeded { .. }),
            "{verdict:?}\n{}",
            stage.told()
        );
        let steps = stage.journal.records().into_iter().filter(|record| {
            record.intent.origin == Origin::Step && record.intent.effect.is_some()
        });
        assert_eq!(steps.count(), usize::from(step));
    }
}

/// A stuck deployment is tried again: what is back already stays as it is.
#[test]
fn retrying_what_is_stuck_does_only_what_is_left() {
    let stage = stage(Vec::new());
    let before = stage.snapshot();
    stage.world.fault(Fault::new(Kind::Wait).after(1));
    stage
        .world
        .fault(Fault::new(Kind::Remove).always().on(&["b"]));
    let verdict = stage.run(&mut Script(rolling(ALL)));
    assert!(matches!(verdict, Verdict::Stuck { .. }), "{verdict:?}");
    stage.world.mend();
    let deeds = stage.world.deeds().len();
    // Whatever its strategy would ask for: it is not run any more.
    let verdict = stage.resume(&mut Script(vec![wait(), healthy(ALL)]), stage.resumption());
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
    assert_eq!(stage.snapshot(), before);
    let done = stage.world.deeds().split_off(deeds);
    let done: Vec<_> = done.into_iter().map(|deed| deed.effect).collect();
    assert_eq!(
        done,
        [Effect::Remove {
            targets: ["b".into()].into(),
            release: "v2".into()
        }]
    );
}

/// Nothing was done yet, so nothing hangs on what stands where.
#[test]
fn what_was_about_to_be_refused_is_refused() {
    let stage = stage(Vec::new());
    stage.world.fault(Fault::new(Kind::Observe));
    stage.journal.dies(Write::Before(2));
    stage.run(&mut Script(rolling(ALL)));
    let verdict = stage.resume(&mut Script(rolling(ALL)), stage.resumption());
    let Verdict::Refused { cause } = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(cause.message, "it broke");
}

/// The old release fell ill on a drained target while nobody looked.
#[test]
fn a_drained_target_must_be_well_before_the_way_back_gives_it_traffic() {
    let stage = cut(Vec::new(), 6);
    stage.world.falls_ill_now("a", "v1");
    let verdict = stage.roll_back();
    assert!(matches!(verdict, Verdict::Stuck { .. }), "{verdict:?}");
    assert_eq!(stage.world.percents()["a"], 0.0);
    stage.world.mend();
    let verdict = stage.roll_back();
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
}

/// What was under way is not done again where the guard would not have it any more.
#[test]
fn a_target_that_somebody_gave_traffic_is_not_switched_under_it() {
    let stage = stage(Vec::new());
    // `a` is drained, and its activation was about to begin.
    stage.journal.dies(Write::After(6));
    stage.run(&mut Script(rolling(ALL)));
    stage.world.admits("a", Admission::Ready);
    let accepting = Resume {
        accept_drift: true,
        ..stage.resumption()
    };
    let verdict = stage.resume(&mut Script(rolling(ALL)), accepting);
    let Verdict::RolledBack { cause } = &verdict else {
        panic!("{verdict:?}\n{}", stage.told())
    };
    assert_eq!(super::rule(cause), "activate-under-traffic");
}
