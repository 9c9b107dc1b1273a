//! What people outside say reaches a deployment, and stands in its record.

use std::sync::{Arc, Mutex};

use futures::executor::block_on;

use super::{
    Stage,
    course::web,
    scripts::{Careless, Script, rolling, wait},
};
use crate::{
    Answer, Approvers, Code, Deployment, Effect, Event, Observer, Operation, Record, Signal,
    Strategy, Timestamp, Verdict, Wish,
    testing::{MemoryWorld, Write},
};

const ALL: &[&str] = &["a", "b", "c"];

fn said(wish: Wish, by: &str) -> Signal {
    Signal {
        wish,
        by: by.into(),
        reason: "so it is".into(),
    }
}

fn approval() -> Operation {
    Operation::Approval {
        question: "everywhere?".into(),
        timeout_ms: Some(60_000),
    }
}

fn watch() -> Operation {
    Operation::Watch {
        candidate: vec!["a".into()],
        baseline: Vec::new(),
        duration_ms: 60_000,
    }
}

fn stage(needed: u32) -> Stage {
    let mut brief = web();
    brief.rules.approvers = Approvers {
        by: ["bob", "carol"].map(str::to_owned).into(),
        needed,
    };
    let world = MemoryWorld::new(&brief).running("v1", &[("web", 100.0)]);
    let stage = Stage::new(brief, world);
    stage.world.controls(&stage.asked);
    stage
}

/// The target `a`, an approval, and the others.
fn asking() -> Vec<Operation> {
    let mut calls = rolling(ALL);
    calls.insert(6, approval());
    calls
}

fn waits(stage: &Stage) -> usize {
    let deeds = stage.world.deeds().into_iter();
    deeds
        .filter(|deed| matches!(deed.effect, Effect::Wait { .. } | Effect::Watch { .. }))
        .count()
}

fn of(stage: &Stage, holds: impl Fn(&Effect) -> bool) -> Vec<Record> {
    let records = stage.journal.records().into_iter();
    records
        .filter(|record| record.intent.effect.as_ref().is_some_and(&holds))
        .collect()
}

fn signals(record: &Record) -> Vec<Signal> {
    let report = record.outcome.as_ref().and_then(|o| o.report.as_ref());
    report
        .map(|report| report.signals.clone())
        .unwrap_or_default()
}

#[track_caller]
fn succeeds(stage: &Stage, strategy: &mut dyn Strategy) {
    let verdict = stage.run(strategy);
    assert!(
        matches!(verdict, Verdict::Succeeded { .. }),
        "{verdict:?}\n{}",
        stage.told()
    );
}

#[test]
fn enough_of_those_who_may_approve() {
    let stage = stage(2);
    let yes = said(Wish::Approve, "bob");
    // Twice the same, and somebody whom nobody named, are not enough.
    for by in ["bob", "bob", "mallory", "carol"] {
        stage.world.says(1, said(Wish::Approve, by));
    }
    succeeds(&stage, &mut Script(asking()));
    let asked = of(&stage, |effect| matches!(effect, Effect::Approval { .. }));
    assert_eq!(signals(&asked[0]), [yes, said(Wish::Approve, "carol")]);
}

#[test]
fn fewer_are_not_enough() {
    let stage = stage(2);
    stage.world.says(1, said(Wish::Approve, "bob"));
    stage.world.says(1, said(Wish::Approve, "bob"));
    let verdict = stage.run(&mut Script(asking()));
    let Verdict::RolledBack { cause } = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(cause.code, Code::Timeout);
}

#[test]
fn one_refusal_is_a_refusal() {
    let stage = stage(1);
    stage.world.says(1, said(Wish::Reject, "mallory"));
    stage.world.says(1, said(Wish::Reject, "carol"));
    stage.world.says(1, said(Wish::Approve, "bob"));
    let verdict = stage.run(&mut Script(asking()));
    let Verdict::RolledBack { cause } = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(cause.code, Code::Rejected);
    assert_eq!(cause.message, "carol rejected it: so it is");
}

#[test]
fn an_executor_that_says_yes_for_nobody_is_not_believed() {
    struct Yes;
    #[async_trait::async_trait]
    impl crate::Executor for Yes {
        async fn observe(&mut self) -> Result<crate::World, crate::Failure> {
            let world = MemoryWorld::new(&web()).running("v1", &[("web", 100.0)]);
            crate::Executor::observe(&mut world.clone()).await
        }
        async fn execute(&mut self, _: &Effect, _: &crate::Call) -> crate::Report {
            crate::Report {
                signals: vec![said(Wish::Approve, "mallory"), said(Wish::Pause, "bob")],
                ..crate::Report::default()
            }
        }
        fn now(&self) -> Timestamp {
            Timestamp(1)
        }
    }
    let stage = stage(1);
    let mut deployment = Deployment::new(
        stage.brief.clone(),
        Box::new(Yes),
        Box::new(stage.journal.clone()),
        Arc::new(crate::testing::Silent),
        Arc::new(stage.asked.clone()),
    );
    block_on(deployment.begin()).unwrap();
    let answer = block_on(crate::Operations::perform(&mut deployment, approval()));
    assert_eq!(answer.unwrap_err().code, Code::Rejected);
}

