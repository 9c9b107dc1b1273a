//! What `proxy` asks the proxy, and what it makes of the answers.

use runtime_sdk::{
    Member, Pool,
    serde_json::{from_slice, from_value},
    testing::{Fake, check_schema, output, response, targets},
};

use super::*;

const FLEET: [(&str, &str); 3] = [
    ("web01", "canary"),
    ("web02", "stable"),
    ("web03", "stable"),
];

fn proxy() -> Proxy {
    from_value(json!({ "listen": "127.0.0.1:9100" })).unwrap()
}

fn desired(canary: f64, third: &str) -> Desired {
    let [one, two, three]: [Target; 3] = targets(&FLEET).try_into().unwrap();
    let member = |target, admission: &str| Member {
        target,
        admission: admission.into(),
    };
    let pool = |group: &str, percent, members| Pool {
        group: group.into(),
        percent,
        members,
    };
    Desired {
        pools: vec![
            pool("canary", canary, vec![member(one, "ready")]),
            pool(
                "stable",
                100.0 - canary,
                vec![member(two, "ready"), member(three, third)],
            ),
        ],
        routes: Vec::new(),
        expected: None,
        details: "{}".into(),
    }
}

/// A proxy that serves this state.
fn serving(state: &Value) -> Fake {
    let body = state.to_string();
    Fake::new().on_request(move |_| Ok(response(200, &body)))
}

fn member(target: &str, admission: &str, active: u64) -> Value {
    json!({
        "target": target, "address": "10.0.0.1:80", "admission": admission,
        "active": active, "requests": 7, "idle": 1, "up": true,
    })
}

