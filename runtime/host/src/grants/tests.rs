//! Tables of what is granted and what is not; each trick once.

mod granted;

use engine::{Name, Release, Target};
use serde_json::{Value, json};

use super::*;
use crate::{Kind, testing::Guest, worker::About};

struct Case {
    bundled: bool,
    settings: Value,
    schema: &'static str,
    requests: Vec<(&'static str, &'static str)>,
    written: Vec<(&'static str, &'static str)>,
    about: About,
    reading: bool,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            bundled: true,
            settings: json!({}),
            schema: "{}",
            requests: Vec::new(),
            written: Vec::new(),
            about: About::default(),
            reading: false,
        }
    }
}

impl Case {
    fn asking(capability: &'static str, scope: &'static str) -> Self {
        Self {
            requests: vec![(capability, scope)],
            ..Self::default()
        }
    }

    fn with(mut self, settings: Value) -> Self {
        self.settings = settings;
        self
    }

    fn third_party(mut self) -> Self {
        self.bundled = false;
        self
    }

    fn granting(mut self, capability: &'static str, scope: &'static str) -> Self {
        self.written.push((capability, scope));
        self
    }

    fn at(mut self, name: &str, address: &str) -> Self {
        self.about.targets.push(Target {
            name: Name::from(name),
            address: Some(address.to_owned()),
            group: Name::from("stable"),
            labels: Vec::new(),
            details: Value::Null,
        });
        self
    }

    fn of_release(mut self, id: &str) -> Self {
        self.about.release = Some(Release {
            id: Name::from(id),
            version: "5".into(),
            digest: "sha256:0".into(),
            labels: Vec::new(),
            details: Value::Null,
        });
        self
    }

    async fn grants(&self) -> Grants {
        let (plugin, written) = self.plugin().await;
        let names = self.names(&plugin);
        Grants::new(&plugin, &written, &names, self.reading)
    }

    /// What people are told of it.
    async fn told(&self) -> Vec<String> {
        let (plugin, written) = self.plugin().await;
        let names = Names {
            any_call: true,
            ..self.names(&plugin)
        };
        let granted = Granted::of(&plugin, &written, &names);
        granted.into_iter().map(|granted| granted.scope).collect()
    }

    async fn plugin(&self) -> (crate::Plugin, BTreeMap<String, Vec<String>>) {
        let mut guest = Guest::new(Kind::Step).schema(self.schema);
        for (capability, scope) in &self.requests {
            guest = guest.asking(capability, scope);
        }
        let mut written: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (capability, scope) in &self.written {
            written
                .entry((*capability).into())
                .or_default()
                .push((*scope).into());
        }
        (guest.load(self.bundled).await, written)
    }

    fn names<'a>(&'a self, plugin: &'a crate::Plugin) -> Names<'a> {
        Names {
            settings: &self.settings,
            revealed: &self.settings,
            schema: &plugin.description().settings_schema,
            about: &self.about,
            application: "shop",
            environment: "production",
            any_call: false,
        }
    }

    async fn http(&self, good: &[&str], bad: &[&str]) {
        let grants = self.grants().await;
        let may = |url: &str| match Destination::parse(url) {
            Ok(destination) => {
                let origin = &destination.origin;
                grants
                    .check(&Wanted::Http {
                        method: "GET",
                        origin,
                    })
                    .is_ok()
            }
            Err(_) => false,
        };
        for url in good {
            assert!(may(url), "{url} is granted");
        }
        for url in bad {
            assert!(!may(url), "{url} is not granted");
        }
    }

    async fn files(&self, write: bool, good: &[&str], bad: &[&str]) {
        let grants = self.grants().await;
        let may = |path: &str| match CleanPath::parse(path) {
            Ok(path) => grants.place(&path, write).is_ok(),
            Err(_) => false,
        };
        for path in good {
            assert!(may(path), "{path} is granted");
        }
        for path in bad {
            assert!(!may(path), "{path} is not granted");
        }
    }

