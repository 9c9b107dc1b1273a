//! Rules about what happens in a deployment: health, analysis, steps, rollback, approvals, and the
//! release and its record.

use super::unknown;
use crate::{
    problem::Problem,
    tree::{Kind, Node, Table},
};

pub(super) fn check(root: &Node, problems: &mut Vec<Problem>) {
    health(root, problems);
    analysis(root, problems);
    steps(root, problems);
    approvals(root, problems);
    rollback(root, problems);
    release(root, problems);
    state(root, problems);
}

/// Without a health check nobody would know; so that must be said.
fn health(root: &Node, problems: &mut Vec<Problem>) {
    let limits = root.get("limits");
    let unchecked = limits.and_then(|limits| limits.get("unchecked"));
    let is_unchecked = unchecked.is_some_and(|node| matches!(node.kind, Kind::Boolean(true)));
    // A section of the wrong type is told elsewhere.
    let checks = root.get("health-checks");
    let none =
        checks.is_none_or(|checks| matches!(&checks.kind, Kind::List(list) if list.is_empty()));
    if none && !is_unchecked {
        let place = checks.or(limits).unwrap_or(root).place.clone();
        problems.push(
            Problem::new("unchecked", "there is no health check")
                .at(place, "nothing would tell whether a target is well")
                .help(
                    "add `[[health-checks]]`, or say `unchecked = true` under `[limits]` to send \
                     traffic to whatever was started",
                ),
        );
    }
    if let (Some(checks), Some(unchecked), false) = (checks, unchecked, none)
        && is_unchecked
    {
        let first = checks.items().first().unwrap_or(checks);
        problems.push(
            Problem::new("contradiction", "`unchecked` contradicts the health checks")
                .at(unchecked.place.clone(), "says that there are none")
                .note(first.place.clone(), "the first of them"),
        );
    }
}

fn analysis(root: &Node, problems: &mut Vec<Problem>) {
    const LIMITS: [&str; 4] = ["max", "min", "max-increase", "max-decrease"];
    for node in root.get("analysis").map(Node::items).unwrap_or_default() {
        if node.table().is_some() && LIMITS.iter().all(|limit| node.get(limit).is_none()) {
            problems.push(
                Problem::new("missing-key", "this metric has no limit")
                    .at(node.place.clone(), "whatever it is, it would pass")
                    .help("say `max`, `min`, `max-increase` or `max-decrease`"),
            );
        }
    }
}

fn steps(root: &Node, problems: &mut Vec<Problem>) {
    /// The points that are reached with each batch of targets.
    const BATCHES: [&str; 3] = ["before-activate", "before-traffic", "after-traffic"];
    /// Every other point.
    const ONCE: [&str; 4] = [
        "before-deploy",
        "after-deploy",
        "before-rollback",
        "after-rollback",
    ];
    for step in root.get("steps").map(Node::items).unwrap_or_default() {
        let each = step
            .get("each")
            .filter(|each| matches!(each.kind, Kind::Boolean(true)));
        let at = step.get("at").and_then(|at| Some((at, at.text()?)));
        let (Some(each), Some((at, point))) = (each, at) else {
            continue;
        };
        if ONCE.contains(&point) {
            problems.push(
                Problem::new(
                    "contradiction",
                    format!("`each` means nothing at `{point}`"),
                )
                .at(each.place.clone(), "for each batch of targets")
                .note(at.place.clone(), "reached once, with all targets")
                .help(format!("points with batches are {}", quoted(&BATCHES))),
            );
        }
    }
}

fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn approvals(root: &Node, problems: &mut Vec<Problem>) {
    let Some(approvals) = root.get("approvals").filter(|node| node.table().is_some()) else {
        return;
    };
    let by = approvals.get("by");
    let names = by.map(Node::items).unwrap_or_default();
    if names.is_empty() {
        problems.push(Problem::new("missing-key", "nobody can approve").at(
            by.unwrap_or(approvals).place.clone(),
            "needs at least one name in `by`",
        ));
        return;
    }
    for (index, node) in names.iter().enumerate() {
        let first = names[..index]
            .iter()
            .find(|first| first.text() == node.text());
        if let (Some(first), Some(name)) = (first, node.text()) {
            problems.push(
                Problem::new("duplicate", format!("`{name}` is there twice"))
                    .at(node.place.clone(), "the second one")
                    .note(first.place.clone(), "the first one"),
            );
        }
    }
    let Some(needed) = approvals.get("needed") else {
        return;
    };
    if matches!(needed.kind, Kind::Integer(number) if number > names.len() as i64) {
        problems.push(
            Problem::new(
                "out-of-range",
                "more approvals are needed than there are people",
            )
            .at(needed.place.clone(), "")
            .note(
                by.map(|by| by.place.clone()),
                format!("{} in all", names.len()),
            ),
        );
    }
}

fn rollback(root: &Node, problems: &mut Vec<Problem>) {
    let scope = root
        .get("rollback")
        .and_then(|rollback| rollback.get("scope"));
    if let Some(scope) = scope.filter(|scope| scope.text() == Some("region")) {
        problems.push(
            Problem::new("contradiction", "there are no regions")
                .at(scope.place.clone(), "would take back one of them")
                .help("leave `scope` out, or say `deployment`"),
        );
    }
}

fn release(root: &Node, problems: &mut Vec<Problem>) {
    /// What an artifact's name can have in it.
    const PLACEHOLDERS: [&str; 1] = ["version"];
    let Some(artifact) = root
        .get("release")
        .and_then(|release| release.get("artifact"))
    else {
        return;
    };
    let text = artifact.text().unwrap_or_default();
    for (_, after) in text.match_indices('{').map(|(at, _)| text.split_at(at + 1)) {
        let Some((name, _)) = after.split_once('}') else {
            continue;
        };
        if !PLACEHOLDERS.contains(&name) {
            problems.push(unknown("placeholder", name, &artifact.place, &PLACEHOLDERS));
        }
    }
    if text.starts_with("http://") {
        problems.push(
            Problem::new("insecure", "an artifact cannot come over plain HTTP")
                .at(artifact.place.clone(), "anyone on the way could replace it")
                .help("write `https://`, or the path of a file or directory"),
        );
    }
}

fn state(root: &Node, problems: &mut Vec<Problem>) {
    let Some(state) = root.get("state") else {
        return;
    };
    let Some(url) = state.get("url") else {
        if let Some(password) = state
            .table()
            .and_then(|state: &Table| state.get("password"))
        {
            problems.push(
                Problem::new("contradiction", "there is a password, but no database")
                    .at(password.key.clone(), "for nothing")
                    .help("say `url = \"postgres://user@host/database\"`, or leave this out"),
            );
        }
        return;
    };
    let Some(text) = url.text() else { return };
    let rest = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let Some(rest) = rest else {
        problems.push(
            Problem::new(
                "wrong-form",
                "`url` must be the address of a PostgreSQL database",
            )
            .at(url.place.clone(), "does not begin with `postgres://`")
            .help("for files beside this one, leave `url` out; `path` names another directory"),
        );
        return;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    if authority
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.contains(':'))
    {
        problems.push(
            Problem::new("secret", "a password does not belong in the configuration")
                .at(url.place.clone(), "has one in it")
                .help("say `password = { secret = \"STATE_PASSWORD\" }` beside it"),
        );
    }
}
