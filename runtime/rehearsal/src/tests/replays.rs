//! Records told again, and what would have come of them.

use engine::{Effect, Observer, Operation, Origin, Record, Timestamp, Wanted};

use super::*;
use crate::{Change, Ending, Habits, Instead, Moment, Past, Refusal, Replayed, Told, Way, play};

struct Nobody;

impl Observer for Nobody {
    fn event(&self, _: Timestamp, _: &engine::Event<'_>) {}
}

/// What the canary writes down with these faults.
fn told(faults: &[Fault]) -> Told {
    play(&scene(), &script(canary()), faults, Arc::new(Nobody))
}

fn past(told: &Told) -> Past<'_> {
    Past {
        brief: Arc::new(brief()),
        records: &told.records,
        verdict: Some(&told.verdict),
    }
}

fn branch(told: &Told, sequence: u64, instead: Instead) -> Result<Told, Refusal> {
    let change = Change { sequence, instead };
    past(told).branch(&script(canary()), &Habits::default(), &[change], None)
}

/// The number of the first record of that effect that is about the target.
fn place(records: &[Record], of: impl Fn(&Effect) -> bool) -> u64 {
    let is = |record: &&Record| record.intent.effect.as_ref().is_some_and(&of);
    records.iter().find(is).unwrap().intent.sequence
}

fn awaits(target: &str) -> impl Fn(&Effect) -> bool {
    move |effect| matches!(effect, Effect::AwaitHealthy { releases, .. } if releases.contains_key(target))
}

fn never_up(target: &str) -> Fault {
    Fault::NeverUp {
        target: target.into(),
    }
}

/// One of each kind, of those that can be told of a target on all.
fn every() -> Vec<Fault> {
    let mut faults = vec![
        Fault::BadRelease,
        Fault::BadUnderLoad { above: 5.0 },
        Fault::BalancerRefuses { after: 0, times: 1 },
        Fault::BalancerHangs {
            after: 0,
            happens: true,
        },
        Fault::BalancerLate {
            after: 0,
            by_ms: 30_000,
        },
        Fault::BalancerLies { after: 0 },
        Fault::Killed {
            at: 0,
            moment: Moment::Halfway,
            then: Way::Resumed,
        },
        Fault::Killed {
            at: 0,
            moment: Moment::After,
            then: Way::TakenBack,
        },
        Fault::LeaseLost { at: 0 },
        Fault::Aborted { after_ms: 0 },
    ];
    for target in ["a", "b", "c", "d"] {
        let target: Name = target.into();
        faults.extend([
            Fault::InstallFails {
                target: target.clone(),
                times: Some(1),
            },
            Fault::ActivateFails {
                target: target.clone(),
                after: 0,
                times: None,
                happens: false,
            },
            Fault::SlowStart {
                target: target.clone(),
                by_ms: 20_000,
            },
            Fault::NeverUp {
                target: target.clone(),
            },
            Fault::FallsOver {
                target: target.clone(),
                after_ms: 0,
            },
            Fault::Unreachable {
                target: target.clone(),
                from_ms: 0,
                for_ms: 60_000,
            },
            Fault::NoWayBack { target },
        ]);
    }
    faults
}

#[test]
fn what_ran_is_asked_for_again() {
    for faults in [
        vec![],
        vec![never_up("c")],
        vec![Fault::Aborted { after_ms: 60_000 }],
    ] {
        let ran = told(&faults);
        let Told { run, records, .. } = &ran;
        assert_eq!(
            past(&ran).replay(&script(canary())),
            Replayed::Agrees,
            "{run:?}"
        );
        // Up to any point it goes on with something.
        for until in 1..engine::told(records).len() {
            let begun = Past {
                records: &records[..until],
                verdict: None,
                ..past(&ran)
            };
            let replayed = begun.replay(&script(canary()));
            assert!(
                matches!(replayed, Replayed::GoesOn { .. }),
                "{until}: {replayed:?}"
            );
        }
    }
}

#[test]
fn so_is_what_was_cut_off_and_gone_on_with_or_taken_back() {
    for at in 0..20 {
        for moment in [
            Moment::Unwritten,
            Moment::Before,
            Moment::Halfway,
            Moment::After,
        ] {
            for then in [Way::Resumed, Way::TakenBack] {
                let ran = told(&[Fault::Killed { at, moment, then }]);
                let replayed = past(&ran).replay(&script(canary()));
                assert_eq!(replayed, Replayed::Agrees, "{at} {moment:?} {then:?}");
            }
        }
    }
}

#[test]
fn another_strategy_is_told_where_it_differs() {
    let ran = told(&[]);
    let records = &ran.records;
    let mut calls = canary();
    let soak = calls
        .iter()
        .position(|call| matches!(call, Operation::Wait { .. }))
        .unwrap();
    calls[soak] = Operation::Wait {
        duration_ms: Some(1),
    };
    let Replayed::Differs(differs) = past(&ran).replay(&script(calls.clone())) else {
        panic!("it waits for less");
    };
    assert_eq!(differs.asked, Wanted::Call(calls[soak].clone()));
    let recorded = &records[usize::try_from(differs.sequence).unwrap() - 1];
    assert_eq!(
        Wanted::Call(recorded.intent.operation.clone().unwrap()),
        differs.recorded
    );
    // One that does less, and one that does more.
    let shorter = past(&ran).replay(&script(canary()[..5].to_vec()));
    assert!(
        matches!(&shorter, Replayed::Differs(differs) if differs.asked == Wanted::End),
        "{shorter:?}"
    );
    let mut longer = canary();
    longer.push(Operation::ReadTraffic);
    let longer = past(&ran).replay(&script(longer));
    assert!(
        matches!(&longer, Replayed::Differs(differs) if differs.recorded == Wanted::End),
        "{longer:?}"
    );
}

