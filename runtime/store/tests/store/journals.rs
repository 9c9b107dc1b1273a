//! The record: as it was written, without a gap, and only by who holds the lease.

use engine::{Answer, Effect, Intent, JournalError, Operation, Origin, Outcome, Record, Undo};
use serde_json::json;
use store::State;

use crate::{
    World,
    fixture::{
        TTL, at, begin, failure, intent, outcome, owner, release, rolled_back, scope, succeeded,
        value,
    },
};

pub(crate) async fn record_comes_back_as_written(world: &impl World) {
    let store = world.open();
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &lease);
    let refused = Outcome {
        result: Err(failure("not proven")),
        report: None,
        ended: at(6),
    };
    let time = Intent {
        origin: Origin::Undo(1),
        operation: None,
        effect: None,
        undo: Undo::Irreversible,
        ..intent(2, at(5))
    };

    journal.begin(&intent(1, at(1))).await.unwrap();
    journal.end(1, &outcome(at(4))).await.unwrap();
    journal.note(&time, &refused).await.unwrap();
    journal.begin(&intent(3, at(7))).await.unwrap();

    let expected = [
        Record {
            intent: intent(1, at(1)),
            outcome: Some(outcome(at(4))),
        },
        Record {
            intent: time,
            outcome: Some(refused),
        },
        Record {
            intent: intent(3, at(7)),
            outcome: None,
        },
    ];
    assert_eq!(world.open().records("d1").await.unwrap(), expected);
    assert!(store.records("d2").await.unwrap().is_empty());
}

pub(crate) async fn record_has_no_gap(world: &impl World) {
    let store = world.open();
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &lease);
    journal.begin(&intent(1, at(1))).await.unwrap();
    journal.end(1, &outcome(at(1))).await.unwrap();

    for sequence in [0, 1, 3] {
        let refused = journal.begin(&intent(sequence, at(2))).await.unwrap_err();
        assert!(
            matches!(refused, JournalError::Store(ref why) if why.contains("1 is the last one")),
            "{refused:?}"
        );
        journal
            .note(&intent(sequence, at(2)), &outcome(at(2)))
            .await
            .unwrap_err();
    }

    assert_eq!(store.records("d1").await.unwrap().len(), 1);
    journal.begin(&intent(2, at(2))).await.unwrap();
}

pub(crate) async fn record_is_refused_after_the_lease_ran_out(world: &impl World) {
    let store = world.open();
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &lease);

    let refused = journal.begin(&intent(1, at(TTL))).await.unwrap_err();

    assert!(
        matches!(refused, JournalError::LeaseLost { ref holder } if holder.contains("ran out")),
        "{refused:?}"
    );
    assert!(store.records("d1").await.unwrap().is_empty());
    // Renewed in time, it goes on; the journal asks the store, not its own memory.
    store.renew(&lease, TTL, at(TTL - 1)).await.unwrap();
    journal.begin(&intent(1, at(TTL))).await.unwrap();
}

pub(crate) async fn record_is_refused_after_takeover(world: &impl World) {
    let store = world.open();
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &lease);
    journal.begin(&intent(1, at(1))).await.unwrap();
    let other = world.open();
    other
        .reopen_deployment("d1", &owner("ben"), TTL, at(TTL))
        .await
        .unwrap();
    let before = store.records("d1").await.unwrap();

    let lost = |result: Result<(), JournalError>| {
        let error = result.unwrap_err();
        assert!(
            matches!(error, JournalError::LeaseLost { ref holder }
                if holder == "ben on build-1 (process 4711)"),
            "{error:?}"
        );
    };
    lost(journal.begin(&intent(2, at(TTL))).await);
    lost(journal.end(1, &outcome(at(TTL))).await);
    lost(journal.note(&intent(2, at(TTL)), &outcome(at(TTL))).await);
    lost(journal.close(&value(&succeeded()), at(TTL)).await);

    assert_eq!(store.records("d1").await.unwrap(), before);
    assert_eq!(
        store
            .deployment("d1", at(TTL))
            .await
            .unwrap()
            .unwrap()
            .state,
        State::Running
    );
    store
        .break_lease(&scope(), &owner("carla"), "it hangs", at(TTL))
        .await
        .unwrap();
    let error = journal.begin(&intent(2, at(TTL))).await.unwrap_err();
    assert!(
        matches!(error, JournalError::LeaseLost { ref holder } if holder.contains("has let go")),
        "{error:?}"
    );
}

/// What happened is kept, also late; nothing new begins.
pub(crate) async fn outcome_counts_until_the_lease_is_taken(world: &impl World) {
    let store = world.open();
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &lease);
    journal.begin(&intent(1, at(1))).await.unwrap();

    journal.end(1, &outcome(at(TTL + 5))).await.unwrap();

    assert_eq!(
        store.records("d1").await.unwrap()[0].outcome,
        Some(outcome(at(TTL + 5)))
    );
    journal.begin(&intent(2, at(TTL + 6))).await.unwrap_err();
}

