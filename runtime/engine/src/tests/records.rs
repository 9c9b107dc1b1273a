//! Records as JSON: what the store keeps is what was written, and gives the same model.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::course::all;
use crate::{
    Admission, Answer, Approvers, Code, Effect, Failure, Halt, Installed, Interruption,
    MemberState, Operation, Origin, Point, Reading, Record, Report, Share, Signal, TargetState,
    Timestamp, Traffic, Turn, Undo, Verdict, Wanted, Wish, World,
    testing::{Fault, Kind, brief},
};

fn round<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *value, "{text}");
    // And by way of a value, as where only parts are read.
    let value_of = serde_json::to_value(value).unwrap();
    assert_eq!(serde_json::from_value::<T>(value_of).unwrap(), *value);
}

fn traffic() -> Traffic {
    let shares = [("web".into(), 100.0 / 3.0), ("canary".into(), 0.0)].into();
    let admissions = [
        ("a".into(), Admission::Ready),
        ("b".into(), Admission::Draining),
        ("c".into(), Admission::Out),
    ];
    Traffic {
        shares,
        admissions: admissions.into(),
    }
}

fn pause() -> Signal {
    Signal {
        wish: Wish::Pause,
        by: "alice".into(),
        reason: "lunch".into(),
    }
}

fn failure() -> Failure {
    let mut failure = Failure::new(Code::Other("odd".into()), "it is \"odd\"\n").retryable();
    failure.details = json!({ "rule": "x", "targets": ["a"] });
    failure
}

#[test]
fn effects() {
    let targets = || ["a".into(), "b".into()].into();
    let releases = || [("a".into(), "v2".into())].into();
    for effect in [
        Effect::Observe,
        Effect::Install {
            targets: targets(),
            release: "v2".into(),
        },
        Effect::Activate {
            releases: releases(),
        },
        Effect::Deactivate { targets: targets() },
        Effect::Remove {
            targets: targets(),
            release: "v2".into(),
        },
        Effect::ReadTraffic,
        Effect::Apply {
            traffic: traffic(),
            drained: targets(),
            joining: targets(),
            drain_ms: 5,
        },
        Effect::AwaitHealthy {
            releases: releases(),
            timeout_ms: u64::MAX,
        },
        Effect::Watch {
            candidate: targets(),
            baseline: targets(),
            since: Timestamp(3),
            until: Timestamp(7),
        },
        Effect::Wait {
            since: Timestamp(3),
            until: None,
        },
        Effect::Wait {
            since: Timestamp(3),
            until: Some(Timestamp(u64::MAX)),
        },
        Effect::Approval {
            question: "go?".into(),
            approvers: Approvers {
                by: ["bob".into()].into(),
                needed: 1,
            },
            since: Timestamp(3),
            until: None,
        },
        Effect::Hold { pause: pause() },
        Effect::Step {
            step: 1,
            point: Point::BeforeTraffic,
            targets: targets(),
        },
        Effect::UndoStep {
            step: 1,
            point: Point::AfterTraffic,
            targets: targets(),
            outcome: json!(null),
        },
    ] {
        round(&effect);
    }
}

#[test]
fn operations_and_answers() {
    let targets = || vec!["a".into()];
    for operation in [
        Operation::Install { targets: targets() },
        Operation::Activate { targets: targets() },
        Operation::ReadTraffic,
        Operation::Split {
            shares: vec![Share {
                group: "web".into(),
                percent: 99.99,
            }],
        },
        Operation::Drain {
            targets: targets(),
            timeout_ms: Some(1),
        },
        Operation::Restore { targets: targets() },
        Operation::AwaitHealthy {
            targets: targets(),
            timeout_ms: None,
        },
        Operation::Watch {
            candidate: targets(),
            baseline: vec![],
            duration_ms: 1,
        },
        Operation::Begin {
            stage: "10 %".into(),
        },
        Operation::Wait { duration_ms: None },
        Operation::Approval {
            question: "go?".into(),
            timeout_ms: Some(2),
        },
        Operation::Now,
    ] {
        round(&operation);
    }
    for answer in [
        Answer::Done,
        Answer::Traffic(vec![Share {
            group: "web".into(),
            percent: 1.0 / 3.0,
        }]),
        Answer::Verdict {
            kind: "inconclusive".into(),
            details: json!({ "a": [1.5, null] }),
        },
        Answer::Time(Timestamp(1)),
    ] {
        round(&answer);
    }
}

