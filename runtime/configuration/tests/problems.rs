//! Problems that plugins find, in the operator's file; and how problems look to programs.

#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::{io, path::Path};

use configuration::{Configuration, Overrides, Problem, Problems, Sources, load};
use serde_json::json;

struct One(&'static str);

impl Sources for One {
    fn read(&self, path: &Path) -> io::Result<String> {
        match path.to_str() {
            Some("runtime.toml") => Ok(self.0.into()),
            Some("forbidden.toml") => Err(io::ErrorKind::PermissionDenied.into()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

const TEXT: &str = r#"application = "shop"
environment = "test"
release.artifact = "shop/"
targets = [{ name = "one" }]
limits.unchecked = true

[platform]
use = "release-directory"

[strategy]
use = "canary"
stages = [
  10,
  5,
]

[sources.prometheus]
url = "http://prometheus"

[[analysis]]
name = "errors"
use = "prometheus"
query = "x"
max = 1
port = "x"

[[notifiers]]
use = "webhook"
secret = { secret = "HOOK" }
url = { secret = "URL", use = ["file"] }
header = { deep = [{ secret = "DEEP" }] }
"#;

fn configuration() -> Configuration {
    load(Path::new("runtime.toml"), &One(TEXT), &Overrides::default()).unwrap()
}

fn check(problem: Problem, expected: &str) {
    let problems = Problems::new(Path::new("runtime.toml"), vec![problem]).unwrap();
    let shown = format!("{problems}\n");
    assert!(shown.contains(expected.trim_start_matches('\n')), "{shown}");
}

#[test]
fn a_pointer_of_a_plugin_leads_to_the_line() {
    let configuration = configuration();
    let strategy = &configuration.contents.strategy;
    let message = "5 % is not more than 10 %";
    check(
        configuration.problem_at(strategy, "/stages/1", message, "strategy `canary` 0.1.0"),
        r#"
error[config::plugin]: 5 % is not more than 10 %
  --> runtime.toml:14:3
   |
11 | use = "canary"
   |       -------- checked by strategy `canary` 0.1.0
...
14 |   5,
   |   ^

1 problem in runtime.toml; nothing was deployed
"#,
    );
}

#[test]
fn what_is_missing_is_told_at_the_section() {
    let configuration = configuration();
    let strategy = &configuration.contents.strategy;
    check(
        configuration.problem_at(
            strategy,
            "/soak",
            "a soak is needed",
            "strategy `canary` 0.1.0",
        ),
        r#"
  --> runtime.toml:10:1
   |
10 | [strategy]
   | ^^^^^^^^^^ there is no `soak` here
11 | use = "canary"
   |       -------- checked by strategy `canary` 0.1.0
"#,
    );
}

#[test]
fn what_is_shared_is_told_where_it_is_written() {
    let configuration = configuration();
    let analysis = &configuration.contents.analysis[0].plugin;
    assert_eq!(
        analysis.settings,
        json!({ "url": "http://prometheus", "port": "x" })
    );
    check(
        configuration.problem_at(
            analysis,
            "/url",
            "plain HTTP",
            "metric source `prometheus` 1.0.0",
        ),
        "18 | url = \"http://prometheus\"\n   |       ^^^^^^^^^^^^^^^^^^^\n",
    );
}

#[test]
fn settings_are_held_against_the_schema_of_the_plugin() {
    let configuration = configuration();
    let schema = json!({
        "type": "object",
        "properties": {
            "url": { "type": "string" },
            "port": { "anyOf": [{ "type": "integer", "maximum": 65535 }, { "type": "null" }] },
            "path": { "type": "string", "description": "Where the interface is. Mostly `/api`." },
        },
        "required": ["url", "path"],
        "additionalProperties": false,
    });
    let analysis = &configuration.contents.analysis[0].plugin;
    let problems = configuration.check_settings(analysis, &schema, "metric source `prometheus`");
    let titles: Vec<_> = problems
        .iter()
        .map(|problem| problem.title.as_str())
        .collect();
    assert_eq!(
        titles,
        ["`port` must be a whole number", "`path` is missing"]
    );
    assert_eq!(
        problems[1].help.as_deref(),
        Some("`path`: Where the interface is")
    );
    assert_eq!(
        problems[0].notes[0].1,
        "checked by metric source `prometheus`"
    );
}

#[test]
fn a_secret_may_stand_for_a_text_only() {
    let configuration = configuration();
    let check = |properties| {
        let schema = json!({ "properties": properties });
        let webhook = &configuration.contents.notifiers[0].plugin;
        configuration
            .check_settings(webhook, &schema, "notifier `webhook`")
            .len()
    };
    assert_eq!(
        check(json!({ "url": { "type": "string" }, "secret": { "type": "string" } })),
        0
    );
    assert_eq!(
        check(json!({ "url": { "type": ["string", "null"], "maxLength": 1 } })),
        0
    );
    assert_eq!(check(json!({ "url": { "type": "integer" } })), 1);
}

#[test]
fn secrets_are_found_in_settings() {
    let configuration = configuration();
    let secrets = configuration.contents.notifiers[0].plugin.secrets();
    let found: Vec<_> = secrets
        .iter()
        .map(|secret| {
            let reference = &secret.reference;
            (
                secret.pointer.as_str(),
                reference.secret.as_str(),
                reference.uses.len(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("/header/deep/0", "DEEP", 0),
            ("/secret", "HOOK", 0),
            ("/url", "URL", 1)
        ]
    );
}

#[test]
fn every_use_of_a_plugin_has_its_place() {
    let configuration = configuration();
    let uses: Vec<_> = configuration
        .contents
        .uses()
        .iter()
        .map(|(_, plugin)| plugin.pointer.clone())
        .collect();
    assert_eq!(
        uses,
        ["/platform", "/strategy", "/analysis/0", "/notifiers/0"]
    );
    for pointer in uses {
        assert!(configuration.place(&pointer).is_some(), "{pointer}");
    }
}

#[test]
fn programs_get_the_same_as_people() {
    let text = "application = \"shop\"\nenviroment = \"test\"\n";
    let text: &'static str = Box::leak(TEXT.replacen(&TEXT[..42], text, 1).into_boxed_str());
    let problems = load(Path::new("runtime.toml"), &One(text), &Overrides::default()).unwrap_err();
    let value = serde_json::to_value(&problems).unwrap();
    assert_eq!(
        value["summary"],
        "2 problems in runtime.toml; nothing was deployed"
    );
    assert_eq!(
        value["problems"][1],
        json!({
            "code": "unknown-key",
            "message": "unknown key `enviroment`",
            "label": "not known here",
            "help": "did you mean `environment`?",
            "file": "runtime.toml",
            "line": 2,
            "column": 1,
            "text": "enviroment = \"test\"",
        })
    );
}

#[test]
fn colours_are_there_when_asked_for() {
    let problems = load(Path::new("none.toml"), &One(""), &Overrides::default()).unwrap_err();
    assert!(!problems.render(false).contains('\u{1b}'));
    assert!(problems.render(true).contains('\u{1b}'));
}

#[test]
fn a_file_that_cannot_be_read_is_said_as_such() {
    let error = |path| load(Path::new(path), &One(""), &Overrides::default()).unwrap_err();
    assert_eq!(
        error("none.toml").to_string(),
        "error[config::file]: there is no file `none.toml`\n \
         |\n \
         = help: `runtime init` writes one; `--config FILE` names another\n\n\
         1 problem in none.toml; nothing was deployed"
    );
    assert!(
        error("forbidden.toml")
            .to_string()
            .contains("cannot be read: permission denied")
    );
}

#[test]
fn equal_configurations_have_equal_canonical_forms() {
    let canonical = |text: &'static str| {
        let configuration = load(Path::new("runtime.toml"), &One(text), &Overrides::default());
        configuration.unwrap().canonical().to_string()
    };
    let defaults = TEXT.to_owned() + "[rollback]\nautomatic = true\n";
    assert_eq!(
        canonical(TEXT),
        canonical(Box::leak(defaults.into_boxed_str()))
    );
    let other = TEXT.replace("10,", "11,");
    assert_ne!(
        canonical(TEXT),
        canonical(Box::leak(other.into_boxed_str()))
    );
}

#[test]
fn of_very_many_problems_the_first_are_shown() {
    let wrong: String = (0..60)
        .map(|number| format!("wrong{number} = 1\n"))
        .collect();
    let text: &'static str = Box::leak((wrong + TEXT).into_boxed_str());
    let problems = load(Path::new("runtime.toml"), &One(text), &Overrides::default()).unwrap_err();
    assert_eq!(problems.iter().count(), 60);
    let shown = problems.to_string();
    assert!(
        shown.contains("`wrong49`") && !shown.contains("`wrong50`"),
        "{shown}"
    );
    let end = "and 10 more\n\n60 problems in runtime.toml; nothing was deployed";
    assert!(shown.ends_with(end), "{shown}");
}
