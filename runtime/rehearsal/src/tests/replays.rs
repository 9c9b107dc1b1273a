//! Records told again, and what would have come of them.

use engine::{
    Effect, Intent, Observer, Operation, Origin, Record, Report, Signal, Timestamp, Verdict,
    Wanted, Wish,
};

use super::*;
use crate::{
    Change, Ending, Habits, Happened, Instead, Moment, Played, Refusal, Replayed, Way, play,
};

struct Nobody;

impl Observer for Nobody {
    fn event(&self, _: Timestamp, _: &engine::Event<'_>) {}
}

/// What the canary writes down with these faults.
fn told(faults: &[Fault]) -> Played {
    play(&scene(), &script(canary()), faults, Arc::new(Nobody))
}

fn past(told: &Played) -> Happened<'_> {
    Happened {
        brief: Arc::new(brief()),
        records: &told.records,
        verdict: Some(&told.verdict),
    }
}

fn branch(told: &Played, sequence: u64, instead: Instead) -> Result<Played, Refusal> {
    let change = Change { sequence, instead };
    past(told).branch(&script(canary()), &Habits::default(), &[change], None)
}

/// One that was killed in a wait, and of which another process proved first that those who serve
/// are well.
fn resumed() -> Played {
    let killed = |at| {
        let (moment, then) = (Moment::Halfway, Way::Resumed);
        told(&[Fault::Killed { at, moment, then }])
    };
    let proves = |ran: &Played| ran.records.iter().any(|record| aside(&record.intent));
    (0..20).map(killed).rfind(proves).unwrap()
}

/// Whether it is a proof that was made anew.
fn aside(intent: &Intent) -> bool {
    intent.origin == Origin::Host && matches!(intent.effect, Some(Effect::AwaitHealthy { .. }))
}