    async fn commands(&self, good: &[&[&str]], bad: &[&[&str]]) {
        let grants = self.grants().await;
        let may = |words: &[&str]| {
            let arguments: Vec<String> = words[1..].iter().map(|&word| word.to_owned()).collect();
            grants
                .check(&Wanted::Command {
                    program: words[0],
                    arguments: &arguments,
                })
                .is_ok()
        };
        for words in good {
            assert!(may(words), "{words:?} is granted");
        }
        for words in bad {
            assert!(!may(words), "{words:?} is not granted");
        }
    }
}

#[tokio::test]
async fn an_origin_is_compared_after_parsing() {
    Case::asking("http", "{url}")
        .with(json!({ "url": "https://api.example.com/hooks?x=1" }))
        .http(
            &[
                "https://api.example.com",
                "https://api.example.com:443/other",
                "HTTPS://API.EXAMPLE.COM/",
                "https://user:password@api.example.com/",
                "https://api.example.com\\@evil.example/",
                "https://api%2eexample.com/",
                " https://api.example.com/ ",
            ],
            &[
                "http://api.example.com/",
                "https://api.example.com:8443/",
                "https://api.example.com./",
                "https://api.example.com@evil.example/",
                "https://api.example.com:443@evil.example/",
                "https://evil.example/https://api.example.com",
                "https://evil.example#@api.example.com/",
                "https://evil.example?@api.example.com/",
                "https://evil.example/@api.example.com/",
                "https://api.example.com.evil.example/",
                "https://evil-api.example.com/",
                "https://sub.api.example.com/",
                "https://аpi.example.com/",
                "ftp://api.example.com/",
                "file:///etc/passwd",
                "https:api.example.com",
                "//api.example.com/",
                "https://",
                "",
            ],
        )
        .await;
}

#[tokio::test]
async fn addresses_have_one_meaning_however_they_are_written() {
    Case::asking("http", "{url}")
        .with(json!({ "url": "http://127.0.0.1:9090" }))
        .http(
            &[
                "http://127.0.0.1:9090/",
                "http://2130706433:9090/",
                "http://0x7f.1:9090/",
            ],
            &[
                "http://127.0.0.2:9090/",
                "http://localhost:9090/",
                "http://[::1]:9090/",
                "http://127.0.0.1/",
            ],
        )
        .await;
    Case::asking("http", "{url}")
        .with(json!({ "url": "http://[::1]:80" }))
        .http(
            &[
                "http://[::1]/",
                "http://[0:0:0:0:0:0:0:1]:80/",
                "http://[::0001]/",
            ],
            &[
                "http://[::ffff:127.0.0.1]/",
                "http://127.0.0.1/",
                "http://[::]/",
            ],
        )
        .await;
}

#[tokio::test]
async fn the_machine_has_origins_of_its_own() {
    Case::asking("http", "http://machine:{port}")
        .with(json!({ "port": 9100 }))
        .http(
            &["http://machine:9100/state"],
            &[
                "http://machine:9101/",
                "http://machine/",
                "https://machine:9100/",
                "http://localhost:9100/",
                "http://127.0.0.1:9100/",
                "http://x@machine:9100/",
                "http://machine:9100@evil.example/",
                "http://machine:0/",
                "http://machine:9100.evil.example/",
            ],
        )
        .await;
    Case::asking("http", "http://machine:[.runtime/{name}.sock]")
        .with(json!({ "name": "a" }))
        .http(
            &[
                "http://machine:[.runtime/a.sock]/state",
                "http://machine:[./.runtime//a.sock]?x",
            ],
            &[
                "http://machine:[.runtime/b.sock]/",
                "http://machine:[/.runtime/a.sock]/",
                "http://machine:[.runtime/../.runtime/a.sock]/",
                "http://machine:[.runtime/a.sock",
                "http://machine:[.runtime/a.sock]evil.example/",
                "http://machine:[.runtime/a.sock]@evil.example/",
                "http://machine:[]/",
            ],
        )
        .await;
}

