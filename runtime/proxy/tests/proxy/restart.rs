//! A new process in place of the old one, and nobody notices.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proxy::Admission;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::{Client, Load, connect},
    upstream::Upstream,
    world::{World, admitting, block_on, program, state},
};

pub(crate) const CASES: &[(&str, fn())] = &[
    ("a_restart_costs_no_request", a_restart_costs_no_request),
    (
        "what_is_under_way_outlives_a_restart",
        what_is_under_way_outlives_a_restart,
    ),
    (
        "the_second_version_outlives_a_restart",
        the_second_version_outlives_a_restart,
    ),
    (
        "a_restart_starts_what_does_not_run",
        a_restart_starts_what_does_not_run,
    ),
    ("a_stop_lets_requests_end", a_stop_lets_requests_end),
];

fn a_restart_costs_no_request() {
    block_on(async {
        let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
        let world = World::serving(&[("one", 50.0, &[&a]), ("two", 50.0, &[&b])]).await;
        let load = Load::start(world.address().await);
        let mut pids = vec![world.status().await.process.pid];
        for round in 0..5 {
            load.answer_more(200).await;
            let status = proxy::restart(&world.options, &program()).await.unwrap();
            assert!(!pids.contains(&status.process.pid));
            assert_eq!(status.revision, 1 + round);
            pids.push(status.process.pid);
            // The state can be changed at once, whatever the old process still does.
            let share = f64::from(u32::try_from(round).unwrap()) * 10.0;
            world
                .apply(&state(&[
                    ("one", share, &[&a]),
                    ("two", 100.0 - share, &[&b]),
                ]))
                .await;
            load.answer_more(200).await;
        }
        world
            .until("the old process is gone", |status| {
                !status.process.predecessor
            })
            .await;
        load.finish().await;
    });
}

fn what_is_under_way_outlives_a_restart() {
    block_on(async {
        let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let address = world.address().await;
        let mut idle = Client::new(address);
        assert_eq!(idle.get("/").await.unwrap().status(), StatusCode::OK);
        let slow =
            tokio::spawn(async move { Client::new(address).post("/slow", "x").await.unwrap() });
        let mut sender = connect(address).await;
        let request = Request::get("/socket").header("host", "x");
        let request = request
            .header("connection", "upgrade")
            .header("upgrade", "echo");
        let response = sender
            .send_request(request.body(Full::default()).unwrap())
            .await
            .unwrap();
        let mut socket = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        world
            .until("both are under way", |status| status.totals.active == 2)
            .await;

        proxy::restart(&world.options, &program()).await.unwrap();
        // The new process counts what the old one has, and the old one goes by the new state.
        assert_eq!(world.member("a").await.active, 2);
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
        let answer = idle.get("/").await.unwrap();
        assert_eq!(answer.body(), "b", "the old process went by the old state");
        assert_eq!(answer.headers()["connection"], "close");
        assert_eq!(idle.get("/").await.unwrap().body(), "b");

        socket.write_all(b"ping").await.unwrap();
        let mut echoed = [0; 4];
        socket.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, b"ping");
        drop(socket);
        while !slow.is_finished() {
            a.go_on();
            tokio::task::yield_now().await;
        }
        assert_eq!(slow.await.unwrap().body(), "slow");
        world
            .until("the old process is gone", |status| {
                status.totals.active == 0 && !status.process.predecessor
            })
            .await;
    });
}

fn a_restart_starts_what_does_not_run() {
    block_on(async {
        let world = World::prepared();
        let status = proxy::restart(&world.options, &program()).await.unwrap();
        assert_eq!((status.revision, status.process.predecessor), (0, false));
    });
}

fn a_stop_lets_requests_end() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let address = world.address().await;
        let slow = tokio::spawn(async move { Client::new(address).get("/slow").await.unwrap() });
        world
            .until("it is under way", |status| status.totals.active == 1)
            .await;
        let admin = world.options.admin.clone();
        let stopping = tokio::spawn(async move { proxy::stop(&admin).await.unwrap() });
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        while !slow.is_finished() {
            a.go_on();
            tokio::task::yield_now().await;
        }
        assert_eq!(slow.await.unwrap().status(), StatusCode::OK);
        assert!(stopping.await.unwrap());
        assert!(!proxy::stop(&world.options.admin).await.unwrap());
        // Nothing is left in the way of the next one, which goes by the state of the last.
        world.start().await;
        assert_eq!(world.status().await.revision, 1);
    });
}

fn the_second_version_outlives_a_restart() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let stream = TcpStream::connect(world.address().await).await.unwrap();
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = handshake.unwrap();
        let connection = tokio::spawn(connection);
        let request = || {
            let request = Request::get("http://test.example/slow");
            request.body(Full::<Bytes>::default()).unwrap()
        };
        let mut slow = sender.clone();
        let slow = tokio::spawn(async move { slow.send_request(request()).await });
        world
            .until("it is under way", |status| status.totals.active == 1)
            .await;
        let status = proxy::restart(&world.options, &program()).await.unwrap();
        assert!(status.process.predecessor);
        while !slow.is_finished() {
            a.go_on();
            tokio::task::yield_now().await;
        }
        let answer = slow.await.unwrap().unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        drop((answer, sender));
        // The old process has said goodbye, and is not waited for by anybody.
        connection.await.unwrap().unwrap();
        world
            .until("the old process is gone", |status| {
                !status.process.predecessor
            })
            .await;
    });
}
