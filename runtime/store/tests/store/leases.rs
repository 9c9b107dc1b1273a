//! One at a time, and tokens that grow.

use std::sync::Arc;

use engine::Timestamp;
use store::{Lease, LeaseError, Scope, State, Store};
use tokio::{sync::Mutex, task::JoinSet};

use crate::{
    World,
    fixture::{TTL, at, begin, owner, scope},
};

async fn take(store: &dyn Store, actor: &str, now: Timestamp) -> Result<Lease, LeaseError> {
    store.acquire(&scope(), &owner(actor), TTL, now).await
}

pub(crate) async fn lease_is_held_by_one(world: &impl World) {
    let (one, other) = (world.open(), world.open());
    let lease = take(&*one, "anna", at(0)).await.unwrap();
    assert_eq!((lease.since, lease.until), (at(0), at(TTL)));

    for store in [&one, &other] {
        let LeaseError::Held { held, .. } = take(&**store, "ben", at(TTL - 1)).await.unwrap_err()
        else {
            panic!("it is held");
        };
        assert_eq!(held.owner, owner("anna"));
        assert_eq!((held.since, held.until), (at(0), at(TTL)));
    }
    one.release(&lease).await.unwrap();
    assert_eq!(other.holder(&scope()).await.unwrap(), None);
    take(&*other, "ben", at(1)).await.unwrap();
}

pub(crate) async fn lease_is_for_one_scope(world: &impl World) {
    let store = world.open();
    take(&*store, "anna", at(0)).await.unwrap();
    for other in [
        Scope::new("shop", "staging"),
        Scope::new("blog", "production"),
    ] {
        store
            .acquire(&other, &owner("ben"), TTL, at(0))
            .await
            .unwrap();
    }
}

pub(crate) async fn lease_that_ran_out_is_taken_over(world: &impl World) {
    let store = world.open();
    begin(&*store, "d1", "1.0", at(0)).await;

    let lease = take(&*store, "ben", at(TTL)).await.unwrap();

    assert_eq!(lease.token, 2);
    let cut_off = store.deployment("d1", at(0)).await.unwrap().unwrap();
    assert_eq!(cut_off.state, State::CutOff);
    let audit = store.audit_rows(None).await.unwrap();
    let row = audit
        .iter()
        .find(|row| row.entry.action == "lease_taken_over")
        .unwrap();
    assert_eq!(row.entry.actor, "ben");
    assert_eq!(row.entry.details["from"]["actor"], "anna");
}

pub(crate) async fn token_grows_past_release_and_break(world: &impl World) {
    let store = world.open();
    let first = take(&*store, "anna", at(0)).await.unwrap();
    store.release(&first).await.unwrap();
    let second = take(&*store, "anna", at(1)).await.unwrap();
    store
        .break_lease(&scope(), &owner("ben"), "it hangs", at(2))
        .await
        .unwrap();
    drop(store);

    let third = take(&*world.open(), "anna", at(3)).await.unwrap();

    assert_eq!([first.token, second.token, third.token], [1, 2, 3]);
}

pub(crate) async fn renewal_lengthens_and_never_shortens(world: &impl World) {
    let store = world.open();
    let lease = take(&*store, "anna", at(0)).await.unwrap();

    let lease = store.renew(&lease, TTL, at(500)).await.unwrap();
    assert_eq!(lease.until, at(500 + TTL));
    let lease = store.renew(&lease, TTL, at(100)).await.unwrap();
    assert_eq!(lease.until, at(500 + TTL));
    let held = store.holder(&scope()).await.unwrap().unwrap();
    assert_eq!((held.since, held.until), (at(0), at(500 + TTL)));

    // It ran out, but nobody took it.
    let lease = store.renew(&lease, TTL, at(9_000)).await.unwrap();
    assert_eq!(lease.until, at(9_000 + TTL));
}