#[tokio::test]
async fn a_general_grant_never_means_the_inside() {
    Case::asking("http", "*")
        .third_party()
        .granting("http", "*")
        .http(
            &[
                "https://example.com/",
                "http://10.0.0.1/",
                "http://example.com:8080/",
            ],
            &[
                "http://localhost/",
                "http://a.localhost/",
                "http://LOCALHOST./",
                "http://127.0.0.1/",
                "http://0.0.0.0/",
                "http://169.254.169.254/latest/meta-data/",
                "http://100.100.100.200/",
                "http://[::1]/",
                "http://[fe80::1]/",
                "http://[::ffff:169.254.169.254]/",
                "http://[64:ff9b::a9fe:a9fe]/",
                "http://[2002:7f00:1::]/",
                "http://[fd00:ec2::254]/",
                "http://machine:80/",
            ],
        )
        .await;
    Case::asking("http", "*")
        .third_party()
        .granting("http", "https://*.example.com")
        .http(
            &["https://a.example.com/", "https://a.b.example.com/"],
            &[
                "https://example.com/",
                "https://evil-example.com/",
                "http://a.example.com/",
                "https://a.example.com:8443/",
                "https://a.example.com.evil/",
            ],
        )
        .await;
}

#[tokio::test]
async fn both_must_say_so() {
    let asked = || Case::asking("http", "https://a.example").third_party();
    asked().http(&[], &["https://a.example/"]).await;
    asked()
        .granting("http", "https://a.example")
        .http(&["https://a.example/"], &[])
        .await;
    // Granted, and not asked for.
    asked()
        .granting("http", "https://b.example")
        .http(&[], &["https://b.example/"])
        .await;
    // A plugin that comes with the program has its fixed requests.
    Case::asking("http", "https://a.example")
        .http(&["https://a.example/"], &["https://b.example/"])
        .await;
}

#[tokio::test]
async fn what_a_manifest_puts_around_a_setting_is_nobodys_grant() {
    let case = |scope| {
        Case::asking("http", scope)
            .third_party()
            .with(json!({ "host": "example.com", "port": 81 }))
    };
    case("https://{host}")
        .http(&["https://example.com/"], &[])
        .await;
    case("https://{host}:{port}")
        .http(&["https://example.com:81/"], &[])
        .await;
    case("https://{host}:8443")
        .http(&["https://example.com:8443/"], &[])
        .await;
    case("https://{host}.evil.example")
        .http(&[], &["https://example.com.evil.example/"])
        .await;
    case("https://{host}@evil.example")
        .http(&[], &["https://evil.example/"])
        .await;
    case("https://evil.example/{host}")
        .http(&[], &["https://evil.example/"])
        .await;
    let files = |scope| {
        Case::asking("files", scope)
            .third_party()
            .with(json!({ "root": "/srv/a" }))
    };
    files("write:{root}").files(true, &["/srv/a/x"], &[]).await;
    files("write:{root}/releases")
        .files(true, &["/srv/a/releases/x"], &["/srv/a/x"])
        .await;
    files("write:/etc/{root}")
        .files(true, &[], &["/etc/srv/a"])
        .await;
    files("write:{root}-more")
        .files(true, &[], &["/srv/a-more/x"])
        .await;
    files("write:{root}/../..")
        .files(true, &[], &["/etc/passwd", "/srv/a/x"])
        .await;
    let commands = |scope| {
        Case::asking("commands", scope)
            .third_party()
            .with(json!({ "run": ["make", "test"] }))
    };
    commands("{run}")
        .commands(&[&["make", "test"]], &[&["make"]])
        .await;
    commands("{run} -f {run}")
        .commands(&[], &[&["make", "test", "-f", "make", "test"]])
        .await;
    commands("sh -c {run}")
        .commands(&[], &[&["sh", "-c", "make", "test"]])
        .await;
}

#[tokio::test]
async fn a_default_is_not_what_the_operator_wrote() {
    let schema = r#"{"properties": {"url": {"default": "https://a.example"}}}"#;
    let case = || Case::asking("http", "{url}").with_schema(schema);
    case().http(&["https://a.example/"], &[]).await;
    case()
        .third_party()
        .http(&[], &["https://a.example/"])
        .await;
    let granted = case().third_party().granting("http", "https://a.example");
    granted.http(&["https://a.example/"], &[]).await;
    let written = case()
        .third_party()
        .with(json!({ "url": "https://b.example" }));
    written
        .http(&["https://b.example/"], &["https://a.example/"])
        .await;
}

