//! Each kind of fault is seen to have its effect.

use engine::Operation;

use super::*;
use crate::{Ending, Flaw, Moment, Way};

fn check(fault: Fault, ending: Ending, cause: &str) -> Run {
    let run = with(std::slice::from_ref(&fault));
    assert_eq!(run.ending, ending, "{fault}: {run:?}");
    let told = run.cause.clone().unwrap_or_default();
    assert!(told.contains(cause), "{fault}: {told}");
    assert_eq!(run.broken, [], "{fault}");
    run
}

#[test]
fn nothing() {
    let run = with(&[]);
    assert_eq!(run.ending, Ending::Succeeded, "{run:?}");
    assert_eq!(run.broken, []);
    assert_eq!((run.failed_ms, run.least_serving), (0.0, 3));
    assert!(run.took_ms > 600_000, "two soaks: {}", run.took_ms);
}

#[test]
fn on_targets() {
    let target = || name("b");
    let times = None;
    let installation = Fault::InstallFails {
        target: target(),
        times,
    };
    check(installation, Ending::RolledBack, "b: the disk is full");
    let activation = |target, after, happens| Fault::ActivateFails {
        target,
        after,
        times: Some(1),
        happens,
    };
    check(
        activation(target(), 0, false),
        Ending::RolledBack,
        "b: the service did not restart",
    );
    check(
        activation(target(), 0, true),
        Ending::RolledBack,
        "b: the service did not restart",
    );
    let calm = with(&[]);
    let slow = |by_ms| Fault::SlowStart {
        target: target(),
        by_ms,
    };
    let slower = check(slow(30_000), Ending::Succeeded, "");
    assert!(slower.took_ms >= calm.took_ms + 30_000);
    // The old release is as slow when it comes back.
    check(slow(90_000), Ending::Stuck, "not healthy: b");
    check(
        Fault::NeverUp { target: target() },
        Ending::RolledBack,
        "not healthy: b",
    );
    let falls = Fault::FallsOver {
        target: name("a"),
        after_ms: 60_000,
    };
    let fallen = check(falls, Ending::RolledBack, "no longer healthy: a");
    assert!(
        fallen.failed_ms > 0.0 && fallen.least_serving < 4,
        "{fallen:?}"
    );
    let away = |from_ms, for_ms| Fault::Unreachable {
        target: target(),
        from_ms,
        for_ms,
    };
    check(away(0, 1_000), Ending::Refused, "b: no route to it");
    let lost = check(away(5_000, 3_000), Ending::RolledBack, "b: no route to it");
    assert!(lost.failed_ms > 0.0, "{lost:?}");
    let both = [
        Fault::NoWayBack { target: name("b") },
        Fault::NeverUp { target: target() },
    ];
    let stuck = with(&both);
    assert_eq!(
        (stuck.ending, stuck.broken.len()),
        (Ending::Stuck, 0),
        "{stuck:?}"
    );
}

#[test]
fn in_the_release() {
    let bad = check(Fault::BadRelease, Ending::RolledBack, "not healthy: a");
    assert!(bad.bad_release && bad.met_ms == 0.0, "{bad:?}");
    let load = check(
        Fault::BadUnderLoad { above: 20.0 },
        Ending::RolledBack,
        "no longer healthy: a",
    );
    assert!(
        load.met_ms > 0.0 && load.failed_ms > 0.0 && load.failed_ms < load.met_ms,
        "{load:?}"
    );
    let users = check(Fault::BadForSome { users: 10.0 }, Ending::Succeeded, "");
    let part = users.failed_ms / users.met_ms;
    assert!((0.09..0.11).contains(&part), "{users:?}");
}