pub(crate) async fn renewal_of_a_lost_lease_fails(world: &impl World) {
    let store = world.open();
    let first = take(&*store, "anna", at(0)).await.unwrap();
    let second = take(&*store, "ben", at(TTL)).await.unwrap();

    let lost = store.renew(&first, TTL, at(TTL + 1)).await.unwrap_err();
    assert!(
        matches!(lost, LeaseError::Lost { ref holder, .. } if holder.contains("ben on build-1"))
    );

    store
        .break_lease(&scope(), &owner("carla"), "it hangs", at(TTL + 2))
        .await
        .unwrap();
    let lost = store.renew(&second, TTL, at(TTL + 3)).await.unwrap_err();
    assert!(matches!(lost, LeaseError::Lost { ref holder, .. } if holder.contains("broken")));
}

pub(crate) async fn release_of_a_lost_lease_changes_nothing(world: &impl World) {
    let store = world.open();
    let first = take(&*store, "anna", at(0)).await.unwrap();
    let second = take(&*store, "ben", at(TTL)).await.unwrap();

    store.release(&first).await.unwrap();

    assert_eq!(
        store.holder(&scope()).await.unwrap().unwrap().token,
        second.token
    );
}

pub(crate) async fn break_is_audited_and_cuts_off(world: &impl World) {
    let store = world.open();
    let nothing = store
        .break_lease(&scope(), &owner("ben"), "just so", at(0))
        .await
        .unwrap();
    assert_eq!(nothing, None);
    begin(&*store, "d1", "1.0", at(0)).await;

    let held = store
        .break_lease(&scope(), &owner("ben"), "it hangs", at(5))
        .await
        .unwrap();

    assert_eq!(held.unwrap().owner.actor, "anna");
    assert_eq!(store.holder(&scope()).await.unwrap(), None);
    assert_eq!(
        store.deployment("d1", at(5)).await.unwrap().unwrap().state,
        State::CutOff
    );
    let audit = store.audit_rows(None).await.unwrap();
    let last = audit.last().unwrap();
    assert_eq!(
        (last.entry.action.as_str(), last.entry.actor.as_str()),
        ("lease_broken", "ben")
    );
    assert_eq!(last.entry.details["reason"], "it hangs");
    assert_eq!(last.entry.details["from"]["deployment"], "d1");
}

/// The clock that judges leases is an hour behind all of a sudden.
pub(crate) async fn clock_set_back_holds_up_for_one_length(world: &impl World) {
    const HOUR: u64 = 3_600_000;
    let store = world.open();
    begin(&*store, "d1", "1.0", at(HOUR)).await;

    // Whoever wants it finds it held, for as long as it was taken for and no longer.
    for now in [0, TTL - 1] {
        let held = take(&*store, "ben", at(now)).await.unwrap_err();
        assert!(matches!(held, LeaseError::Held { .. }), "{held:?}");
        let held = store.holder(&scope()).await.unwrap().unwrap();
        assert_eq!(held.until, at(TTL));
    }
    take(&*store, "ben", at(TTL)).await.unwrap();
}

/// Many handles, each a thread of its own: the holder alone is inside, and every token is new.
pub(crate) async fn contenders_get_it_one_at_a_time(world: &impl World) {
    const CONTENDERS: usize = 4;
    const ROUNDS: usize = 10;
    let inside = Arc::new(Mutex::new(()));
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let mut contenders = JoinSet::new();
    for number in 0..CONTENDERS {
        let (store, inside, tokens) = (world.open(), Arc::clone(&inside), Arc::clone(&tokens));
        contenders.spawn(async move {
            let name = format!("contender {number}");
            let mut rounds = 0;
            while rounds < ROUNDS {
                match take(&*store, &name, at(0)).await {
                    Ok(lease) => {
                        let alone = inside.try_lock().expect("nobody else holds the lease");
                        tokens.lock().await.push(lease.token);
                        tokio::task::yield_now().await;
                        drop(alone);
                        store.release(&lease).await.unwrap();
                        rounds += 1;
                    }
                    Err(LeaseError::Held { .. }) => tokio::task::yield_now().await,
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    while let Some(ended) = contenders.join_next().await {
        ended.unwrap();
    }
    let expected: Vec<u64> = (1..).take(CONTENDERS * ROUNDS).collect();
    assert_eq!(*tokens.lock().await, expected);
}