#[tokio::test]
async fn paths_stay_below_their_root() {
    Case::asking("files", "write:{root}")
        .with(json!({ "root": "/srv/app/" }))
        .files(
            true,
            &["/srv/app", "/srv/app/x", "//srv//app/./x", "/srv/app/..."],
            &[
                "/srv/apple",
                "/srv",
                "/",
                "srv/app",
                "/srv/app/../../etc",
                "/srv/app/..",
                "/srv/app/\0",
                "",
                "~/x",
            ],
        )
        .await;
    // Reading is part of writing, and not the other way round.
    let reading = Case::asking("files", "read:/srv/app");
    reading.files(false, &["/srv/app/x"], &["/srv"]).await;
    reading.files(true, &[], &["/srv/app/x"]).await;
    Case::asking("files", "write:/srv/app")
        .files(false, &["/srv/app/x"], &[])
        .await;
    // Neither one nor the other.
    for scope in [
        "/srv/app",
        "append:/srv/app",
        "read:",
        "write:../x",
        "read:/a/../b",
    ] {
        let case = Case {
            requests: vec![("files", scope)],
            ..Case::default()
        };
        case.files(false, &[], &["/srv/app/x", "../x", "/b", "x"])
            .await;
    }
    // Relative ones are below the machine's own directory.
    Case::asking("files", "write:.runtime/demo")
        .files(
            true,
            &[".runtime/demo/one", "./.runtime/demo"],
            &["/.runtime/demo", ".runtime", ".runtime/demo/../x"],
        )
        .await;
}

#[tokio::test]
async fn the_root_is_the_widest_that_both_allow() {
    let grants = Case {
        requests: vec![("files", "write:/srv"), ("files", "write:/srv/app/x")],
        ..Case::default()
    }
    .grants()
    .await;
    let path = CleanPath::parse("/srv/app/x/y").unwrap();
    assert_eq!(
        grants.place(&path, true).unwrap(),
        Place::new("/srv", "/srv/app/x/y")
    );
    let grants = Case::asking("files", "write:/")
        .third_party()
        .granting("files", "write:/srv/app")
        .grants()
        .await;
    assert_eq!(
        grants.place(&path, true).unwrap(),
        Place::new("/srv/app", "/srv/app/x/y")
    );
}

