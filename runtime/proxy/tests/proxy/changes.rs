//! What clients notice of changes: nothing.

use http::StatusCode;
use proxy::Admission;

use crate::{
    client::{Client, Load},
    upstream::Upstream,
    world::{World, admitting, block_on, state},
};

pub(crate) const CASES: &[(&str, fn())] = &[
    (
        "two_hundred_changes_cost_no_request",
        two_hundred_changes_cost_no_request,
    ),
    (
        "a_drained_member_finishes_and_gets_nothing_new",
        a_drained_member_finishes_and_gets_nothing_new,
    ),
    (
        "a_drained_member_is_replaced_unnoticed",
        a_drained_member_is_replaced_unnoticed,
    ),
    (
        "connections_to_members_are_kept_until_they_drain",
        connections_to_members_are_kept_until_they_drain,
    ),
];

fn two_hundred_changes_cost_no_request() {
    block_on(async {
        let (a, b, c) = (
            Upstream::start("a").await,
            Upstream::start("b").await,
            Upstream::start("c").await,
        );
        let world = World::serving(&[("old", 100.0, &[&a, &b]), ("new", 0.0, &[&c])]).await;
        let load = Load::start(world.address().await);
        for change in 0..200_u32 {
            let share = f64::from(change % 5) * 25.0;
            let drained = ["a", "b", "none"][change as usize % 3];
            let pools = [("old", 100.0 - share, &[&a, &b][..]), ("new", share, &[&c])];
            let admission = |name: &str| {
                if name == drained {
                    Admission::Draining
                } else {
                    Admission::Ready
                }
            };
            world.apply(&admitting(&pools, admission)).await;
            load.answer_more(5).await;
        }
        assert_eq!(world.status().await.revision, 201);
        assert!(load.finish().await >= 1000);
        for member in [&a, &b, &c] {
            assert!(member.requests() > 0, "{} was never asked", member.name);
        }
    });
}

fn a_drained_member_finishes_and_gets_nothing_new() {
    block_on(async {
        let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let address = world.address().await;
        let slow = tokio::spawn(async move { Client::new(address).get("/slow").await.unwrap() });
        let posted =
            tokio::spawn(async move { Client::new(address).post("/slow", "x").await.unwrap() });
        world
            .until("both are under way", |status| {
                status.pools[0].members[0].active == 2
            })
            .await;
        let drained = |name: &str| {
            if name == "a" {
                Admission::Draining
            } else {
                Admission::Ready
            }
        };
        world
            .apply(&admitting(&[("only", 100.0, &[&a, &b])], drained))
            .await;
        let before = a.requests();
        let mut client = Client::new(address);
        for _ in 0..20 {
            assert_eq!(client.get("/").await.unwrap().body(), "b");
        }
        assert_eq!((a.requests(), world.member("a").await.active), (before, 2));
        a.go_on();
        a.go_on();
        while world.member("a").await.active > 0 {
            a.go_on();
        }
        for answer in [slow, posted] {
            assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
        }
    });
}

fn a_drained_member_is_replaced_unnoticed() {
    block_on(async {
        let (mut a, b) = (Upstream::start("a").await, Upstream::start("b").await);
        let world = World::serving(&[("one", 50.0, &[&a]), ("two", 50.0, &[&b])]).await;
        let load = Load::start(world.address().await);
        for _ in 0..20 {
            load.answer_more(50).await;
            let drained = |name: &str| {
                if name == "a" {
                    Admission::Draining
                } else {
                    Admission::Ready
                }
            };
            world
                .apply(&admitting(
                    &[("one", 0.0, &[&a]), ("two", 100.0, &[&b])],
                    drained,
                ))
                .await;
            world
                .until("a is idle", |status| status.pools[0].members[0].active == 0)
                .await;
            a.kill().await;
            a = Upstream::start_at("a", a.address).await;
            world
                .apply(&state(&[("one", 50.0, &[&a]), ("two", 50.0, &[&b])]))
                .await;
        }
        load.answer_more(50).await;
        load.finish().await;
        assert!(a.requests() > 0);
    });
}

fn connections_to_members_are_kept_until_they_drain() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let address = world.address().await;
        let mut client = Client::new(address);
        for _ in 0..100 {
            client.get("/").await.unwrap();
            client.post("/length", "1").await.unwrap();
        }
        assert_eq!((a.connections(), world.member("a").await.idle), (1, 1));
        world
            .apply(&admitting(&[("only", 100.0, &[&a])], |_| {
                Admission::Draining
            }))
            .await;
        assert_eq!(world.member("a").await.idle, 0);
        world.apply(&state(&[("only", 100.0, &[&a])])).await;
        client.get("/").await.unwrap();
        assert_eq!(a.connections(), 2);
    });
}
