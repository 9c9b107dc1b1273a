//! Requests against servers of the test's own, and the tricks that must not work.

use std::{net::SocketAddr, sync::Arc};

use bindings::http::Signing;
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixListener},
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{
    Kind,
    testing::{Guest, TOKEN, World},
};

/// A server that answers each connection with one text, and tells what it was asked.
struct Server {
    address: SocketAddr,
    asked: mpsc::UnboundedReceiver<String>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &answer, &tell).await;
            }
        });
        Self { address, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &impl Fn(&str) -> String,
    tell: &mpsc::UnboundedSender<String>,
) {
    let mut request = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let Ok(count) = stream.read(&mut buffer).await else {
            return;
        };
        request.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            let _ = tell.send(text.clone());
            let _ = stream.write_all(answer(&text).as_bytes()).await;
            let _ = stream.shutdown().await;
            return;
        }
    }
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn get(url: &str) -> Request {
    Request {
        method: "GET".into(),
        url: url.into(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout: None,
        signing: None,
        options: Vec::new(),
    }
}

fn option(name: &str, value: &str) -> (String, String) {
    (name.into(), value.into())
}

async fn call(scope: &str, settings: Value, world: World) -> CallState {
    Guest::new(Kind::Notifier)
        .asking("http", scope)
        .under_way(settings, world)
        .await
}

#[tokio::test]
async fn a_request_goes_out_as_it_was_made() {
    let mut server = Server::start(|_| ok("hello")).await;
    let world = World::new();
    let audit = Arc::clone(&world.audit);
    let call = call("{url}", json!({ "url": server.url("/") }), world).await;
    let request = Request {
        method: "POST".into(),
        headers: vec![
            option("X-One", "1"),
            option("x-one", "2"),
            option("user-agent", "mine"),
        ],
        body: b"{}".to_vec(),
        ..get(&server.url("/a%20b?c=d#e"))
    };
    let response = call.http(request).await.unwrap();
    assert_eq!(
        (response.status, response.body.as_slice()),
        (200, b"hello".as_slice())
    );
    assert!(!response.truncated);
    let asked = server.asked.recv().await.unwrap();
    assert!(asked.starts_with("POST /a%20b?c=d HTTP/1.1\r\n"), "{asked}");
    for line in [
        "x-one: 1\r\n",
        "x-one: 2\r\n",
        "user-agent: mine\r\n",
        "content-length: 2\r\n",
    ] {
        assert!(asked.contains(line), "{asked}");
    }
    assert!(
        asked.contains(&format!("host: {}\r\n", server.address)),
        "{asked}"
    );
    assert_eq!(asked.matches("user-agent").count(), 1);
    let entry = audit.last();
    assert_eq!((entry.capability, entry.action.as_str()), ("http", "POST"));
    assert_eq!(entry.subject, server.url("/a%20b"));
    assert_eq!(
        (entry.ended.as_str(), entry.call.as_str()),
        ("status 200", "d1/7")
    );
    assert_eq!(entry.machine, None);
}

#[tokio::test]
async fn a_url_may_say_who_asks() {
    let mut server = Server::start(|_| ok("")).await;
    let url = format!("http://us%40er:p%3Aw@{}/", server.address);
    let call = call("{url}", json!({ "url": url }), World::new()).await;
    call.http(get(&url)).await.unwrap();
    let asked = server.asked.recv().await.unwrap();
    // `us@er:p:w`
    assert!(
        asked.contains("authorization: Basic dXNAZXI6cDp3\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains(&format!("host: {}\r\n", server.address)),
        "{asked}"
    );
}

#[tokio::test]
async fn what_was_not_granted_is_denied_and_audited() {
    let world = World::new();
    let audit = Arc::clone(&world.audit);
    let call = call("https://a.example", json!({}), world).await;
    let failure = call.http(get("https://evil.example/x")).await.unwrap_err();
    assert_eq!(failure.code, Code::Denied);
    let entry = audit.last();
    assert_eq!(entry.subject, "https://evil.example/x");
    assert!(entry.ended.starts_with("denied: "), "{}", entry.ended);
}

#[tokio::test]
async fn requests_that_make_no_sense_go_nowhere() {
    let call = call("http://127.0.0.1:1", json!({}), World::new()).await;
    let base = || get("http://127.0.0.1:1/");
    let header = |name: &str, value: &str| Request {
        headers: vec![option(name, value)],
        ..base()
    };
    for (request, expected) in [
        (
            Request {
                method: "get".into(),
                ..base()
            },
            "is no method",
        ),
        (
            Request {
                method: "GET /\r\nX: y".into(),
                ..base()
            },
            "is no method",
        ),
        (
            Request {
                method: "CONNECT".into(),
                ..base()
            },
            "is no method",
        ),
        (
            get("gopher://127.0.0.1:1/"),
            "only http and https are spoken",
        ),
        (get("nonsense"), "has no scheme"),
        (header("content-length", "7"), "the host itself sets"),
        (
            header("Transfer-Encoding", "chunked"),
            "the host itself sets",
        ),
        (header("x\r\ny", "z"), "is no header"),
        (header("x", "y\r\nz: w"), "is none"),
        (
            Request {
                options: vec![option("teleport", "1")],
                ..base()
            },
            "no option `teleport`",
        ),
        (
            Request {
                options: vec![option("redirects", "100")],
                ..base()
            },
            "is a number up to",
        ),
        (
            Request {
                options: vec![option("verify", "some")],
                ..base()
            },
            "can only be `none`",
        ),
    ] {
        let failure = call.http(request).await.unwrap_err();
        assert_eq!(failure.code, Code::Invalid, "{failure}");
        assert!(failure.message.contains(expected), "{failure}");
    }
}

#[tokio::test]
async fn another_sites_name_is_sent_only_where_it_was_written() {
    let server = Server::start(|_| ok("")).await;
    let by_name = format!("http://localhost:{}", server.address.port());
    let named = |host: &str| Request {
        headers: vec![option("host", host)],
        ..get(&by_name)
    };
    let call = call(
        "{url}",
        json!({ "url": by_name, "site": "shop.example" }),
        World::new(),
    )
    .await;
    // An address, and so localhost, has no site of its own.
    call.http(named("anything.example")).await.unwrap();
    let there = Destination::parse("https://cdn.example").unwrap().origin;
    call.check_header(&HOST, "shop.example", &there).unwrap();
    let failure = call
        .check_header(&HOST, "evil.example", &there)
        .unwrap_err();
    assert_eq!(failure.code, Code::Denied);
}

#[tokio::test]
async fn redirects_are_followed_only_inside_the_grant() {
    let mut other = Server::start(|_| ok("elsewhere")).await;
    let elsewhere = other.url("/there");
    let port = other.address.port();
    let server = Server::start(move |request| {
        let to = match request.split(' ').nth(1).unwrap() {
            "/near" => "/end".to_owned(),
            "/far" => elsewhere.clone(),
            "/relative" => format!("//127.0.0.1:{port}/there"),
            "/inside" => "http://169.254.169.254/latest/".to_owned(),
            "/file" => "file:///etc/passwd".to_owned(),
            "/loop" => "/loop".to_owned(),
            _ => return ok("the end"),
        };
        format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
    })
    .await;
    let call = call("{url}", json!({ "url": server.url("/") }), World::new()).await;
    let follow = async |path: &str, count: &str| {
        let options = vec![option("redirects", count)];
        call.http(Request {
            options,
            ..get(&server.url(path))
        })
        .await
    };
    assert_eq!(follow("/near", "0").await.unwrap().status, 302);
    assert_eq!(follow("/near", "1").await.unwrap().body, b"the end");
    assert_eq!(follow("/loop", "5").await.unwrap().status, 302);
    for path in ["/far", "/relative", "/inside"] {
        assert_eq!(
            follow(path, "5").await.unwrap_err().code,
            Code::Denied,
            "{path}"
        );
    }
    assert_eq!(follow("/file", "5").await.unwrap_err().code, Code::Rejected);
    assert!(
        other.asked.try_recv().is_err(),
        "nothing was asked elsewhere"
    );
}

#[tokio::test]
async fn a_redirect_takes_no_secret_elsewhere() {
    let mut other = Server::start(|_| ok("")).await;
    let there = other.url("/there");
    let mut server = Server::start(move |_| {
        format!("HTTP/1.1 307 X\r\nlocation: {there}\r\ncontent-length: 0\r\n\r\n")
    })
    .await;
    let settings =
        json!({ "urls": [server.url("/"), other.url("/")], "token": { "secret": "TOKEN" } });
    let call = call("{urls}", settings, World::new()).await;
    let token = call.sealed.settings["token"].as_str().unwrap().to_owned();
    let request = Request {
        headers: vec![
            option("authorization", "Bearer open"),
            option("cookie", "a=b"),
            option("x-token", &token),
            option("x-plain", "stays"),
        ],
        options: vec![option("redirects", "1")],
        signing: Some(Signing {
            scheme: "basic".into(),
            parameters: vec![option("user", "u"), option("password", &token)],
        }),
        ..get(&server.url("/"))
    };
    call.http(request).await.unwrap();
    let first = server.asked.recv().await.unwrap();
    assert!(
        first.contains("x-token") && first.contains("authorization: Basic"),
        "{first}"
    );
    let second = other.asked.recv().await.unwrap();
    assert!(second.contains("x-plain: stays"), "{second}");
    for gone in ["authorization", "cookie", "x-token"] {
        assert!(!second.contains(gone), "{second}");
    }
}

#[tokio::test]
async fn placeholders_become_values_on_the_way_and_placeholders_again_on_the_way_back() {
    // Says back what it was told, and signs with it.
    let mut server = Server::start(|request| {
        let body = request.split_once("\r\n\r\n").unwrap().1;
        format!(
            "HTTP/1.1 200 OK\r\nx-echo: {}\r\ncontent-length: {}\r\n\r\n{body}",
            TOKEN.split('"').next().unwrap(),
            body.len()
        )
    })
    .await;
    let world = World::new();
    let audit = Arc::clone(&world.audit);
    *audit.hook.lock().unwrap() = server.url("/services/T0/very-secret-path");
    let settings = json!({ "hook": { "secret": "HOOK" }, "token": { "secret": "TOKEN" } });
    let call = call("{hook}", settings, world).await;
    let hook = call.sealed.settings["hook"].as_str().unwrap().to_owned();
    let token = call.sealed.settings["token"].as_str().unwrap().to_owned();
    let request = Request {
        method: "POST".into(),
        headers: vec![option("content-type", "application/json; charset=utf-8")],
        body: format!(r#"{{"token":"{token}"}}"#).into_bytes(),
        ..get(&hook)
    };
    let response = call.http(request).await.unwrap();
    let asked = server.asked.recv().await.unwrap();
    assert!(
        asked.starts_with("POST /services/T0/very-secret-path HTTP/1.1"),
        "{asked}"
    );
    let body: Value = serde_json::from_str(asked.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["token"], TOKEN);
    let back = String::from_utf8(response.body).unwrap();
    assert_eq!(
        back,
        format!(r#"{{"token":"{token}"}}"#),
        "as the plugin wrote it"
    );
    let entry = audit.last();
    assert_eq!(entry.secrets, ["HOOK", "TOKEN"]);
    assert!(
        !entry.subject.contains("very-secret-path"),
        "{}",
        entry.subject
    );
}

#[tokio::test]
async fn a_secret_url_goes_nowhere_else() {
    let mut server = Server::start(|_| ok("")).await;
    let world = World::new();
    *world.audit.hook.lock().unwrap() = "https://hooks.example.com/T0/abcdefgh".into();
    let settings = json!({ "hook": { "secret": "HOOK" }, "url": server.url("/") });
    let call = call("{url}", settings, world).await;
    let hook = call.sealed.settings["hook"].as_str().unwrap().to_owned();
    let request = Request {
        body: hook.clone().into_bytes(),
        ..get(&server.url("/"))
    };
    let failure = call.http(request).await.unwrap_err();
    assert_eq!(failure.code, Code::Denied);
    assert!(
        failure
            .message
            .contains("`HOOK` goes to its own origin alone"),
        "{failure}"
    );
    let failure = call
        .http(get(&server.url(&format!("/{hook}"))))
        .await
        .unwrap_err();
    assert_eq!(failure.code, Code::Denied);
    assert!(server.asked.try_recv().is_err());
}

#[tokio::test]
async fn long_bodies_are_cut_and_said_to_be() {
    let long = "x".repeat(BODY_BYTES_MAX + 1);
    let server = Server::start(move |request| {
        if request.starts_with("GET /endless") {
            format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{long}")
        } else {
            ok(&long[1..])
        }
    })
    .await;
    let call = call("{url}", json!({ "url": server.url("/") }), World::new()).await;
    let cut = call.http(get(&server.url("/endless"))).await.unwrap();
    assert!(cut.truncated);
    assert_eq!(cut.body.len(), BODY_BYTES_MAX);
    let whole = call.http(get(&server.url("/whole"))).await.unwrap();
    assert!(!whole.truncated);
    assert_eq!(whole.body.len(), BODY_BYTES_MAX);
}

#[tokio::test]
async fn silence_refusal_and_garbage_are_failures_of_their_own_kinds() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_at = silent.local_addr().unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone_at = gone.local_addr().unwrap();
    drop(gone);
    let garbage = Server::start(|_| "what?\r\n\r\n".into()).await;
    let short =
        Server::start(|_| "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort".into()).await;
    let urls =
        [silent_at, gone_at, garbage.address, short.address].map(|at| format!("http://{at}"));
    let call = call("{urls}", json!({ "urls": urls }), World::new()).await;
    let codes = [
        Code::Timeout,
        Code::Unavailable,
        Code::Unavailable,
        Code::Unavailable,
    ];
    for (url, code) in urls.iter().zip(codes) {
        let timeout = (code == Code::Timeout).then_some(50);
        let failure = call
            .http(Request {
                timeout,
                ..get(url)
            })
            .await
            .unwrap_err();
        assert_eq!(failure.code, code, "{failure}");
        assert!(failure.retryable, "{failure}");
    }
}

#[tokio::test]
async fn the_machines_socket_is_an_origin() {
    let world = World::new();
    let listener = UnixListener::bind(world.audit.directory.path().join("admin.sock")).unwrap();
    let (tell, mut asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, &|_: &str| ok("state"), &tell).await;
    });
    let audit = Arc::clone(&world.audit);
    let call = call(
        "http://machine:[{socket}]",
        json!({ "socket": "admin.sock" }),
        world,
    )
    .await;
    let response = call
        .http(get("http://machine:[admin.sock]/state?x=1"))
        .await
        .unwrap();
    assert_eq!(response.body, b"state");
    let asked = asked.recv().await.unwrap();
    assert!(asked.starts_with("GET /state?x=1 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("host: localhost\r\n"), "{asked}");
    assert_eq!(audit.last().machine.as_deref(), Some("here"));
    assert_eq!(audit.last().subject, "http://machine:[admin.sock]/state");
}

#[test]
fn names_must_not_lead_inside() {
    let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
        texts
            .iter()
            .map(|text| SocketAddr::new(text.parse().unwrap(), 80))
            .collect()
    };
    for (name, found, allowed) in [
        ("example.com", &["93.184.216.34"][..], true),
        (
            "internal.example",
            &["10.0.0.1", "192.168.1.1", "fd12::1"],
            true,
        ),
        ("rebound.example", &["127.0.0.1"], false),
        ("rebound.example", &["93.184.216.34", "127.0.0.1"], false),
        ("rebound.example", &["::1"], false),
        ("rebound.example", &["::ffff:127.0.0.1"], false),
        ("rebound.example", &["0.0.0.0"], false),
        ("rebound.example", &["::"], false),
        ("metadata.example", &["169.254.169.254"], false),
        ("metadata.example", &["fd00:ec2::254"], false),
        ("metadata.example", &["64:ff9b::a9fe:a9fe"], false),
        ("link.example", &["fe80::1"], false),
        ("localhost", &["127.0.0.1", "::1"], true),
        ("app.localhost", &["127.0.0.1"], true),
        ("localhost", &["93.184.216.34"], false),
        ("nowhere.example", &[], false),
    ] {
        let result = resolve::allowed(name, addresses(found));
        assert_eq!(result.is_ok(), allowed, "{name} at {found:?}");
    }
    let failure = resolve::allowed("rebound.example", addresses(&["127.0.0.1"])).unwrap_err();
    assert_eq!(failure.code, Code::Denied);
    assert!(
        failure
            .message
            .contains("rebound.example leads to 127.0.0.1"),
        "{failure}"
    );
}

#[tokio::test]
async fn signatures_are_as_others_make_them() {
    let world = World::new();
    let call = call("*", json!({ "token": { "secret": "TOKEN" } }), world).await;
    let outgoing = |url: &str, body: &[u8]| Outgoing {
        method: Method::POST,
        destination: Destination::parse(url).unwrap(),
        headers: HeaderMap::new(),
        body: body.to_vec(),
    };
    let signed = |scheme: &str, parameters: &[(&str, &str)], mut outgoing: Outgoing| {
        let parameters = parameters
            .iter()
            .map(|(name, value)| option(name, value))
            .collect();
        let signing = Signing {
            scheme: scheme.into(),
            parameters,
        };
        let mut used = Vec::new();
        signing::sign(&call.sealed, &signing, &mut outgoing, &mut used).map(|()| (outgoing, used))
    };
    let there = || outgoing("https://a.example/x", b"Hi There");
    // RFC 7617 and, with a key of its own, the vectors of any HMAC tool.
    let (request, _) = signed(
        "basic",
        &[("user", "Aladdin"), ("password", "open sesame")],
        there(),
    )
    .unwrap();
    assert_eq!(
        request.headers["authorization"],
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    );
    let key = "\u{b}".repeat(20);
    let (request, _) = signed("hmac-sha256", &[("secret", &key)], there()).unwrap();
    assert_eq!(
        request.headers["x-signature-256"],
        "sha256=b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    );
    let token = call.sealed.settings["token"].as_str().unwrap();
    let (request, used) = signed(
        "hmac-sha256",
        &[("secret", token), ("header", "X-Hub-Signature-256")],
        there(),
    )
    .unwrap();
    assert!(request.headers.contains_key("x-hub-signature-256"));
    assert_eq!(used, ["TOKEN"]);
    for (scheme, parameters) in [
        ("basic", &[("user", "u")][..]),
        ("basic", &[("user", "u"), ("password", "p"), ("realm", "r")]),
        ("hmac-sha256", &[]),
        ("rot13", &[]),
    ] {
        let failure = signed(scheme, parameters, there()).err().unwrap();
        assert_eq!(failure.code, Code::Invalid, "{scheme}");
    }
}

/// A server with a certificate for `service.internal`, signed by `testing/ca.pem`.
async fn secure() -> SocketAddr {
    use rustls::pki_types::{CertificateDer, pem::PemObject};

    let certificates = CertificateDer::pem_slice_iter(include_bytes!("testing/server.pem"))
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("testing/server.key")).unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, _) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, &|_: &str| ok("secured"), &tell).await;
            }
        }
    });
    address
}