#[test]
fn nobody_can_approve_where_nobody_is_named() {
    let stage = Stage::new(
        web(),
        MemoryWorld::new(&web()).running("v1", &[("web", 100.0)]),
    );
    let verdict = stage.run(&mut Script(vec![approval()]));
    let Verdict::Refused { cause } = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(cause.code, Code::Invalid);
}

#[test]
fn a_promotion_ends_one_wait_and_a_full_one_all() {
    for (full, left) in [(false, 4), (true, 1)] {
        let stage = stage(1);
        let promotion = said(Wish::Promote { full }, "alice");
        stage.world.says(0, promotion.clone());
        let mut calls = rolling(ALL);
        calls.insert(7, watch());
        let mut strategy = Careless::new(calls);
        succeeds(&stage, &mut strategy);
        assert_eq!(waits(&stage), left);
        let first = of(&stage, |effect| matches!(effect, Effect::Wait { .. }));
        assert_eq!(signals(&first[0]), [promotion]);
        let judged = &strategy.1[7];
        let Ok(Answer::Verdict { kind, details }) = judged else {
            panic!("{judged:?}")
        };
        assert_eq!(kind, "passed");
        let by = details["promoted"]["by"].as_str();
        assert_eq!(by, full.then_some("alice"));
    }
}

#[test]
fn a_pause_holds_the_next_call_before_anything_of_it_happens() {
    let stage = stage(1);
    stage.asked.pause(Some(said(Wish::Pause, "alice")));
    stage.world.says(0, said(Wish::Continue, "bob"));
    succeeds(&stage, &mut Script(rolling(ALL)));
    let deeds = stage.world.deeds();
    assert!(matches!(&deeds[0].effect, Effect::Hold { pause } if pause.by == "alice"));
    let held = of(&stage, |effect| matches!(effect, Effect::Hold { .. }));
    assert_eq!(signals(&held[0]), [said(Wish::Continue, "bob")]);
}

/// A deployment that somebody paused, in which a target of the new release falls ill; and its next
/// call.
fn ill_in_a_pause() -> (Stage, Deployment, Operation) {
    let stage = stage(1);
    let mut deployment = stage.deployment();
    block_on(deployment.begin()).unwrap();
    let calls = rolling(ALL);
    for call in &calls[..6] {
        block_on(crate::Operations::perform(&mut deployment, call.clone())).unwrap();
    }
    stage.asked.pause(Some(said(Wish::Pause, "alice")));
    stage.world.falls_ill(1, "a", "v2");
    let next = calls[6].clone();
    (stage, deployment, next)
}

#[test]
fn a_paused_target_that_falls_ill_fails_the_call_that_was_held() {
    let (stage, mut deployment, next) = ill_in_a_pause();
    let held = block_on(crate::Operations::perform(&mut deployment, next.clone()));
    assert_eq!(held.unwrap_err().code, Code::Unhealthy);
    let last = stage.journal.records().pop().unwrap();
    assert_eq!(
        (last.intent.operation, last.intent.effect),
        (Some(next), None)
    );
}

#[test]
fn a_stage_s_name_is_not_held_since_it_cannot_fail() {
    let (_stage, mut deployment, next) = ill_in_a_pause();
    let begin = Operation::Begin {
        stage: "the next".to_owned(),
    };
    block_on(crate::Operations::perform(&mut deployment, begin)).unwrap();
    let held = block_on(crate::Operations::perform(&mut deployment, next));
    assert_eq!(held.unwrap_err().code, Code::Unhealthy);
}

#[test]
fn whoever_listens_hears_who_said_what() {
    #[derive(Default)]
    struct Listener(Mutex<Vec<String>>);
    impl Observer for Listener {
        fn event(&self, _at: Timestamp, event: &Event<'_>) {
            if let Event::Heeded(signal) = event {
                let said = format!("{:?} {}", signal.wish, signal.by);
                self.0.lock().unwrap().push(said);
            }
        }
    }
    let stage = stage(1);
    stage.asked.pause(Some(said(Wish::Pause, "alice")));
    stage.world.says(0, said(Wish::Continue, "bob"));
    stage
        .world
        .says(1, said(Wish::Promote { full: false }, "eve"));
    stage.world.says(2, said(Wish::Approve, "carol"));
    let listener = Arc::new(Listener::default());
    let mut deployment = Deployment::new(
        stage.brief.clone(),
        Box::new(stage.world.clone()),
        Box::new(stage.journal.clone()),
        listener.clone(),
        Arc::new(stage.asked.clone()),
    );
    block_on(deployment.run(&mut Script(asking())));
    let heard = listener.0.lock().unwrap().join(", ");
    assert_eq!(
        heard,
        "Pause alice, Continue bob, Promote { full: false } eve, Approve carol"
    );
}

