//! What people are told of it.

use serde_json::json;

use super::Case;

/// A capability, what is asked for, what the operator granted of it, and what both allow; empty
/// where that is nothing.
const BOTH: &[(&str, &str, &str, &str)] = &[
    // The narrower of the two, whichever it is.
    (
        "files",
        "write:/etc/nginx/conf.d",
        "write:/etc/nginx",
        "write:/etc/nginx/conf.d",
    ),
    (
        "files",
        "write:/etc/nginx",
        "write:/etc/nginx/conf.d",
        "write:/etc/nginx/conf.d",
    ),
    ("files", "write:/etc/nginx", "read:/etc", "read:/etc/nginx"),
    ("files", "write:/etc/nginx", "write:/etc/nginxes", ""),
    ("files", "write:/etc", "write:etc", ""),
    (
        "http",
        "*",
        "https://*.example.com",
        "https://*.example.com",
    ),
    (
        "http",
        "https://a.example.com/x",
        "https://*.example.com",
        "https://a.example.com",
    ),
    ("http", "http://localhost:81", "*", ""),
    ("http", "https://a.example", "https://b.example", ""),
    ("commands", "nginx *", "nginx -s reload", "nginx -s reload"),
    (
        "commands",
        "nginx -s reload",
        "nginx -s *",
        "nginx -s reload",
    ),
    ("commands", "nginx -s reload", "nginx -t", ""),
    // Neither within the other: no more than what is asked for.
    ("commands", "nginx * reload", "nginx -s *", "nginx * reload"),
    ("locks", "deploy", "*", "deploy"),
    ("locks", "*", "deploy", "deploy"),
    (
        "mail",
        "Ops@example.com",
        "ops@example.com",
        "Ops@example.com",
    ),
    ("sockets", "tcp:DB:1", "tcp:db:1", "tcp:db:1"),
    // Templates in what is granted.
    (
        "files",
        "write:/srv/shop/x",
        "write:/srv/{application}",
        "write:/srv/shop/x",
    ),
    ("files", "write:/srv", "write:/srv/{target}", "write:/srv/*"),
    (
        "http",
        "http://{target.address}",
        "http://{target.address}",
        "http://*",
    ),
    ("http", "http://{target.host}:81", "*", "http://*:81"),
    ("http", "*", "http://{target.host}:81", "http://*:81"),
    (
        "http",
        "http://{target.host}.far:81",
        "http://one.far:81",
        "http://one.far:81",
    ),
    ("locks", "{application}-{target}", "shop-one", "shop-one"),
    ("locks", "{application}-{target}", "shop-{target}", "shop-*"),
    ("secrets", "KEY-{release.id}", "*", "KEY-*"),
    // What the operator wrote as a setting needs no grant.
    ("files", "write:{root}/x", "", "write:/srv/*/x"),
    ("http", "https://{host}", "", "https://example.com"),
    ("commands", "{run}", "", "make *"),
    ("files", "write:/etc/{host}", "", ""),
];

#[tokio::test]
async fn people_are_told_what_both_allow() {
    let settings = json!({
        "root": "/srv/{target}",
        "host": "example.com",
        "run": ["make", "{version}"],
    });
    for (capability, asked, granted, told) in BOTH {
        let mut case = Case::asking(capability, asked)
            .third_party()
            .with(settings.clone());
        if !granted.is_empty() {
            case = case.granting(capability, granted);
        }
        let expected = Some(*told).filter(|told| !told.is_empty());
        let expected: Vec<&str> = expected.into_iter().collect();
        assert_eq!(
            case.told().await,
            expected,
            "{capability} {asked} {granted}"
        );
    }
}

#[tokio::test]
async fn people_are_told_of_defaults_only_where_they_are_granted() {
    let schema = r#"{"properties": {"url": {"default": "https://a.example"}}}"#;
    let case = || Case::asking("http", "{url}").with_schema(schema);
    assert_eq!(case().told().await, ["https://a.example"]);
    let case = || case().third_party();
    assert_eq!(case().told().await, [""; 0]);
    let granted = case().granting("http", "*");
    assert_eq!(granted.told().await, ["https://a.example"]);
    let written = case().with(json!({ "url": "https://b.example" }));
    assert_eq!(written.told().await, ["https://b.example"]);
    // What one request has granted, another may use.
    let two = Case {
        requests: vec![("files", "write:{root}"), ("files", "read:/srv/a/x")],
        settings: json!({ "root": "/srv/a" }),
        ..case()
    };
    assert_eq!(two.told().await, ["write:/srv/a", "read:/srv/a/x"]);
}