#[tokio::test]
async fn certificates_are_checked_unless_told_otherwise() {
    let url = format!("https://{}/", secure().await);
    let call = call("{url}", json!({ "url": url }), World::new()).await;
    let ca = include_str!("testing/ca.pem");
    let ask = async |options: &[(&str, &str)]| {
        let options = options
            .iter()
            .map(|(name, value)| option(name, value))
            .collect();
        call.http(Request {
            options,
            ..get(&url)
        })
        .await
    };
    let failure = ask(&[]).await.unwrap_err();
    assert_eq!(failure.code, Code::Rejected, "{failure}");
    assert!(!failure.retryable);
    // The right authority and the wrong name, and the other way round.
    assert_eq!(ask(&[("ca", ca)]).await.unwrap_err().code, Code::Rejected);
    assert_eq!(
        ask(&[("server-name", "service.internal")])
            .await
            .unwrap_err()
            .code,
        Code::Rejected
    );
    let both = ask(&[("ca", ca), ("server-name", "service.internal")])
        .await
        .unwrap();
    assert_eq!(both.body, b"secured");
    assert_eq!(ask(&[("verify", "none")]).await.unwrap().body, b"secured");
    assert_eq!(
        ask(&[("ca", "nothing")]).await.unwrap_err().code,
        Code::Invalid
    );
}
