//! What plugins put down, and the locks they take.

use serde_json::json;
use store::LockError;

use crate::{World, fixture::at};

pub(crate) async fn note_is_seen_at_once_and_kept(world: &impl World) {
    let store = world.open();
    let (first, second) = (json!({ "thread": "17.3" }), json!("18.4"));
    assert_eq!(store.note("d1", "slack", "thread").await.unwrap(), None);

    store.set_note("d1", "slack", "thread", &first);
    assert_eq!(
        store.note("d1", "slack", "thread").await.unwrap(),
        Some(first)
    );
    store.set_note("d1", "slack", "thread", &second);
    assert_eq!(
        store.note("d1", "slack", "thread").await.unwrap(),
        Some(second.clone())
    );
    store.flush().await.unwrap();

    let other = world.open();
    assert_eq!(
        other.note("d1", "slack", "thread").await.unwrap(),
        Some(second)
    );
    for (deployment, plugin, key) in [
        ("d2", "slack", "thread"),
        ("d1", "webhook", "thread"),
        ("d1", "slack", "channel"),
    ] {
        assert_eq!(other.note(deployment, plugin, key).await.unwrap(), None);
    }
}

pub(crate) async fn lock_is_held_by_one(world: &impl World) {
    let (one, other) = (world.open(), world.open());
    let first = one.lock("nginx.conf", "anna", 100, at(0)).await.unwrap();
    assert_eq!((first.token, first.until), (1, at(100)));

    let held = other
        .lock("nginx.conf", "ben", 100, at(99))
        .await
        .unwrap_err();
    let LockError::Held { holder, until, .. } = held else {
        panic!("{held:?}")
    };
    assert_eq!((holder.as_str(), until), ("anna", at(100)));
    other.lock("haproxy.cfg", "ben", 100, at(99)).await.unwrap();
    one.unlock(&first).await.unwrap();

    assert_eq!(
        other
            .lock("nginx.conf", "ben", 100, at(99))
            .await
            .unwrap()
            .token,
        2
    );
}

pub(crate) async fn lost_lock_is_not_renewed(world: &impl World) {
    let store = world.open();
    let first = store.lock("nginx.conf", "anna", 100, at(0)).await.unwrap();
    let first = store.renew_lock(&first, 100, at(50)).await.unwrap();
    assert_eq!(first.until, at(150));
    let second = store.lock("nginx.conf", "ben", 100, at(150)).await.unwrap();

    let lost = store.renew_lock(&first, 100, at(151)).await.unwrap_err();
    assert!(matches!(lost, LockError::Lost { .. }), "{lost:?}");
    store.unlock(&first).await.unwrap();

    assert_eq!(
        store.renew_lock(&second, 100, at(160)).await.unwrap().until,
        at(260)
    );
}
