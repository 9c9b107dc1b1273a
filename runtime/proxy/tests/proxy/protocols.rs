//! What is spoken: HTTP/1.1, HTTP/2 with and without TLS, WebSockets, bodies of any size.

use std::{fs, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Version, header::UPGRADE};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proxy::Tls;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{
    client::{Client, connect},
    upstream::Upstream,
    world::{World, block_on, state},
};

pub(crate) const CASES: &[(&str, fn())] = &[
    (
        "a_websocket_goes_through_and_counts",
        a_websocket_goes_through_and_counts,
    ),
    (
        "the_second_version_without_tls",
        the_second_version_without_tls,
    ),
    ("both_versions_over_tls", both_versions_over_tls),
    (
        "large_bodies_go_through_both_ways",
        large_bodies_go_through_both_ways,
    ),
    (
        "a_client_that_leaves_is_not_counted",
        a_client_that_leaves_is_not_counted,
    ),
    (
        "a_member_that_thinks_too_long_is_given_up",
        a_member_that_thinks_too_long_is_given_up,
    ),
    (
        "heads_without_bodies_are_kept_whole",
        heads_without_bodies_are_kept_whole,
    ),
    (
        "an_answer_goes_on_as_it_comes",
        an_answer_goes_on_as_it_comes,
    ),
    ("an_early_answer_is_an_answer", an_early_answer_is_an_answer),
    (
        "a_client_may_ask_before_it_sends",
        a_client_may_ask_before_it_sends,
    ),
    ("requests_may_come_in_one_go", requests_may_come_in_one_go),
    (
        "the_first_version_of_all_is_answered",
        the_first_version_of_all_is_answered,
    ),
];

fn a_websocket_goes_through_and_counts() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let mut sender = connect(world.address().await).await;
        let request = Request::builder()
            .uri("/socket")
            .header("host", "x")
            .header("connection", "Upgrade")
            .header("upgrade", "echo");
        let response = sender
            .send_request(request.body(Full::default()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()[UPGRADE], "echo");
        let mut socket = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        for text in ["one", "two"] {
            socket.write_all(text.as_bytes()).await.unwrap();
            let mut echoed = [0; 3];
            socket.read_exact(&mut echoed).await.unwrap();
            assert_eq!(echoed, text.as_bytes());
        }
        assert_eq!(world.member("a").await.active, 1);
        drop(socket);
        world
            .until("the socket is closed", |status| status.totals.active == 0)
            .await;
    });
}

fn the_second_version_without_tls() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let stream = TcpStream::connect(world.address().await).await.unwrap();
        speak_second_version(stream, "http").await;
        assert_eq!(a.requests(), 21);
    });
}

/// Many requests at once on one connection, then what the member saw.
async fn speak_second_version<S>(stream: S, scheme: &str)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let requests = (0..20).map(|number: usize| {
        let mut sender = sender.clone();
        let body = Full::from(vec![b'x'; number * 10_000]);
        let request = Request::post(format!("{scheme}://test.example/length"))
            .body(body)
            .unwrap();
        tokio::spawn(async move {
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(
                (response.status(), response.version()),
                (StatusCode::OK, Version::HTTP_2)
            );
            let length = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(length, (number * 10_000).to_string());
        })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await.unwrap();
    }
    let mut sender = sender;
    let head = Request::get(format!("{scheme}://test.example/head"))
        .header("cookie", "a=1")
        .header("cookie", "b=2");
    let response = sender
        .send_request(head.body(Full::<Bytes>::default()).unwrap())
        .await
        .unwrap();
    let said = response.into_body().collect().await.unwrap().to_bytes();
    let expected = format!(
        "GET /head\ncookie: a=1; b=2\nhost: test.example\nx-forwarded-for: 127.0.0.1\n\
         x-forwarded-host: test.example\nx-forwarded-proto: {scheme}"
    );
    assert_eq!(said, expected);
}

fn both_versions_over_tls() {
    block_on(async {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut world = World::prepared();
        let file = |name: &str| world.directory.path().join(name);
        let (certificate, key) = (file("certificate.pem"), file("key.pem"));
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        world.options.tls = Some(Tls {
            certificate: certificate.clone(),
            key,
        });
        world.start().await;
        let a = Upstream::start("a").await;
        world.apply(&state(&[("only", 100.0, &[&a])])).await;
        let address = world.address().await;
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(certificate).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = builder
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let open = async |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|each| each.to_vec()).collect();
            let stream = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            TlsConnector::from(Arc::new(config))
                .connect(name, stream)
                .await
                .unwrap()
        };
        let stream = open(&[b"h2", b"http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        speak_second_version(stream, "https").await;
        let mut stream = open(&[]).await;
        let request = "GET /head HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("x-forwarded-proto: https"), "{answer}");
    });
}

