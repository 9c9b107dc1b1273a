//! Every plugin that comes with the program passes its own kit.

use std::fmt::Write as _;

use bytes::Bytes;
use conformance::{Answers, Candidate, Report, Verdict, examine, rehearsed};
use host::{Host, HostOptions, Kind, PluginSource};
use serde_json::{Value, json};

/// Rehearsals of each strategy in each scene; thousands are made where rehearsals are tested.
const RUNS: u64 = 150;

/// The settings that each is tried with, by kind and name; null where those made up from its
/// schema will do.
fn table() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        (
            "health-check",
            "command",
            json!({ "run": ["check", "{target.address}"], "degraded": [3] }),
        ),
        ("health-check", "http", json!({ "path": "/health" })),
        ("health-check", "tcp", json!({})),
        (
            "load-balancer",
            "nginx",
            json!({ "upstream": "shop", "file": "/etc/nginx/conf.d/shop.conf" }),
        ),
        (
            "load-balancer",
            "proxy",
            json!({ "listen": "127.0.0.1:8080" }),
        ),
        ("notifier", "slack", Value::Null),
        (
            "notifier",
            "webhook",
            json!({ "url": "https://example.com/hook", "secret": { "secret": "HOOK" } }),
        ),
        (
            "platform",
            "release-directory",
            json!({ "root": "/srv/{target}", "shared": ["uploads/"], "start": ["./app"] }),
        ),
        (
            "step",
            "command",
            json!({ "run": ["smoke", "{version}"], "undo": ["undo"] }),
        ),
        ("strategy", "blue-green", Value::Null),
        ("strategy", "canary", Value::Null),
        ("strategy", "rolling", Value::Null),
        ("strategy", "simple", Value::Null),
    ]
}

async fn examined(host: &Host, bundled: &bundle::Bundled, settings: Value) -> Report {
    let source = PluginSource {
        name: bundled.name.to_owned(),
        kind: Kind::named(bundled.kind),
        wasm: Bytes::from_static(bundled.wasm),
        digest: bundled.digest.to_owned(),
        bundled: true,
    };
    let candidate = Candidate {
        plugin: host.load(source).await.expect("it loads"),
        settings: Some(settings).filter(|settings| !settings.is_null()),
        answers: Answers::default(),
    };
    let mut report = examine(&candidate).await.expect("there is room");
    if candidate.plugin.kind() == Kind::Strategy {
        let (plugin, settings) = (candidate.plugin, report.settings.clone().expect("settings"));
        let trying = move || {
            rehearsed(
                &plugin,
                std::slice::from_ref(&plugin),
                &settings,
                Vec::new(),
                RUNS,
            )
        };
        report
            .cases
            .extend(tokio::task::spawn_blocking(trying).await.expect("it ends"));
    }
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn every_plugin_that_comes_with_the_program_passes() {
    let host = Host::new(HostOptions::default()).expect("the engine starts");
    let mut table = table();
    let mut told = String::new();
    for bundled in bundle::plugins() {
        let place = table
            .iter()
            .position(|(kind, name, _)| (*kind, *name) == (bundled.kind, bundled.name));
        let place = place.unwrap_or_else(|| panic!("{} {} has no row", bundled.kind, bundled.name));
        let report = examined(&host, bundled, table.remove(place).2).await;
        assert!(report.cases.len() > 8, "{report:#?}");
        for case in &report.cases {
            let place = format!(
                "{} {}: {}: {}",
                report.kind, report.plugin, case.group, case.name
            );
            match &case.verdict {
                Verdict::Failed(wrong) => {
                    _ = writeln!(told, "{place}\n    {}", wrong.join("\n    "))
                }
                // The kit has no proxy to play; that one is tried on the real one.
                Verdict::Skipped(why) if report.plugin != "proxy" => {
                    _ = writeln!(told, "{place} (skipped)\n    {why}");
                }
                _ => {}
            }
        }
    }
    assert!(table.is_empty(), "there are no such plugins: {table:?}");
    assert!(told.is_empty(), "\n{told}");
}