#[test]
fn of_the_load_balancer() {
    let refuses = Fault::BalancerRefuses { after: 1, times: 1 };
    check(refuses, Ending::RolledBack, "409");
    for happens in [false, true] {
        let hangs = Fault::BalancerHangs { after: 1, happens };
        let run = check(hangs, Ending::RolledBack, "did not answer");
        assert_eq!(run.met_ms > 0.0, happens, "{run:?}");
    }
    let late = |by_ms| Fault::BalancerLate { after: 1, by_ms };
    let calm = with(&[]);
    let patient = check(late(5_000), Ending::Succeeded, "");
    assert!(patient.took_ms > calm.took_ms, "{patient:?}");
    check(late(30_000), Ending::RolledBack, "does not show the change");
    let lies = check(Fault::BalancerLies { after: 1 }, Ending::Succeeded, "");
    assert!(lies.met_ms < calm.met_ms, "{lies:?}");
}

#[test]
fn of_steps_and_people() {
    let step = Fault::StepFails {
        step: 0,
        times: None,
    };
    check(step, Ending::RolledBack, "the step \"smoke tests\" failed");
    let aborted = Fault::Aborted { after_ms: 60_000 };
    let run = check(aborted, Ending::RolledBack, "operator asked to stop");
    assert!(run.took_ms < 300_000, "the soak was cut short: {run:?}");
}

/// How many records the canary has.
const RECORDS: u32 = 23;

#[test]
fn of_the_process() {
    let calm = with(&[]);
    let moments = [
        Moment::Unwritten,
        Moment::Before,
        Moment::Halfway,
        Moment::After,
    ];
    for moment in moments {
        for at in 0..30 {
            let killed = |then| Fault::Killed { at, moment, then };
            let resumed = check(killed(Way::Resumed), Ending::Succeeded, "");
            let over = at >= RECORDS;
            assert_eq!(resumed.took_ms > calm.took_ms, !over, "{moment:?} {at}");
            let back = with(&[killed(Way::TakenBack)]);
            let old = matches!(back.ending, Ending::RolledBack | Ending::Refused);
            assert_eq!(old, !over, "{moment:?} {at}: {back:?}");
            assert_eq!(back.broken, [], "{moment:?} {at}");
        }
    }
    for at in 0..30 {
        check(Fault::LeaseLost { at }, Ending::Succeeded, "");
    }
}

#[test]
fn of_metrics() {
    let mut calls = canary();
    for call in &mut calls {
        if matches!(call, Operation::Wait { .. }) {
            *call = Operation::Watch {
                candidate: names(&["a"]),
                baseline: Vec::new(),
                duration_ms: 300_000,
            };
        }
    }
    let watching = |faults: &[Fault]| run::run(&scene(), &script(calls.clone()), 1, faults);
    assert_eq!(watching(&[]).ending, Ending::Succeeded);
    let bad = Fault::BadForSome { users: 10.0 };
    let seen = watching(std::slice::from_ref(&bad));
    assert_eq!(seen.ending, Ending::RolledBack);
    assert!(seen.cause.is_some_and(|cause| cause.contains("error rate")));
    let flawed = |flaw| watching(&[bad.clone(), Fault::Metrics { flaw }]);
    assert_eq!(
        flawed(Flaw::Late).ending,
        Ending::Succeeded,
        "the soak is over before"
    );
    let missing = flawed(Flaw::Missing);
    assert_eq!(
        missing.ending,
        Ending::Succeeded,
        "the script does not look"
    );
    let noisy = watching(&[Fault::Metrics { flaw: Flaw::Noisy }]);
    assert_eq!(noisy.ending, Ending::RolledBack);
}

/// Times that are written on a command line may be any.
#[test]
fn that_last_longer_than_time() {
    let target = || name("b");
    let ever = u64::MAX;
    let away = |from_ms| Fault::Unreachable {
        target: target(),
        from_ms,
        for_ms: ever,
    };
    for fault in [
        away(0),
        away(60_000),
        away(ever),
        Fault::Aborted { after_ms: ever },
        Fault::BalancerLate {
            after: 0,
            by_ms: ever,
        },
        Fault::SlowStart {
            target: target(),
            by_ms: ever,
        },
        Fault::FallsOver {
            target: target(),
            after_ms: ever,
        },
    ] {
        let run = with(std::slice::from_ref(&fault));
        assert_eq!(run.broken, [], "{fault:?}");
        assert_ne!(run.ending, Ending::Unfinished, "{fault:?}");
    }
}