fn large_bodies_go_through_both_ways() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let mut client = Client::new(world.address().await);
        let body: Bytes = (0..20_000_000_u32)
            .map(|number| (number % 251) as u8)
            .collect();
        let answer = client.post("/echo", body.clone()).await.unwrap();
        assert!(
            answer.body() == &body,
            "{} bytes came back",
            answer.body().len()
        );
        assert_eq!(client.get("/large").await.unwrap().body().len(), 1 << 20);
        assert_eq!(client.get("/").await.unwrap().body(), "a");
    });
}

fn a_client_that_leaves_is_not_counted() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let address = world.address().await;
        let slow = tokio::spawn(async move { Client::new(address).get("/slow").await });
        world
            .until("it is under way", |status| status.totals.active == 1)
            .await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = "POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n123";
        stream.write_all(request.as_bytes()).await.unwrap();
        world
            .until("both are under way", |status| status.totals.active == 2)
            .await;
        drop(stream);
        world
            .until("one has left", |status| status.totals.active == 1)
            .await;
        a.go_on();
        while !slow.is_finished() {
            a.go_on();
            tokio::task::yield_now().await;
        }
        assert_eq!(slow.await.unwrap().unwrap().status(), StatusCode::OK);
    });
}

fn a_member_that_thinks_too_long_is_given_up() {
    block_on(async {
        let mut world = World::prepared();
        world.options.response_timeout = std::time::Duration::from_millis(100);
        world.start().await;
        let a = Upstream::start("a").await;
        world.apply(&state(&[("only", 100.0, &[&a])])).await;
        let mut client = Client::new(world.address().await);
        let answer = client.get("/slow").await.unwrap();
        assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(client.get("/").await.unwrap().status(), StatusCode::OK);
        let totals = world.status().await.totals;
        assert_eq!((totals.failed, totals.active), (1, 0));
    });
}

fn the_first_version_of_all_is_answered() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let mut stream = TcpStream::connect(world.address().await).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\na"), "{answer}");
    });
}

/// What is written goes out as it stands; the answer is all that comes until the end.
async fn raw(world: &World, request: &str) -> String {
    let mut stream = TcpStream::connect(world.address().await).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn heads_without_bodies_are_kept_whole() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let mut client = Client::new(world.address().await);
        for _ in 0..3 {
            let answer = client
                .send(Method::HEAD, "/large", Bytes::new())
                .await
                .unwrap();
            assert_eq!(answer.headers()["content-length"], "1048576");
            assert_eq!((answer.status(), answer.body().len()), (StatusCode::OK, 0));
            let answer = client.get("/unchanged").await.unwrap();
            assert_eq!(answer.status(), StatusCode::NOT_MODIFIED);
            for method in [Method::PUT, Method::DELETE, Method::PATCH] {
                let answer = client
                    .send(method, "/length", "12345".into())
                    .await
                    .unwrap();
                assert_eq!(answer.body(), "5");
            }
            assert_eq!(client.get("/once").await.unwrap().body(), "a");
        }
        // Only what the member wants closed is.
        assert_eq!(a.connections(), 3);
    });
}

fn an_answer_goes_on_as_it_comes() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let mut stream = TcpStream::connect(world.address().await).await.unwrap();
        let request = "GET /halves HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !String::from_utf8_lossy(&answer).contains("first ") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        }
        a.go_on();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(String::from_utf8_lossy(&answer).contains("second"));
    });
}

fn an_early_answer_is_an_answer() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let mut stream = TcpStream::connect(world.address().await).await.unwrap();
        let request = "POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nx";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"no") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        }
        assert!(answer.starts_with(b"HTTP/1.1 413 "));
        let next = Client::new(world.address().await).get("/").await.unwrap();
        assert_eq!(next.status(), StatusCode::OK);
    });
}

fn a_client_may_ask_before_it_sends() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let mut stream = TcpStream::connect(world.address().await).await.unwrap();
        let request = "POST /length HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                       content-length: 5\r\nexpect: 100-continue\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"HTTP/1.1 100 Continue\r\n\r\n") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        }
        stream.write_all(b"12345").await.unwrap();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(
            answer.ends_with(b"\r\n\r\n5"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    });
}

fn requests_may_come_in_one_go() {
    block_on(async {
        let a = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&a])]).await;
        let one = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        let chunked = "POST /length HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\
                       3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let last = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let answer = raw(&world, &[one, chunked, one, last].concat()).await;
        assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 4, "{answer}");
        assert!(answer.contains("\r\n\r\n5HTTP"), "{answer}");
        // After these there is no telling where the next one begins.
        for broken in [
            "GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
            "nonsense\r\n\r\n",
        ] {
            let answer = raw(&world, broken).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{broken}: {answer}");
        }
        assert_eq!(a.requests(), 4);
    });
}
