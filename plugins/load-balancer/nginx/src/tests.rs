//! What `nginx` writes, runs and reads.

use runtime_sdk::{
    Member, Pool,
    serde_json::from_value,
    testing::{Fake, check_schema, output, targets},
};

use super::*;

const FILE: &str = "/etc/nginx/conf.d/shop.conf";
const FLEET: [(&str, &str); 3] = [
    ("web01", "canary"),
    ("web02", "stable"),
    ("web03", "stable"),
];

fn nginx() -> Nginx {
    from_value(json!({ "upstream": "shop", "file": FILE })).unwrap()
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

/// The programs that ran.
fn ran(fake: &Fake) -> Vec<String> {
    fake.calls()
        .into_iter()
        .filter(|call| call.starts_with("run"))
        .collect()
}

#[test]
fn the_schema_is_current() {
    check_schema::<Nginx>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn the_file_has_the_upstream_and_is_tested_before_the_reload() {
    let fake = Fake::new();
    nginx().apply(&desired(10.0, "draining")).unwrap();
    let text = fake.text(FILE).unwrap();
    let body: Vec<&str> = text.lines().skip(2).collect();
    assert_eq!(
        body,
        [
            "upstream shop {",
            "    server web01:80 weight=100; # web01",
            "    server web02:80 weight=900; # web02",
            "    server web03:80 down; # web03, draining",
            "}",
        ]
    );
    assert_eq!(
        fake.calls(),
        [
            "perform",
            &format!("read {FILE}"),
            &format!("read {FILE}.pending"),
            "perform",
            &format!("write {FILE}.pending"),
            &format!("write {FILE}"),
            "run nginx -t",
            "run nginx -s reload",
            &format!("remove {FILE}.pending"),
        ]
    );
}

#[test]
fn what_was_written_is_read_back_exactly() {
    let _fake = Fake::new();
    nginx().apply(&desired(100.0 / 3.0, "out")).unwrap();
    let reading = nginx().read(&targets(&FLEET)).unwrap();
    let members: Vec<(&str, f64, &str)> = reading
        .members
        .iter()
        .map(|member| (&*member.target, member.percent, &*member.admission))
        .collect();
    assert_eq!(
        members,
        [
            ("web01", 100.0 / 3.0, "ready"),
            ("web02", 100.0 - 100.0 / 3.0, "ready"),
            ("web03", 0.0, "out"),
        ]
    );
    assert!(reading.revision.is_some());
}

#[test]
fn nothing_is_read_where_nothing_is() {
    let _fake = Fake::new();
    let reading = nginx().read(&targets(&FLEET)).unwrap();
    assert_eq!((reading.members.len(), reading.revision), (0, None));
}

#[test]
fn the_same_again_does_not_reload() {
    let fake = Fake::new();
    nginx().apply(&desired(10.0, "ready")).unwrap();
    nginx().apply(&desired(10.0, "ready")).unwrap();
    assert_eq!(ran(&fake).len(), 2);
    nginx().apply(&desired(25.0, "ready")).unwrap();
    assert_eq!(ran(&fake).len(), 4);
}

#[test]
fn a_change_that_was_cut_off_before_the_reload_is_made_again() {
    let fake = Fake::new();
    nginx().apply(&desired(10.0, "ready")).unwrap();
    let fake = fake.file(&format!("{FILE}.pending"), "");
    nginx().apply(&desired(10.0, "ready")).unwrap();
    assert_eq!(ran(&fake).len(), 4);
    assert_eq!(fake.text(&format!("{FILE}.pending")), None);
}

#[test]
fn a_configuration_that_nginx_refuses_is_taken_back() {
    let fake = Fake::new();
    nginx().apply(&desired(10.0, "ready")).unwrap();
    let before = fake.text(FILE);
    let fake = fake.on_command(|command| match &command.arguments[..] {
        [test] if test == "-t" => Ok(output(1, "", "nginx: [emerg] host not found")),
        _ => Ok(output(0, "", "")),
    });
    let failure = nginx().apply(&desired(50.0, "ready")).unwrap_err();
    assert!(
        failure
            .message
            .starts_with("nginx refuses the configuration"),
        "{}",
        failure.message
    );
    assert!(
        failure.message.ends_with("host not found"),
        "{}",
        failure.message
    );
    assert_eq!(fake.text(FILE), before);
    assert_eq!(fake.text(&format!("{FILE}.pending")), None);
}

#[test]
fn a_first_configuration_that_is_refused_leaves_no_file() {
    let fake = Fake::new().on_command(|_| Ok(output(1, "", "no")));
    nginx().apply(&desired(10.0, "ready")).unwrap_err();
    assert_eq!(fake.text(FILE), None);
}

#[test]
fn a_file_of_others_is_read_but_not_written() {
    let text = "upstream shop {\n  server web01:80 weight=3; # old\n  server web02:80;\n  \
                server web03:80 down;\n}\n";
    let fake = Fake::new().file(FILE, text);
    let reading = nginx().read(&targets(&FLEET)).unwrap();
    let percents: Vec<f64> = reading
        .members
        .iter()
        .map(|member| member.percent)
        .collect();
    assert_eq!(percents, [75.0, 25.0, 0.0]);
    assert_eq!(reading.members[2].admission, "out");
    let failure = nginx().apply(&desired(10.0, "ready")).unwrap_err();
    assert_eq!(failure.code, "conflict");
    assert_eq!(fake.text(FILE).unwrap(), text);
}

#[test]
fn a_change_by_hand_is_noticed() {
    let fake = Fake::new();
    nginx().apply(&desired(10.0, "ready")).unwrap();
    let edited = fake.text(FILE).unwrap().replace("weight=100", "weight=500");
    let _fake = fake.file(FILE, &edited);
    assert_eq!(nginx().read(&targets(&FLEET)).unwrap().revision, None);
    assert_eq!(
        nginx().apply(&desired(25.0, "ready")).unwrap_err().code,
        "conflict"
    );
}

#[test]
fn a_change_on_top_of_another_revision_is_a_conflict() {
    let _fake = Fake::new();
    nginx().apply(&desired(10.0, "ready")).unwrap();
    let stale = Desired {
        expected: Some("0".into()),
        ..desired(25.0, "ready")
    };
    assert_eq!(nginx().apply(&stale).unwrap_err().code, "conflict");
    let revision = nginx().read(&targets(&FLEET)).unwrap().revision;
    nginx()
        .apply(&Desired {
            expected: revision,
            ..desired(25.0, "ready")
        })
        .unwrap();
}

#[test]
fn no_traffic_at_all_is_written_where_it_is_asked_for() {
    let fake = Fake::new();
    let mut none = desired(0.0, "ready");
    none.pools[1].percent = 0.0;
    nginx().apply(&none).unwrap();
    let text = fake.text(FILE).unwrap();
    assert_eq!(text.matches(" down;").count(), 3, "{text}");
}

#[test]
fn prefix_and_configuration_are_handed_on() {
    let fake = Fake::new();
    let settings = json!({
        "upstream": "shop", "file": FILE, "prefix": "/p", "conf": "/p/nginx.conf",
        "directives": ["keepalive 32"], "parameters": ["max_fails=0"],
    });
    from_value::<Nginx>(settings)
        .unwrap()
        .apply(&desired(50.0, "ready"))
        .unwrap();
    assert_eq!(
        ran(&fake),
        [
            "run nginx -t -p /p -c /p/nginx.conf",
            "run nginx -s reload -p /p -c /p/nginx.conf"
        ]
    );
    let text = fake.text(FILE).unwrap();
    assert!(text.contains("    keepalive 32;\n"), "{text}");
    assert!(
        text.contains("server web01:80 weight=500 max_fails=0; # web01\n"),
        "{text}"
    );
}

#[test]
fn nonsense_is_refused() {
    let settings = json!({
        "upstream": "a b", "file": FILE, "weights": 0, "test": [],
        "directives": ["keepalive 32", "x; } evil {"], "parameters": [""],
    });
    let problems = from_value::<Nginx>(settings).unwrap().problems();
    let places: Vec<&str> = problems
        .iter()
        .map(|problem| problem.pointer.as_str())
        .collect();
    assert_eq!(
        places,
        [
            "/upstream",
            "/weights",
            "/directives/1",
            "/parameters/0",
            "/test"
        ]
    );
}
