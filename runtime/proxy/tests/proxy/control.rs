//! Starting, and the admin API.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use http::{Method, StatusCode};
use proxy::{Admin, AdminError, Options, ProxyError, Started};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::{
    client::Client,
    upstream::Upstream,
    world::{World, block_on, program, state},
};

pub(crate) const CASES: &[(&str, fn())] = &[
    (
        "the_state_outlives_the_process",
        the_state_outlives_the_process,
    ),
    ("a_broken_state_is_an_error", a_broken_state_is_an_error),
    (
        "changes_of_others_are_not_overwritten",
        changes_of_others_are_not_overwritten,
    ),
    (
        "states_that_make_no_sense_change_nothing",
        states_that_make_no_sense_change_nothing,
    ),
    ("starting_twice_starts_once", starting_twice_starts_once),
    (
        "what_keeps_it_from_starting_is_said",
        what_keeps_it_from_starting_is_said,
    ),
    (
        "only_this_machine_administers",
        only_this_machine_administers,
    ),
    ("metrics_are_told", metrics_are_told),
    (
        "nothing_is_changed_that_cannot_be_kept",
        nothing_is_changed_that_cannot_be_kept,
    ),
];

fn the_state_outlives_the_process() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        assert!(proxy::stop(&world.options.admin).await.unwrap());
        world.start().await;
        let answer = Client::new(world.address().await).get("/").await.unwrap();
        assert_eq!(
            (answer.status(), &answer.body()[..]),
            (StatusCode::OK, &b"a"[..])
        );
        assert_eq!(world.status().await.revision, 1);
    });
}

fn a_broken_state_is_an_error() {
    block_on(async {
        let world = World::prepared();
        for (broken, said) in [
            ("", "not a state"),
            ("{\"version\": 1, \"pools\": [", "not a state"),
            ("{\"version\": 9}", "version 9 of the form"),
            (
                r#"{"version": 1, "pools": [{"group": "a", "percent": 5, "members": []}]}"#,
                "add up to 5",
            ),
        ] {
            fs::write(world.state_file(), broken).unwrap();
            let error = proxy::start(&world.options, &program()).await.unwrap_err();
            let ProxyError::NotReady { tail, .. } = error else {
                panic!("{error}");
            };
            assert!(tail.contains(said) && tail.contains("state.json"), "{tail}");
            assert_eq!(fs::read_to_string(world.state_file()).unwrap(), broken);
        }
    });
}

fn changes_of_others_are_not_overwritten() {
    block_on(async {
        let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
        let world = World::started().await;
        let (first, second) = (state(&[("g", 100.0, &[&a])]), state(&[("g", 100.0, &[&b])]));
        let (status, answer) = world.put(&first, &[("if-match", "\"0\"")]).await;
        assert_eq!((status, &answer["revision"]), (StatusCode::OK, &json!(1)));
        // The same again is no change, whatever it is based on: its answer may have been lost.
        let (status, answer) = world.put(&first, &[("if-match", "\"0\"")]).await;
        assert_eq!((status, &answer["revision"]), (StatusCode::OK, &json!(1)));
        let (status, answer) = world.put(&second, &[("if-match", "\"0\"")]).await;
        assert_eq!(
            (status, &answer["revision"]),
            (StatusCode::PRECONDITION_FAILED, &json!(1))
        );
        let (status, answer) = world.put(&second, &[("if-match", "1")]).await;
        assert_eq!((status, &answer["revision"]), (StatusCode::OK, &json!(2)));
        let (status, _) = world.put(&first, &[("if-match", "yesterday")]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    });
}

fn states_that_make_no_sense_change_nothing() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("g", 100.0, &[&a])]).await;
        let before = fs::read(world.state_file()).unwrap();
        for (state, expected, said) in [
            (
                json!({"version": 1, "pools": [{"group": "g", "percent": 99.0, "members": []}]}),
                StatusCode::UNPROCESSABLE_ENTITY,
                "99",
            ),
            (json!({"version": 1}), StatusCode::BAD_REQUEST, "pools"),
            (
                json!({"version": 2, "pools": []}),
                StatusCode::BAD_REQUEST,
                "version 2",
            ),
            (
                json!({"version": 1, "pools": [], "more": 1}),
                StatusCode::BAD_REQUEST,
                "more",
            ),
            (json!([]), StatusCode::BAD_REQUEST, "not a state"),
        ] {
            let (status, answer) = world.put(&state, &[]).await;
            assert_eq!(status, expected, "{answer}");
            assert!(answer["error"].as_str().unwrap().contains(said), "{answer}");
        }
        assert_eq!(world.status().await.revision, 1);
        assert_eq!(fs::read(world.state_file()).unwrap(), before);
        let mut stream = UnixStream::connect(world.socket()).await.unwrap();
        let huge = "PUT /v1/state HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n";
        stream.write_all(huge.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        for (method, path, expected) in [
            (Method::GET, "/", StatusCode::NOT_FOUND),
            (Method::DELETE, "/v1/state", StatusCode::METHOD_NOT_ALLOWED),
            (Method::GET, "/v1/stop", StatusCode::METHOD_NOT_ALLOWED),
            (Method::GET, "/healthz", StatusCode::OK),
        ] {
            assert_eq!(
                world.ask(method, path, &[], String::new()).await.0,
                expected,
                "{path}"
            );
        }
    });
}