/// Cut off at every write, a replay tells the strategy the same: what was promoted stays so, and
/// what somebody aborted stays aborted.
#[test]
fn what_was_said_is_told_again() {
    type Said = fn(&Stage);
    let cases: [Said; 4] = [
        |stage| {
            stage
                .world
                .says(0, said(Wish::Promote { full: true }, "alice"))
        },
        |stage| {
            stage.asked.pause(Some(said(Wish::Pause, "alice")));
            stage.world.says(0, said(Wish::Continue, "bob"));
        },
        |stage| stage.world.says(1, said(Wish::Reject, "bob")),
        |stage| stage.world.aborts(1, &stage.asked),
    ];
    for (number, case) in cases.iter().enumerate() {
        let prepared = || {
            let stage = stage(1);
            let yes = said(Wish::Approve, "carol");
            (0..4).for_each(|wait| stage.world.says(wait, yes.clone()));
            case(&stage);
            stage
        };
        let whole = prepared();
        let mut first = Careless::new(asking());
        let uncut = whole.run(&mut first);
        for write in
            (0..whole.journal.writes()).flat_map(|at| [Write::Before(at), Write::After(at)])
        {
            let stage = prepared();
            stage.journal.dies(write);
            stage.run(&mut Careless::new(asking()));
            let mut strategy = Careless::new(asking());
            let verdict = stage.resume(&mut strategy, stage.resumption());
            assert_eq!(verdict, uncut, "{number} {write:?}\n{}", stage.told());
            assert_eq!(stage.snapshot(), whole.snapshot(), "{number} {write:?}");
            let waited =
                |stage: &Stage| of(stage, |effect| matches!(effect, Effect::Wait { .. })).len();
            assert_eq!(waited(&stage), waited(&whole), "{number} {write:?}");
            if matches!(uncut, Verdict::Succeeded { .. }) {
                assert_eq!(strategy.1, first.1, "{number} {write:?}");
            }
        }
    }
}

/// An abort that the record knows of needs nobody to say it again.
#[test]
fn an_abort_outlives_whoever_heard_it() {
    let stage = stage(1);
    stage.world.aborts(0, &stage.asked);
    let mut calls = rolling(ALL);
    calls.push(wait());
    let mut strategy = Careless::new(calls.clone());
    // It dies after the wait that was aborted.
    stage.journal.dies(Write::After(13));
    stage.run(&mut strategy);
    let deaf = Stage::new((*stage.brief).clone(), stage.world.clone());
    let stage = Stage {
        journal: stage.journal.clone(),
        ..deaf
    };
    let deeds = stage.world.deeds().len();
    let verdict = stage.resume(&mut Careless::new(calls), stage.resumption());
    let Verdict::RolledBack { cause } = verdict else {
        panic!("{verdict:?}\n{}", stage.told())
    };
    assert_eq!(cause.code, Code::Interrupted);
    let done = stage.world.deeds().split_off(deeds);
    let forth = done.iter().filter(|deed| !deed.call.undoing);
    let changes = forth.filter(|deed| !matches!(deed.effect, Effect::AwaitHealthy { .. }));
    assert_eq!(changes.count(), 0, "{}", stage.told());
}

/// An abort between two steps keeps the second from being begun, and the record knows that.
#[test]
fn an_abort_between_steps_is_told_again() {
    struct Impatient(crate::testing::Asked);
    impl Observer for Impatient {
        fn event(&self, _at: Timestamp, event: &Event<'_>) {
            if let Event::Ended(intent, _) = event
                && intent.origin == crate::Origin::Step
            {
                self.0.abort();
            }
        }
    }
    let mut brief = web();
    let step = crate::StepRule {
        name: "migrate".into(),
        at: crate::Point::BeforeActivate,
        each: false,
        irreversible: false,
        repeat: true,
    };
    brief.rules.steps = vec![step.clone(), step];
    let world = MemoryWorld::new(&brief).running("v1", &[("web", 100.0)]);
    let stage = Stage::new(brief, world);
    // It dies after it wrote down that the second step is not begun.
    stage.journal.dies(Write::After(8));
    let mut deployment = Deployment::new(
        stage.brief.clone(),
        Box::new(stage.world.clone()),
        Box::new(stage.journal.clone()),
        Arc::new(Impatient(stage.asked.clone())),
        Arc::new(stage.asked.clone()),
    );
    block_on(deployment.run(&mut Script(rolling(ALL))));
    let last = stage.journal.records().pop().unwrap();
    assert_eq!(
        (last.intent.origin, last.intent.effect),
        (crate::Origin::Step, None)
    );

    let deaf = Stage::new((*stage.brief).clone(), stage.world.clone());
    let stage = Stage {
        journal: stage.journal.clone(),
        ..deaf
    };
    let verdict = stage.resume(&mut Script(rolling(ALL)), stage.resumption());
    let Verdict::RolledBack { cause } = verdict else {
        panic!("{verdict:?}\n{}", stage.told())
    };
    assert_eq!(cause.code, Code::Interrupted);
}