#[test]
fn the_schema_is_current() {
    check_schema::<Proxy>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn the_state_is_read_as_it_is_served() {
    let fake = serving(&json!({
        "version": 1, "revision": 12, "routes": [], "ready": true, "totals": {}, "process": {},
        "pools": [
            {"group": "canary", "percent": 10.0, "members": [member("web01", "ready", 2)]},
            {"group": "stable", "percent": 90.0, "members": [
                member("web02", "ready", 0), member("web03", "draining", 1), member("web99", "ready", 0),
            ]},
        ],
    }));
    let reading = proxy().read(&targets(&FLEET)).unwrap();
    let members: Vec<_> = (reading.members.iter())
        .map(|member| {
            (
                member.target.as_str(),
                member.percent,
                member.admission.as_str(),
                member.active,
            )
        })
        .collect();
    assert_eq!(
        members,
        [
            ("web01", 10.0, "ready", Some(2)),
            ("web02", 45.0, "ready", Some(0)),
            ("web03", 0.0, "draining", Some(1)),
            // No target any more, but it gets its part all the same.
            ("web99", 45.0, "ready", Some(0)),
        ]
    );
    assert_eq!(reading.revision.as_deref(), Some("12"));
    assert_eq!(
        fake.requests()[0].url,
        "http://machine:[.runtime/proxy/127.0.0.1:9100.sock]/v1/state"
    );
}

#[test]
fn all_is_applied_at_once_and_on_what_was_read() {
    let fake = serving(&json!({"revision": 13}));
    let mut desired = desired(10.0, "draining");
    desired.expected = Some("12".into());
    proxy().apply(&desired).unwrap();
    let [request] = &fake.requests()[..] else {
        panic!("one request: {:?}", fake.requests());
    };
    assert_eq!(request.method, "PUT");
    assert!(
        request
            .headers
            .contains(&("if-match".into(), "\"12\"".into()))
    );
    let member = |target: &str, admission: &str| json!({"target": target, "address": format!("{target}:80"), "admission": admission});
    assert_eq!(
        from_slice::<Value>(&request.body).unwrap(),
        json!({"version": 1, "pools": [
            {"group": "canary", "percent": 10.0, "members": [member("web01", "ready")]},
            {"group": "stable", "percent": 90.0, "members": [
                member("web02", "ready"), member("web03", "draining"),
            ]},
        ]})
    );
}

#[test]
fn refusals_say_what_they_are() {
    for (status, code) in [
        (412, "conflict"),
        (422, "invalid"),
        (400, "invalid"),
        (503, "unavailable"),
        (507, "rejected"),
    ] {
        let _fake =
            Fake::new().on_request(move |_| Ok(response(status, r#"{"error": "because"}"#)));
        let failure = proxy().apply(&desired(10.0, "ready")).unwrap_err();
        assert!(
            failure.is(code) && failure.message.contains("because"),
            "{status}: {failure:?}"
        );
    }
    let _fake = Fake::new();
    let mut routed = desired(10.0, "ready");
    routed.routes.push(Route {
        name: "beta".into(),
        kind: "header".into(),
        match_: "{}".into(),
        group: "canary".into(),
    });
    assert!(proxy().apply(&routed).unwrap_err().is("invalid"));
}

/// Nobody answers until a program ran.
fn asleep(status: i32) -> Fake {
    let started = std::rc::Rc::new(std::cell::Cell::new(false));
    let seen = started.clone();
    Fake::new()
        .on_command(move |_| {
            started.set(status == 0);
            Ok(output(status, "", "the port is taken"))
        })
        .on_request(move |_| match seen.get() {
            true => Ok(response(200, r#"{"revision": 0, "pools": []}"#)),
            false => Err(Failure::unavailable("no such socket")),
        })
}

#[test]
fn a_proxy_that_does_not_run_is_started() {
    let fake = asleep(0);
    let reading = proxy().read(&targets(&FLEET)).unwrap();
    assert!(reading.members.is_empty());
    let [command] = &fake.commands()[..] else {
        panic!("one command: {:?}", fake.commands());
    };
    let line = [&[command.program.clone()][..], &command.arguments]
        .concat()
        .join(" ");
    assert_eq!(
        line,
        "runtime proxy start --listen 127.0.0.1:9100 \
         --admin unix:.runtime/proxy/127.0.0.1:9100.sock --state .runtime/proxy/127.0.0.1:9100.json"
    );
}

#[test]
fn all_settings_reach_the_program() {
    let fake = asleep(0);
    let proxy: Proxy = from_value(json!({
        "listen": "0.0.0.0:443", "admin-port": 9000, "state": "/var/lib/proxy.json", "trust-forwarded": true,
        "tls": {"certificate": "/etc/c.pem", "key": "/etc/k.pem"}, "response-timeout": "2m",
        "program": "/opt/runtime",
    }))
    .unwrap();
    proxy.apply(&desired(0.0, "ready")).unwrap();
    let command = &fake.commands()[0];
    assert_eq!(command.program, "/opt/runtime");
    assert_eq!(
        command.arguments.join(" "),
        "proxy start --listen 0.0.0.0:443 --admin 127.0.0.1:9000 --state /var/lib/proxy.json \
         --tls-certificate /etc/c.pem --tls-key /etc/k.pem --response-timeout 120000ms --trust-forwarded"
    );
    assert_eq!(fake.requests()[0].url, "http://machine:9000/v1/state");
}

#[test]
fn a_proxy_that_does_not_start_says_why() {
    let _fake = asleep(1);
    let failure = proxy().apply(&desired(10.0, "ready")).unwrap_err();
    assert!(failure.message.contains("the port is taken"), "{failure:?}");
}

#[test]
fn where_nothing_may_be_started_nobody_serves() {
    let denied = || Failure {
        code: "denied".into(),
        ..Failure::unavailable("not now")
    };
    let _fake = Fake::new()
        .on_command(move |_| Err(denied()))
        .on_request(|_| Err(Failure::unavailable("no such socket")));
    let reading = proxy().read(&targets(&FLEET)).unwrap();
    assert!(reading.members.is_empty() && reading.revision.is_none());
    assert!(
        proxy()
            .apply(&desired(10.0, "ready"))
            .unwrap_err()
            .is("denied")
    );
}

#[test]
fn settings_that_make_no_sense_are_named() {
    for (settings, pointer) in [
        (json!({"listen": "8080"}), "/listen"),
        (
            json!({"admin-socket": "a.sock", "admin-port": 1}),
            "/admin-port",
        ),
        (json!({"admin-socket": "a]b"}), "/admin-socket"),
        (json!({"state": ""}), "/state"),
        (
            json!({"tls": {"certificate": "", "key": "k"}}),
            "/tls/certificate",
        ),
        (json!({"program": ""}), "/program"),
    ] {
        let proxy: Proxy = from_value(settings).unwrap();
        let problems = proxy.problems();
        let pointers: Vec<_> = problems
            .iter()
            .map(|problem| problem.pointer.as_str())
            .collect();
        assert_eq!(pointers, [pointer]);
    }
    assert!(proxy().problems().is_empty());
}