#[tokio::test]
async fn templates_mean_the_target_of_the_call() {
    let case = || Case::asking("files", "write:{root}").with(json!({ "root": "/srv/{target}" }));
    case()
        .at("web01", "10.0.0.1:80")
        .files(true, &["/srv/web01/x"], &["/srv/web02/x"])
        .await;
    // Where no target is known: one component, and no climbing.
    case()
        .files(
            true,
            &["/srv/web01/x", "/srv/a/b"],
            &["/srv", "/srv/../etc", "/etc/a"],
        )
        .await;
    Case::asking("files", "write:{root}")
        .with(json!({ "root": "/srv/{{target}}" }))
        .files(true, &["/srv/{target}/x"], &["/srv/web01"])
        .await;
    Case::asking("http", "{scheme}://{target.host}:{port}")
        .with(json!({ "port": 81 }))
        .at("web01", "10.0.0.1:80")
        .with_schema(r#"{"properties": {"scheme": {"default": "http"}}}"#)
        .http(
            &["http://10.0.0.1:81/"],
            &["http://10.0.0.1/", "https://10.0.0.1:81/"],
        )
        .await;
    // Two targets, two addresses; none, nothing.
    let both = Case::asking("http", "http://{target.address}")
        .at("a", "10.0.0.1:80")
        .at("b", "10.0.0.2:80");
    both.http(
        &["http://10.0.0.1/", "http://10.0.0.2/"],
        &["http://10.0.0.3/"],
    )
    .await;
    Case::asking("http", "http://{target.address}")
        .http(&[], &["http://10.0.0.1/", "http://x/"])
        .await;
}

#[tokio::test]
async fn commands_are_exact() {
    Case::asking("commands", "nginx -s reload")
        .commands(
            &[&["nginx", "-s", "reload"]],
            &[
                &["nginx", "-s"],
                &["nginx", "-s", "reload", "-c", "/tmp/x"],
                &["nginx", "-s reload"],
                &["nginx -s reload"],
                &["/usr/sbin/nginx", "-s", "reload"],
                &["./nginx", "-s", "reload"],
            ],
        )
        .await;
    Case::asking("commands", "nginx *")
        .commands(&[&["nginx"], &["nginx", "-t", "x"]], &[&["nginx2"]])
        .await;
    Case::asking("commands", "git * --quiet")
        .commands(
            &[&["git", "--quiet"], &["git", "pull", "--quiet"]],
            &[&["git", "pull"]],
        )
        .await;
    let settings = json!({ "test": ["nginx", "-t"], "prefix": "/opt/my nginx", "many": { "a": ["x", "*"], "b": "y" } });
    Case::asking("commands", "{test} -p {prefix}")
        .with(settings.clone())
        .commands(
            &[&["nginx", "-t", "-p", "/opt/my nginx"]],
            &[
                &["nginx", "-t"],
                &["nginx", "-t", "-p", "/opt/my", "nginx"],
                &["nginx", "-t", "-p"],
            ],
        )
        .await;
    // A star in a setting is a star.
    Case::asking("commands", "{many}")
        .with(settings)
        .commands(
            &[&["x", "*"], &["y"]],
            &[&["x", "z"], &["x"], &["y", "z"], &["x", "*", "y"]],
        )
        .await;
    // What is not there asks for nothing, not for everything.
    Case::asking("commands", "{missing}")
        .commands(&[], &[&[""], &["sh"]])
        .await;
    Case::asking("commands", "sudo {missing}")
        .commands(&[], &[&["sudo"], &["sudo", "sh"]])
        .await;
}

#[tokio::test]
async fn templates_in_arguments_mean_a_part_of_one() {
    let case = || {
        Case::asking("commands", "{start}")
            .with(json!({ "start": ["bin/hello", "--version={version}", "{print}"] }))
    };
    case()
        .of_release("5-1")
        .commands(
            &[&["bin/hello", "--version=5", "{print}"]],
            &[
                &["bin/hello", "--version=6", "{print}"],
                &["bin/hello", "--version=5", "x"],
            ],
        )
        .await;
    case()
        .commands(
            &[&["bin/hello", "--version=6.1", "{print}"]],
            &[
                &["bin/hello", "--version=", "{print}"],
                &["bin/hello", "--version=../../x", "{print}"],
                &["bin/hello", "--version=6", "--more", "{print}"],
            ],
        )
        .await;
}

#[tokio::test]
async fn names_sockets_and_recipients() {
    let grants = Case {
        requests: vec![
            ("locks", "nginx {file}"),
            ("sockets", "tcp:{target.address}"),
            ("sockets", "unix:/run/{application}.sock"),
            ("secrets", "KEY"),
            ("mail", "{to}"),
        ],
        settings: json!({ "file": "/etc/a.conf", "to": ["ops@example.com", "dev@example.com"] }),
        ..Case::default()
    }
    .at("web01", "Web01.internal:80")
    .grants()
    .await;
    let socket = |text: &str| {
        grants
            .check(&Wanted::Socket(&text.parse().unwrap()))
            .is_ok()
    };
    assert!(socket("tcp:web01.internal:80"));
    assert!(!socket("tcp:web01.internal:81"));
    assert!(!socket("tcp:web01.internal.evil:80"));
    assert!(socket("unix:/run/shop.sock"));
    assert!(!socket("unix:/run/other.sock"));
    assert!(grants.check(&Wanted::Lock("nginx /etc/a.conf")).is_ok());
    assert!(grants.check(&Wanted::Lock("nginx /etc/b.conf")).is_err());
    assert!(grants.check(&Wanted::Secret("KEY")).is_ok());
    assert!(grants.check(&Wanted::Secret("KEY2")).is_err());
    assert!(grants.check(&Wanted::Mail("OPS@example.com")).is_ok());
    assert!(grants.check(&Wanted::Mail("ops@example.com.evil")).is_err());
}

#[tokio::test]
async fn reading_alone_changes_nothing() {
    let guest = Guest::new(Kind::LoadBalancer)
        .asking_to_read("http", "https://a.example")
        .asking("http", "https://b.example")
        .asking_to_read("files", "read:/etc/x")
        // What it says of itself does not make a change a look.
        .asking_to_read("files", "write:/etc/y")
        .asking_to_read("locks", "a-lock")
        .asking_to_read("mail", "ops@example.com")
        .asking("commands", "nginx -s reload");
    let plugin = guest.load(true).await;
    let nothing = Value::Null;
    let about = About::default();
    let names = Names {
        settings: &nothing,
        revealed: &nothing,
        schema: &nothing,
        about: &about,
        application: "",
        environment: "",
        any_call: false,
    };
    let grants = Grants::new(&plugin, &BTreeMap::new(), &names, true);
    let http = |method: &str, url: &str| {
        let origin = Destination::parse(url).unwrap().origin;
        grants
            .check(&Wanted::Http {
                method,
                origin: &origin,
            })
            .map_err(|denied| denied.to_string())
    };
    http("GET", "https://a.example").unwrap();
    http("HEAD", "https://a.example").unwrap();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get"] {
        let denied = http(method, "https://a.example").unwrap_err();
        let says = format!(
            "only what changes nothing is allowed here, and {} asked for more",
            plugin.name()
        );
        assert!(denied.contains(&says), "{method}: {denied}");
    }
    http("GET", "https://b.example").unwrap_err();
    let path = CleanPath::parse("/etc/x").unwrap();
    assert!(grants.place(&path, false).is_ok());
    assert!(grants.place(&path, true).is_err());
    let written = CleanPath::parse("/etc/y").unwrap();
    assert!(grants.place(&written, false).is_ok());
    assert!(grants.place(&written, true).is_err());
    assert!(grants.check(&Wanted::Lock("a-lock")).is_err());
    assert!(grants.check(&Wanted::Mail("ops@example.com")).is_err());
    assert!(grants.check(&Wanted::Note("a-note")).is_err());
    let reload = ["-s".to_owned(), "reload".to_owned()];
    assert!(
        grants
            .check(&Wanted::Command {
                program: "nginx",
                arguments: &reload
            })
            .is_err()
    );
}