#[test]
fn origins_and_undos() {
    for origin in [
        Origin::Strategy,
        Origin::Step,
        Origin::Host,
        Origin::Undo(7),
        Origin::Turn(Turn::Back),
        Origin::Turn(Turn::Forth),
    ] {
        round(&origin);
    }
    for undo in [
        Undo::Nothing,
        Undo::Remove {
            targets: vec!["a".into()],
            release: "v2".into(),
        },
        Undo::Reactivate {
            releases: vec![("a".into(), None), ("b".into(), Some("v1".into()))],
        },
        Undo::Traffic { before: traffic() },
        Undo::Step,
        Undo::Irreversible,
    ] {
        round(&undo);
    }
}

#[test]
fn reports() {
    let member = MemberState {
        target: "a".into(),
        percent: 12.5,
        admission: Admission::Draining,
        up: Some(false),
        active: Some(3),
    };
    let reading = Reading {
        members: vec![member],
        revision: Some("9".into()),
        details: json!({}),
    };
    let state = TargetState {
        active: Some("v1".into()),
        installed: vec![Installed {
            id: "v1".into(),
            complete: false,
        }],
    };
    round(&Report {
        failed: [("a".into(), failure())].into(),
        failure: Some(failure()),
        reading: Some(reading.clone()),
        world: Some(World {
            targets: [("a".into(), state)].into(),
            unreachable: [("b".into(), failure())].into(),
            reading: Some(reading),
        }),
        value: json!({ "cut": 3 }),
        signals: vec![
            pause(),
            Signal {
                wish: Wish::Promote { full: true },
                ..pause()
            },
        ],
    });
    round(&Report::default());
}

#[test]
fn verdicts_and_briefs() {
    let (cause, differences) = (failure(), vec!["a runs v2".to_owned()]);
    for verdict in [
        Verdict::Succeeded {
            left_out: vec![("a".into(), failure())],
        },
        Verdict::RolledBack {
            cause: cause.clone(),
        },
        Verdict::Stuck {
            cause: cause.clone(),
            differences: differences.clone(),
        },
        Verdict::Frozen {
            cause: cause.clone(),
            differences,
        },
        Verdict::Refused {
            cause: cause.clone(),
        },
        Verdict::Abandoned { cause },
        Verdict::Halted {
            halt: Halt::Differs {
                sequence: 3,
                recorded: Wanted::Call(Operation::Now),
                asked: Wanted::End,
            },
        },
        Verdict::Halted {
            halt: Halt::Drift {
                differences: vec!["a runs v3".into()],
            },
        },
    ] {
        round(&verdict);
    }
    round(&Interruption {
        by: "alice".into(),
        reason: "enough".into(),
    });
    round(&brief(&[("a", "web")]));
}

#[test]
fn whole_records() {
    for (_, stage, mut script) in all() {
        stage.world.fault(Fault::new(Kind::Wait).after(1));
        stage.run(&mut script);
        for record in stage.journal.records() {
            round::<Record>(&record);
        }
    }
}

#[test]
fn a_record_tells_how_things_stood() {
    let (_, stage, mut script) = all().remove(1);
    stage.world.fault(Fault::new(Kind::Wait).after(1));
    stage.run(&mut script);
    let records = stage.journal.records();
    let first = &records[0];
    assert_eq!(first.intent.effect, Some(Effect::Observe));
    let report = first
        .outcome
        .as_ref()
        .and_then(|outcome| outcome.report.as_ref());
    assert_eq!(
        report
            .and_then(|report| report.world.as_ref())
            .unwrap()
            .targets
            .len(),
        3
    );
    let last = records.last().unwrap();
    assert_eq!(
        last.intent.effect,
        Some(Effect::Observe),
        "read back at the end"
    );
}
