//! Releases: the same again is the same, and which one is current follows from the deployments.

use store::{KnownRelease, ReleaseQuery, Store, StoreError};

use crate::{
    World,
    fixture::{TTL, at, owner, release, rolled_back, run, scope, stuck, succeeded, value},
};

fn known(id: &str, version: &str, created: u64) -> KnownRelease {
    let release = engine::Release {
        id: id.into(),
        ..release(version)
    };
    KnownRelease {
        release,
        artifact: "shop.tar.gz".to_owned(),
        created: at(created),
    }
}

async fn ids(store: &dyn Store, query: ReleaseQuery) -> Vec<String> {
    let found = store.releases("shop", &query).await.unwrap();
    found
        .into_iter()
        .map(|known| known.release.id.to_string())
        .collect()
}

pub(crate) async fn same_release_is_known_once(world: &impl World) {
    let store = world.open();
    store
        .keep_release("shop", &known("a", "1.0", 0))
        .await
        .unwrap();
    store
        .keep_release("shop", &known("a", "1.0", 500))
        .await
        .unwrap();

    let all = store.releases("shop", &ReleaseQuery::All).await.unwrap();

    assert_eq!(all, [known("a", "1.0", 0)]);
    assert!(
        store
            .releases("blog", &ReleaseQuery::All)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn id_names_one_release(world: &impl World) {
    let store = world.open();
    store
        .keep_release("shop", &known("a", "1.0", 0))
        .await
        .unwrap();
    let other = store
        .keep_release("shop", &known("a", "2.0", 0))
        .await
        .unwrap_err();
    assert!(matches!(other, StoreError::Conflict(_)), "{other:?}");
    store
        .keep_release("blog", &known("a", "2.0", 0))
        .await
        .unwrap();
}

pub(crate) async fn releases_are_found(world: &impl World) {
    let store = world.open();
    // The same version and artifact as a release of its own, which was asked for.
    for (id, version, created) in [("a", "1.0", 0), ("b", "2.0", 1), ("c", "1.0", 2)] {
        store
            .keep_release("shop", &known(id, version, created))
            .await
            .unwrap();
    }
    let (version, digest) = ("1.0".to_owned(), "sha256:1.0".to_owned());
    let other = "sha256:2.0".to_owned();

    assert_eq!(ids(&*store, ReleaseQuery::All).await, ["c", "b", "a"]);
    assert_eq!(ids(&*store, ReleaseQuery::Id("b".to_owned())).await, ["b"]);
    assert_eq!(
        ids(&*store, ReleaseQuery::Version(version.clone())).await,
        ["c", "a"]
    );
    assert_eq!(
        ids(&*store, ReleaseQuery::Digest(digest.clone())).await,
        ["c", "a"]
    );
    let same = ReleaseQuery::Same {
        version: version.clone(),
        digest,
    };
    assert_eq!(ids(&*store, same).await, ["c", "a"]);
    let mixed = ReleaseQuery::Same {
        version,
        digest: other,
    };
    assert!(ids(&*store, mixed).await.is_empty());
}

pub(crate) async fn current_release_follows_the_deployments(world: &impl World) {
    let store = world.open();
    let current = async || -> Vec<String> {
        let found = store.current_releases(&scope(), 10).await.unwrap();
        found
            .into_iter()
            .map(|known| known.release.version)
            .collect()
    };
    assert!(current().await.is_empty());
    run(&*store, "d1", "1.0", at(0), &succeeded()).await;
    run(&*store, "d2", "2.0", at(100), &succeeded()).await;
    run(&*store, "d3", "3.0", at(200), &rolled_back()).await;
    run(&*store, "d4", "4.0", at(300), &stuck()).await;
    assert_eq!(current().await, ["2.0", "1.0"]);
    // Back to 1.0, then 2.0 anew, by clocks that do not agree.
    run(&*store, "d5", "1.0", at(50), &succeeded()).await;
    assert_eq!(current().await, ["1.0", "2.0"]);
    run(&*store, "d6", "2.0", at(40), &succeeded()).await;
    assert_eq!(current().await, ["2.0", "1.0"]);

    // The last deployment is taken back.
    let lease = store
        .reopen_deployment("d6", &owner("ben"), TTL, at(500))
        .await
        .unwrap();
    store
        .journal("d6", &lease)
        .close(&value(&rolled_back()), at(510))
        .await
        .unwrap();

    assert_eq!(current().await, ["1.0", "2.0"]);
    assert_eq!(store.current_releases(&scope(), 1).await.unwrap().len(), 1);
}
