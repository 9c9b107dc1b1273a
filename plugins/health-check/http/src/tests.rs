//! What `http` asks a target, and what it makes of the answers.

use runtime_sdk::{
    http::Response,
    serde_json::from_value,
    testing::{Fake, check_schema, release, response, target},
};

use super::*;

fn check(settings: Value, answer: Result<Response>) -> (String, String) {
    let _fake = Fake::new().on_request(move |_| answer.clone());
    let check: Http = from_value(settings).unwrap();
    let report = check.check(&target("web01", "web"), &release("5")).unwrap();
    (report.status, report.message)
}

#[test]
fn the_schema_is_current() {
    check_schema::<Http>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn an_answer_is_held_against_what_is_expected() {
    let json = r#"{"status":"ok","db":{"up":true,"pool":3}}"#;
    for (settings, status, body, expected) in [
        (json!({}), 200, "", ("healthy", "200")),
        (
            json!({}),
            503,
            "starting",
            ("unhealthy", "answered 503, not 200: starting"),
        ),
        (json!({ "status": [200, 204] }), 204, "", ("healthy", "204")),
        (
            json!({ "status": 204 }),
            200,
            "",
            ("unhealthy", "answered 200, not 204"),
        ),
        (json!({ "body": "ok" }), 200, "all ok", ("healthy", "200")),
        (
            json!({ "body": "ok" }),
            200,
            "no",
            ("unhealthy", "`ok` is not in the body: no"),
        ),
        (
            json!({ "json": { "/status": "ok", "/db/up": true } }),
            200,
            json,
            ("healthy", "200"),
        ),
        (
            json!({ "json": { "/db/pool": 4 } }),
            200,
            json,
            ("unhealthy", "`/db/pool` is 3, not 4"),
        ),
        (
            json!({ "json": { "/x": 1 } }),
            200,
            json,
            ("unhealthy", "there is no `/x` in the body"),
        ),
        (
            json!({ "header": { "X-Version": "5" } }),
            200,
            "",
            ("unhealthy", "the answer has no header `X-Version`"),
        ),
    ] {
        let (status, message) = check(settings, Ok(response(status, body)));
        assert_eq!(
            (&*status, &*message),
            (
                expected.0,
                &*format!("http://web01:80/health: {}", expected.1)
            )
        );
    }
}

#[test]
fn a_body_that_is_no_json_is_shown() {
    let (status, message) = check(json!({ "json": { "/a": 1 } }), Ok(response(200, "<html>")));
    assert_eq!(status, "unhealthy");
    assert!(message.ends_with(": <html>"), "{message}");
    let body = "{\"status\": \"ill\",\n  \"process\": 7}";
    let (_, message) = check(json!({}), Ok(response(503, body)));
    let shown = r#"answered 503, not 200: {"status": "ill", "process": 7}"#;
    assert!(message.ends_with(shown), "{message}");
}

#[test]
fn no_answer_is_unhealthy_and_what_was_not_granted_is_a_failure() {
    let (status, message) = check(json!({}), Err(Failure::unavailable("connection refused")));
    assert_eq!(
        (&*status, &*message),
        ("unhealthy", "http://web01:80/health: connection refused")
    );
    let _fake = Fake::new().on_request(|_| Err(Failure::invalid("no")));
    let check: Http = from_value(json!({})).unwrap();
    assert!(check.check(&target("web01", "web"), &release("5")).is_err());
}

#[test]
fn the_request_is_what_the_settings_say() {
    let fake = Fake::new();
    let settings = json!({
        "scheme": "https", "port": 8443, "path": "/up?v={version}", "method": "HEAD",
        "host": "shop.example.com", "headers": { "X-Probe": "1" },
        "insecure": true, "server-name": "shop.example.com",
    });
    let check: Http = from_value(settings).unwrap();
    check
        .check(&target("web01", "web"), &release("5-x"))
        .unwrap();
    let request = &fake.requests()[0];
    assert_eq!(
        (&*request.method, &*request.url),
        ("HEAD", "https://web01:8443/up?v=5")
    );
    let text = format!("{:?} {:?}", request.headers, request.options);
    assert_eq!(
        text,
        r#"[("host", "shop.example.com"), ("X-Probe", "1")] [("server-name", "shop.example.com"), ("verify", "none")]"#
    );
}

#[test]
fn a_slow_answer_is_degraded() {
    let _fake = Fake::new().latency(Duration::from_ms(300));
    for (limit, status) in [("300ms", "healthy"), ("299ms", "degraded")] {
        let check: Http = from_value(json!({ "max-latency": limit })).unwrap();
        let report = check.check(&target("web01", "web"), &release("5")).unwrap();
        assert_eq!(report.status, status);
        assert_eq!(report.measurements, [("latency-ms".to_owned(), 300.0)]);
    }
}

#[test]
fn nonsense_is_refused() {
    let settings = json!({ "path": "health", "status": [], "json": { "a/b": 1 } });
    let problems = from_value::<Http>(settings).unwrap().problems();
    let places: Vec<&str> = problems
        .iter()
        .map(|problem| problem.pointer.as_str())
        .collect();
    assert_eq!(places, ["/path", "/status", "/json/a~1b"]);
}