pub(crate) async fn outcome_is_written_once(world: &impl World) {
    let store = world.open();
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &lease);
    journal.begin(&intent(1, at(1))).await.unwrap();
    journal.end(1, &outcome(at(2))).await.unwrap();

    for sequence in [1, 2] {
        let refused = journal.end(sequence, &outcome(at(3))).await.unwrap_err();
        assert!(
            matches!(refused, JournalError::Store(ref why) if why.contains("not under way")),
            "{refused:?}"
        );
    }

    assert_eq!(
        store.records("d1").await.unwrap()[0].outcome,
        Some(outcome(at(2)))
    );
}

pub(crate) async fn further_attempt_replaces_the_one_under_way(world: &impl World) {
    let store = world.open();
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    store
        .journal("d1", &lease)
        .begin(&intent(1, at(1)))
        .await
        .unwrap();
    let lease = store
        .reopen_deployment("d1", &owner("ben"), TTL, at(TTL))
        .await
        .unwrap();
    let mut journal = store.journal("d1", &lease);

    // What another holder began has no outcome that this one could know.
    journal.end(1, &outcome(at(TTL))).await.unwrap_err();
    journal.begin(&intent(1, at(TTL + 1))).await.unwrap_err();
    let other = Effect::Remove {
        targets: ["web1".into()].into(),
        release: "2.0-1".into(),
    };
    let other = Intent {
        attempt: 2,
        effect: Some(other),
        ..intent(1, at(TTL + 1))
    };
    journal.begin(&other).await.unwrap_err();
    let second = Intent {
        attempt: 2,
        ..intent(1, at(TTL + 2))
    };
    journal.begin(&second).await.unwrap();
    journal.end(1, &outcome(at(TTL + 3))).await.unwrap();
    journal
        .begin(&Intent {
            attempt: 3,
            ..second.clone()
        })
        .await
        .unwrap_err();

    let expected = Record {
        intent: second,
        outcome: Some(outcome(at(TTL + 3))),
    };
    assert_eq!(store.records("d1").await.unwrap(), [expected]);
}

/// Whoever did not get an answer asks again, and nothing is written twice.
pub(crate) async fn repeated_call_is_recognised(world: &impl World) {
    let store = world.open();
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &lease);
    for _ in 0..2 {
        journal.begin(&intent(1, at(1))).await.unwrap();
    }
    journal.begin(&intent(1, at(2))).await.unwrap_err();
    for _ in 0..2 {
        journal.end(1, &outcome(at(3))).await.unwrap();
    }
    // What was begun again after its end is something else.
    journal.begin(&intent(1, at(1))).await.unwrap_err();
    for _ in 0..2 {
        let (intent, outcome) = (intent(2, at(4)), outcome(at(5)));
        journal.note(&intent, &outcome).await.unwrap();
    }
    journal
        .note(&intent(2, at(4)), &outcome(at(6)))
        .await
        .unwrap_err();
    for _ in 0..2 {
        journal.close(&value(&rolled_back()), at(7)).await.unwrap();
    }

    let ended = |record: &Record| record.outcome.as_ref().unwrap().ended;
    let records = store.records("d1").await.unwrap();
    assert_eq!(
        records.iter().map(ended).collect::<Vec<_>>(),
        [at(3), at(5)]
    );
    let audit = store.audit_rows(Some("d1")).await.unwrap();
    assert_eq!(audit.len(), 2, "begun and closed, each once");
}

pub(crate) async fn verdict_is_kept(world: &impl World) {
    let store = world.open();
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &lease);
    journal
        .close(&json!({ "verdict": "splendid" }), at(5))
        .await
        .unwrap_err();

    journal.close(&value(&rolled_back()), at(5)).await.unwrap();

    let kept = world.open().deployment("d1", at(6)).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.ended), (State::RolledBack, Some(at(5))));
    assert_eq!(kept.verdict, Some(rolled_back()));
    // The lease is still held; only its holder lets go of it.
    assert!(store.holder(&scope()).await.unwrap().is_some());
    journal
        .close(&value(&succeeded()), at(7))
        .await
        .unwrap_err();
    let audit = store.audit_rows(Some("d1")).await.unwrap();
    let closed = audit
        .iter()
        .find(|row| row.entry.action == "deployment_closed")
        .unwrap();
    assert_eq!(closed.entry.details["state"], "rolled-back");
}

pub(crate) async fn too_large_a_record_is_refused(world: &impl World) {
    let store = world.open();
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &lease);
    let stage = "x".repeat(5 << 20);
    let large = Intent {
        operation: Some(Operation::Begin { stage }),
        ..intent(1, at(1))
    };

    let refused = journal.begin(&large).await.unwrap_err();

    assert!(
        matches!(refused, JournalError::Store(ref why) if why.contains("at most 4194304")),
        "{refused:?}"
    );
    assert!(store.records("d1").await.unwrap().is_empty());
    let done = Outcome {
        result: Ok(Answer::Done),
        report: None,
        ended: at(2),
    };
    let id = release("1.0").id;
    let small = Intent {
        undo: Undo::Reactivate {
            releases: vec![(id, None)],
        },
        ..intent(1, at(1))
    };
    journal.note(&small, &done).await.unwrap();
}
