//! The audit: nothing of it waits longer than until the next change, and it holds together.

use crate::{
    World,
    fixture::{at, begin, entry, intent, outcome},
};

fn actions(rows: &[store::AuditRow]) -> Vec<&str> {
    rows.iter().map(|row| row.entry.action.as_str()).collect()
}

pub(crate) async fn entries_ride_along(world: &impl World) {
    let (store, other) = (world.open(), world.open());
    let lease = begin(&*store, "d1", "1.0", at(0)).await;
    let mut journal = store.journal("d1", &lease);
    let seen = async || actions(&other.audit_rows(Some("d1")).await.unwrap()).join(" ");

    store.audit(vec![entry("files_read"), entry("files_write")]);
    // A question that is answered shows that the entries before it have arrived.
    store.holder(&lease.scope).await.unwrap();
    assert_eq!(seen().await, "deployment_begun");
    journal.begin(&intent(1, at(1))).await.unwrap();
    assert_eq!(seen().await, "deployment_begun files_read files_write");
    store.audit(vec![entry("commands_run")]);
    journal.end(1, &outcome(at(2))).await.unwrap();

    let rows = other.audit_rows(None).await.unwrap();
    assert_eq!(
        actions(&rows),
        [
            "deployment_begun",
            "files_read",
            "files_write",
            "commands_run"
        ]
    );
    assert_eq!(rows[3].entry, entry("commands_run"));
    let sequences: Vec<u64> = rows.iter().map(|row| row.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4]);
}

pub(crate) async fn entries_are_flushed(world: &impl World) {
    let (store, other) = (world.open(), world.open());
    store.audit(vec![entry("http_send")]);
    store.flush().await.unwrap();
    assert_eq!(
        actions(&other.audit_rows(None).await.unwrap()),
        ["http_send"]
    );

    store.audit(vec![entry("mail_send")]);
    drop(store);
    assert_eq!(
        actions(&other.audit_rows(None).await.unwrap()),
        ["http_send", "mail_send"]
    );

    // More than are kept waiting.
    let store = world.open();
    store.audit(vec![entry("files_read"); 1_500]);
    store.holder(&crate::fixture::scope()).await.unwrap();
    assert_eq!(other.audit_rows(None).await.unwrap().len(), 1_502);
}

pub(crate) async fn audit_is_sealed_across_handles(world: &impl World) {
    let (store, other) = (world.open(), world.open());
    let empty = store.verify_audit().await.unwrap();
    assert_eq!(empty.rows, 0);
    for handle in [&store, &other, &store, &other] {
        handle.audit(vec![entry("files_read"), entry("files_write")]);
        handle.flush().await.unwrap();
    }

    let head = store.verify_audit().await.unwrap();

    assert_eq!(head.rows, 8);
    let rows = store.audit_rows(None).await.unwrap();
    assert_eq!(rows[7].hash, head.hash);
    let distinct: std::collections::BTreeSet<&str> =
        rows.iter().map(|row| row.hash.as_str()).collect();
    assert_eq!(distinct.len(), 8);
}