fn starting_twice_starts_once() {
    block_on(async {
        let world = World::started().await;
        let pid = world.status().await.process.pid;
        let again = proxy::start(&world.options, &program()).await.unwrap();
        assert!(matches!(again, Started::Already(status) if status.process.pid == pid));
        let other = Options {
            trust_forwarded: true,
            ..world.options.clone()
        };
        let refused = proxy::start(&other, &program()).await;
        assert!(
            matches!(refused, Err(ProxyError::Different { .. })),
            "{refused:?}"
        );
        // Another admin endpoint does not make it another state.
        let other = Options {
            admin: Admin::Unix(world.directory.path().join("other.sock")),
            ..world.options.clone()
        };
        let refused = proxy::start(&other, &program()).await;
        let Err(ProxyError::NotReady { tail, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert!(
            tail.contains("another proxy runs with this state"),
            "{tail}"
        );
        let both = [world.options.clone(), world.options.clone()].map(|options| {
            tokio::spawn(async move { proxy::start(&options, &program()).await.unwrap() })
        });
        for started in both {
            assert!(matches!(started.await.unwrap(), Started::Already(_)));
        }
    });
}

fn what_keeps_it_from_starting_is_said() {
    block_on(async {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut world = World::prepared();
        world.options.listen = vec![taken.local_addr().unwrap()];
        let error = proxy::start(&world.options, &program())
            .await
            .unwrap_err()
            .to_string();
        let said = format!("listen on {}", taken.local_addr().unwrap());
        assert!(error.contains(&said) && error.contains("in use"), "{error}");
        world.options.listen = vec![crate::world::any_port()];
        world.options.tls = Some(proxy::Tls {
            certificate: world.directory.path().join("missing.pem"),
            key: world.directory.path().join("missing.pem"),
        });
        let error = proxy::start(&world.options, &program())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("missing.pem"), "{error}");
        let error = proxy::start(&world.options, "/nowhere".as_ref()).await;
        assert!(matches!(error, Err(ProxyError::Spawn { .. })), "{error:?}");
        let unreachable = proxy::status(&world.options.admin).await;
        assert!(
            matches!(unreachable, Err(ProxyError::Unreachable { .. })),
            "{unreachable:?}"
        );
    });
}

fn only_this_machine_administers() {
    block_on(async {
        let world = World::started().await;
        let mode = fs::metadata(world.socket()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut open = world.options.clone();
        open.admin = Admin::Tcp("0.0.0.0:0".parse().unwrap());
        let refused = proxy::run(open.clone());
        assert!(
            matches!(refused, Err(ProxyError::Admin(AdminError::NotLoopback(_)))),
            "{refused:?}"
        );
        let refused = proxy::start(&open, &program()).await;
        assert!(matches!(refused, Err(ProxyError::Admin(_))), "{refused:?}");
    });
}

fn metrics_are_told() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let mut client = Client::new(world.address().await);
        for _ in 0..7 {
            client.get("/").await.unwrap();
        }
        let (status, text) = world.ask(Method::GET, "/metrics", &[], String::new()).await;
        assert_eq!(status, StatusCode::OK);
        let text = text.as_str().unwrap();
        for line in [
            "proxy_requests_total{group=\"only\",target=\"a\",status=\"2xx\"} 7",
            "proxy_active_requests{group=\"only\",target=\"a\"} 0",
            "proxy_received_requests_total 7",
            "proxy_retries_total 0",
        ] {
            assert!(
                text.lines().any(|each| each == line),
                "{line} is not in {text}"
            );
        }
    });
}

fn nothing_is_changed_that_cannot_be_kept() {
    block_on(async {
        let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
        let world = World::serving(&[("g", 100.0, &[&a])]).await;
        // A directory in the temporary file's place: even root cannot write there.
        let temporary = world.directory.path().join("state.json.new");
        fs::create_dir(&temporary).unwrap();
        let (status, answer) = world.put(&state(&[("g", 100.0, &[&b])]), &[]).await;
        assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE, "{answer}");
        let mut client = Client::new(world.address().await);
        assert_eq!(client.get("/").await.unwrap().body(), "a");
        fs::remove_dir(&temporary).unwrap();
        world.apply(&state(&[("g", 100.0, &[&b])])).await;
        assert_eq!(client.get("/").await.unwrap().body(), "b");
    });
}
