//! The metrics, in Prometheus' text format.

use std::fmt::Write;

use crate::{control::Totals, router::Router};

pub(super) fn text(router: &Router) -> String {
    let mut text = String::new();
    let members = router.upstreams();
    let name = "proxy_requests_total";
    family(
        &mut text,
        name,
        "counter",
        "Requests by member and class of the answer.",
    );
    for (group, member) in &members {
        for (class, count) in member.answers().into_iter().enumerate() {
            let class = if class == 0 {
                "none".to_owned()
            } else {
                format!("{class}xx")
            };
            let labels = format!("{},status=\"{class}\"", labels(group, member.target()));
            line(&mut text, name, &labels, count);
        }
    }
    let name = "proxy_active_requests";
    family(&mut text, name, "gauge", "Requests under way, by member.");
    for (group, member) in &members {
        line(
            &mut text,
            name,
            &labels(group, member.target()),
            member.active(),
        );
    }
    let name = "proxy_member_up";
    family(
        &mut text,
        name,
        "gauge",
        "Whether the last attempt to connect worked.",
    );
    for (group, member) in &members {
        line(
            &mut text,
            name,
            &labels(group, member.target()),
            member.is_up().into(),
        );
    }
    totals(&mut text, &router.report().totals);
    text
}

fn totals(text: &mut String, totals: &Totals) {
    for (name, kind, help, value) in [
        (
            "proxy_received_requests_total",
            "counter",
            "Requests that came in.",
            totals.requests,
        ),
        (
            "proxy_retries_total",
            "counter",
            "Attempts after the first.",
            totals.retries,
        ),
        (
            "proxy_unserved_requests_total",
            "counter",
            "Requests that found no ready member.",
            totals.unserved,
        ),
        (
            "proxy_failed_requests_total",
            "counter",
            "Requests that no member answered.",
            totals.failed,
        ),
        (
            "proxy_client_connections",
            "gauge",
            "Connections of clients that are open.",
            totals.connections,
        ),
    ] {
        family(text, name, kind, help);
        line(text, name, "", value);
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a text cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &str, value: u64) {
    let _ = if labels.is_empty() {
        writeln!(text, "{name} {value}")
    } else {
        writeln!(text, "{name}{{{labels}}} {value}")
    };
}

fn labels(group: &str, target: &str) -> String {
    format!(
        "group=\"{}\",target=\"{}\"",
        escaped(group),
        escaped(target)
    )
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