#[test]
fn what_went_well_is_seen_to_fail() {
    let ran = told(&[]);
    let Told { run, records, .. } = &ran;
    assert_eq!(run.ending, Ending::Succeeded);
    let at = place(records, awaits("b"));
    let other = branch(&ran, at, Instead::Fails(vec![never_up("a"), never_up("b")])).unwrap();
    assert_eq!(other.run.ending, Ending::RolledBack);
    assert_eq!(
        other.run.faults,
        [never_up("b")],
        "only of what is waited for"
    );
    assert_eq!(other.run.broken, []);
    let before = usize::try_from(at).unwrap() - 1;
    assert_eq!(other.records[..before], records[..before]);
    assert_eq!(
        other.records[before].intent.operation,
        records[before].intent.operation
    );
    let failed = other.records[before].outcome.as_ref().unwrap();
    assert_eq!(
        failed.result.as_ref().unwrap_err().code,
        engine::Code::Unhealthy
    );
    let undone = |record: &Record| matches!(record.intent.origin, Origin::Undo(_));
    assert!(other.records.iter().any(undone));
}

#[test]
fn what_failed_is_seen_to_go_well() {
    let ran = told(&[never_up("b")]);
    let Told { run, records, .. } = &ran;
    assert_eq!(run.ending, Ending::RolledBack);
    let failed = |record: &&Record| record.outcome.as_ref().unwrap().result.is_err();
    let at = records.iter().find(failed).unwrap().intent.sequence;
    let other = branch(&ran, at, Instead::Succeeds).unwrap();
    assert_eq!(
        (other.run.ending, other.run.broken),
        (Ending::Succeeded, vec![])
    );
    // What went well goes no better.
    assert_eq!(
        branch(&ran, 1, Instead::Succeeds).unwrap_err(),
        Refusal::WentWell(1)
    );
}

/// Whatever happens at whatever record: nothing breaks, and what does not suit is said.
#[test]
fn every_fault_at_every_record_keeps_the_rules() {
    for faults in [vec![], vec![never_up("c")]] {
        let ran = told(&faults);
        let records = &ran.records;
        let (mut struck, mut unfit) = (0, 0);
        for record in records {
            let sequence = record.intent.sequence;
            if let Origin::Turn(_) = record.intent.origin {
                let refused = branch(&ran, sequence, Instead::Succeeds).unwrap_err();
                assert_eq!(refused, Refusal::Unasked(sequence));
                continue;
            }
            for fault in every() {
                match branch(&ran, sequence, Instead::Fails(vec![fault.clone()])) {
                    Ok(told) => {
                        struck += 1;
                        assert_eq!(told.run.broken, [], "{sequence} {fault:?}");
                        assert_eq!(told.run.faults, std::slice::from_ref(&fault), "{sequence}");
                        assert_ne!(told.run.ending, Ending::Unfinished, "{sequence} {fault:?}");
                    }
                    Err(Refusal::Unfit(refused)) => {
                        unfit += 1;
                        let fits = refused.suits.contains(&fault.kind());
                        let about = fault
                            .target()
                            .is_none_or(|target| refused.targets.contains(target));
                        assert!(!fits || !about, "{sequence} {fault:?} {refused:?}");
                    }
                    Err(other) => panic!("{sequence} {fault:?}: {other:?}"),
                }
            }
        }
        assert!(struck > 100 && unfit > 100, "{struck} {unfit}");
    }
}

#[test]
fn several_changes_strike_one_after_the_other() {
    let ran = told(&[]);
    let records = &ran.records;
    let at = place(records, awaits("b"));
    let changes = |second: u64| {
        [
            Change {
                sequence: second,
                instead: Instead::Fails(vec![Fault::BalancerRefuses { after: 0, times: 9 }]),
            },
            Change {
                sequence: at,
                instead: Instead::Fails(vec![never_up("b")]),
            },
        ]
    };
    let run = |second| {
        past(&ran).branch(
            &script(canary()),
            &Habits::default(),
            &changes(second),
            None,
        )
    };
    // Where it turned back, the way back begins two records later.
    let back = branch(&ran, at, Instead::Fails(vec![never_up("b")]))
        .unwrap()
        .records;
    let apply = back.iter().filter(|record| record.intent.sequence > at);
    let apply = apply
        .clone()
        .find(|record| matches!(record.intent.effect, Some(Effect::Apply { .. })))
        .unwrap();
    let stuck = run(apply.intent.sequence).unwrap();
    assert_eq!(
        (stuck.run.ending, stuck.run.broken),
        (Ending::Stuck, vec![])
    );
    assert!(matches!(
        run(9_999),
        Err(Refusal::Unreached {
            sequence: 9_999,
            ..
        })
    ));
}