#[tokio::test]
async fn a_denial_names_the_line_that_would_allow_it() {
    let case = Case::asking("http", "https://a.example:8443").third_party();
    let grants = case.grants().await;
    let origin = Destination::parse("https://a.example:8443/x")
        .unwrap()
        .origin;
    let denied = grants
        .check(&Wanted::Http {
            method: "GET",
            origin: &origin,
        })
        .unwrap_err();
    assert_eq!(
        denied.to_string(),
        "http `https://a.example:8443` was not granted; this would allow it: [plugins.guest] \
         grants.http = [\"https://a.example:8443\"]"
    );
    // And it does.
    case.granting("http", "https://a.example:8443")
        .http(&["https://a.example:8443"], &[])
        .await;
    let origin = Destination::parse("https://b.example").unwrap().origin;
    let denied = grants
        .check(&Wanted::Http {
            method: "GET",
            origin: &origin,
        })
        .unwrap_err();
    assert!(
        denied
            .to_string()
            .contains("the manifest of guest does not ask for it"),
        "{denied}"
    );
    let failure = Failure::from(denied);
    assert_eq!(failure.code, Code::Denied);
    assert!(!failure.retryable);
}

impl Case {
    fn with_schema(mut self, schema: &'static str) -> Self {
        self.schema = schema;
        self
    }
}

#[test]
fn variables_that_change_a_program_are_known() {
    for name in [
        "LD_PRELOAD",
        "PATH",
        "PYTHONPATH",
        "BASH_ENV",
        "GIT_SSH_COMMAND",
        "NODE_OPTIONS",
    ] {
        assert!(is_loader_variable(name), "{name}");
    }
    for name in ["DATABASE_URL", "LANG", "PORT", "PATHS"] {
        assert!(!is_loader_variable(name), "{name}");
    }
}