/// One that somebody paused after its first wait.
fn paused() -> Played {
    let mut ran = told(&[]);
    let waits = |record: &Record| matches!(record.intent.effect, Some(Effect::Wait { .. }));
    let place = ran.records.iter().position(waits).unwrap() + 1;
    for record in &mut ran.records[place..] {
        record.intent.sequence += 1;
    }
    let mut held = ran.records[0].clone();
    let began = ran.records[place - 1].outcome.as_ref().unwrap().ended;
    let said = |wish| Signal {
        wish,
        by: "tester".to_owned(),
        reason: "lunch".to_owned(),
    };
    held.intent.sequence = place as u64 + 1;
    held.intent.started = began;
    held.intent.effect = Some(Effect::Hold {
        pause: said(Wish::Pause),
    });
    let outcome = held.outcome.as_mut().unwrap();
    outcome.ended = began;
    outcome.report = Some(Report {
        signals: vec![said(Wish::Continue)],
        ..Report::default()
    });
    ran.records.insert(place, held);
    ran
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
        let Played { run, records, .. } = &ran;
        assert_eq!(
            past(&ran).replay(&script(canary())),
            Replayed::Agrees,
            "{run:?}"
        );
        // Up to any point it goes on with something.
        for until in 1..engine::told(records).len() {
            let begun = Happened {
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
fn so_is_what_was_cut_off_while_it_was_gone_on_with() {
    let first = Fault::Killed {
        at: 9,
        moment: Moment::Halfway,
        then: Way::Resumed,
    };
    for at in 10..24 {
        for moment in [Moment::Before, Moment::Halfway, Moment::After] {
            for then in [Way::Resumed, Way::TakenBack] {
                let ran = told(&[first.clone(), Fault::Killed { at, moment, then }]);
                let replayed = past(&ran).replay(&script(canary()));
                assert_eq!(replayed, Replayed::Agrees, "{at} {moment:?} {then:?}");
            }
        }
    }
}

/// Nobody asks for a pause, or for what is made sure of where another process goes on.
#[test]
fn what_nobody_asks_for_may_be_under_way() {
    for (ran, of) in [(resumed(), "proof"), (paused(), "pause")] {
        let by_host = ran.records.iter().rposition(|record| {
            let effect = record.intent.effect.as_ref();
            record.intent.origin == Origin::Host
                && effect.is_some_and(|effect| *effect != Effect::Observe)
        });
        let mut records = ran.records[..=by_host.unwrap()].to_vec();
        records.last_mut().unwrap().outcome = None;
        let begun = Happened {
            records: &records,
            verdict: None,
            ..past(&ran)
        };
        let replayed = begun.replay(&script(canary()));
        assert!(
            matches!(replayed, Replayed::GoesOn { .. }),
            "{of}: {replayed:?}"
        );
    }
}

#[test]
fn what_never_began_is_what_it_was() {
    let ran = told(&[]);
    let refused = Verdict::Refused {
        cause: Failure::new(engine::Code::Refused, "the release is a prerelease"),
    };
    let mut never = Happened {
        records: &[],
        verdict: Some(&refused),
        ..past(&ran)
    };
    assert_eq!(never.replay(&script(canary())), Replayed::Agrees);
    // One that is still to begin.
    never.verdict = None;
    assert_eq!(
        never.replay(&script(canary())),
        Replayed::GoesOn {
            next: Wanted::Effect(Effect::Observe)
        }
    );
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
    let Played { run, records, .. } = &ran;
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
    let Played { run, records, .. } = &ran;
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

/// Numbers of records are those of the whole record.
fn counted(fault: &Fault, sequence: u64) -> Fault {
    let mut fault = fault.clone();
    if let Fault::Killed { at, .. } | Fault::LeaseLost { at } = &mut fault {
        *at += u32::try_from(sequence).unwrap() - 1;
    }
    fault
}

fn lost(at: u32) -> Fault {
    Fault::LeaseLost { at }
}

#[test]
fn records_are_counted_from_the_change_on() {
    let ran = told(&[]);
    let kill = |at| Fault::Killed {
        at,
        moment: Moment::Halfway,
        then: Way::TakenBack,
    };
    let other = branch(&ran, 3, Instead::Fails(vec![kill(2)])).unwrap();
    assert_eq!(other.run.faults, [kill(4)]);
    assert_eq!(other.run.ending, Ending::RolledBack);
    let turn = |record: &&Record| matches!(record.intent.origin, Origin::Turn(_));
    let turn = other.records.iter().find(turn).unwrap();
    assert_eq!(turn.intent.sequence, 6, "it was killed in the fifth");
}

#[test]
fn a_pause_ends_otherwise() {
    let ran = paused();
    let held = |effect: &Effect| matches!(effect, Effect::Hold { .. });
    let at = place(&ran.records, held);
    let falls = Fault::FallsOver {
        target: "a".into(),
        after_ms: 0,
    };
    let other = branch(&ran, at, Instead::Fails(vec![falls])).unwrap();
    assert_eq!(other.run.ending, Ending::RolledBack);
    let hold = &other.records[usize::try_from(at).unwrap() - 1];
    assert!(hold.intent.effect.as_ref().is_some_and(held));
    let failed = hold.outcome.as_ref().unwrap().result.as_ref().unwrap_err();
    assert_eq!(failed.code, engine::Code::Unhealthy);
}

#[test]
fn all_that_is_to_happen_at_a_record_does() {
    let ran = told(&[]);
    let at = place(&ran.records, |effect| {
        matches!(effect, Effect::Install { .. })
    });
    let fails = |target: &str| Fault::InstallFails {
        target: target.into(),
        times: Some(1),
    };
    let change = |instead| Change {
        sequence: at,
        instead,
    };
    let branch = |changes: &[Change]| {
        past(&ran).branch(&script(canary()), &Habits::default(), changes, None)
    };
    let one = change(Instead::Fails(vec![fails("a")]));
    let two = change(Instead::Fails(vec![fails("b")]));
    let both = branch(&[one.clone(), two]).unwrap();
    assert_eq!(both.run.faults, [fails("a"), fails("b")]);
    let report = |told: &Played| {
        let install = &told.records[usize::try_from(at).unwrap() - 1];
        install.outcome.as_ref().unwrap().report.clone().unwrap()
    };
    let failed: Vec<Name> = report(&both).failed.into_keys().collect();
    assert_eq!(failed, names(&["a", "b"]));
    let well = change(Instead::Succeeds);
    assert_eq!(branch(&[one, well]).unwrap_err(), Refusal::Both(at));
}

/// Whoever could not be asked when the deployment began still cannot, unless that goes well.
#[test]
fn what_was_out_of_reach_stays_so() {
    let away = |target: &str| Fault::Unreachable {
        target: target.into(),
        from_ms: 0,
        for_ms: 60_000,
    };
    let ran = told(&[away("b")]);
    assert_eq!(ran.run.ending, Ending::Refused);
    let unreachable = |told: &Played| -> Vec<Name> {
        let report = told.records[0].outcome.as_ref().unwrap().report.clone();
        report
            .unwrap()
            .world
            .unwrap()
            .unreachable
            .into_keys()
            .collect()
    };
    let well = branch(&ran, 1, Instead::Succeeds).unwrap();
    assert!(unreachable(&well).is_empty());
    let more = branch(&ran, 1, Instead::Fails(vec![away("c")])).unwrap();
    assert_eq!(unreachable(&more), names(&["b", "c"]));
    // Nobody knows what there was where nobody could look.
    let mut blind = ran.clone();
    blind.records.truncate(1);
    blind.records[0].outcome = None;
    assert_eq!(
        branch(&blind, 1, Instead::Succeeds).unwrap_err(),
        Refusal::Unseen
    );
}

/// Whatever happens at whatever record: nothing breaks, and what does not suit is said.
#[test]
fn every_fault_at_every_record_keeps_the_rules() {
    for ran in [told(&[]), told(&[never_up("c")]), resumed(), paused()] {
        let (mut struck, mut unfit) = (0, 0);
        for record in &ran.records {
            let sequence = record.intent.sequence;
            let looks = sequence > 1 && record.intent.effect == Some(Effect::Observe);
            let turns = matches!(record.intent.origin, Origin::Turn(_));
            if looks || turns || aside(&record.intent) {
                let refused = branch(&ran, sequence, Instead::Fails(vec![lost(0)])).unwrap_err();
                assert_eq!(refused, Refusal::Unasked(sequence));
                continue;
            }
            for fault in every() {
                match branch(&ran, sequence, Instead::Fails(vec![fault.clone()])) {
                    Ok(told) => {
                        struck += 1;
                        assert_eq!(told.run.broken, [], "{sequence} {fault:?}");
                        assert_eq!(told.run.faults, [counted(&fault, sequence)], "{sequence}");
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
