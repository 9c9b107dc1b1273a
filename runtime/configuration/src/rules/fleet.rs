//! Rules about machines, targets and groups.

use std::collections::BTreeMap;

use super::unknown;
use crate::{
    fleet::{DEFAULT_GROUP, HERE},
    problem::Problem,
    step::TARGETS,
    structure::format::Format,
    tree::{Kind, Node},
};

pub(super) fn check(root: &Node, problems: &mut Vec<Problem>) {
    let targets = root.get("targets").map(Node::items).unwrap_or_default();
    twice(targets, "name", "another target has this name", problems);
    twice(
        targets,
        "address",
        "another target has this address",
        problems,
    );
    machines(root, targets, problems);
    groups(root, targets, problems);
    counts(root, targets.len(), problems);
}

/// Tells each target whose key has the value of an earlier one's.
fn twice(targets: &[Node], key: &str, title: &str, problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<&str, &Node> = BTreeMap::new();
    for node in targets.iter().filter_map(|target| target.get(key)) {
        let Some(text) = node.text() else { continue };
        match seen.get(text) {
            Some(first) => problems.push(
                Problem::new("duplicate", format!("{title}: `{text}`"))
                    .at(node.place.clone(), "the second one")
                    .note(first.place.clone(), "the first one"),
            ),
            None => _ = seen.insert(text, node),
        }
    }
}

fn machines(root: &Node, targets: &[Node], problems: &mut Vec<Problem>) {
    let machines = root.get("machines").and_then(Node::table);
    for (name, entry) in machines.into_iter().flatten() {
        if let Some((format, Err(label))) =
            Format::named("name").map(|format| (format, format.check(name)))
        {
            let title = format!("a machine cannot be called `{name}`");
            let problem = Problem::new("wrong-form", title).at(entry.key.clone(), label);
            problems.push(problem.help(format.help));
        }
        if name == HERE || name == TARGETS {
            problems.push(
                Problem::new("reserved", format!("a machine cannot be called `{name}`"))
                    .at(entry.key.clone(), "has a meaning of its own in `on`"),
            );
        }
    }
    let known: Vec<&str> = machines
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    let mut on = |node: Option<&Node>, also: &[&str]| {
        let Some(node) = node.and_then(|node| node.get("on")) else {
            return;
        };
        let Some(name) = node.text() else { return };
        if !known.contains(&name) && !also.contains(&name) {
            let known: Vec<_> = known.iter().chain(also).copied().collect();
            problems.push(unknown("machine", name, &node.place, &known));
        }
    };
    targets.iter().for_each(|target| on(Some(target), &[HERE]));
    on(root.get("load-balancer"), &[HERE]);
    let steps = root.get("steps").map(Node::items).unwrap_or_default();
    steps
        .iter()
        .for_each(|step| on(Some(step), &[HERE, TARGETS]));
}

fn groups(root: &Node, targets: &[Node], problems: &mut Vec<Problem>) {
    let mut groups: Vec<&str> = targets
        .iter()
        .map(|target| target.text_of("group").unwrap_or(DEFAULT_GROUP))
        .collect();
    groups.sort_unstable();
    groups.dedup();
    let idle = root.get("limits").and_then(|limits| limits.get("idle"));
    for node in idle.map(Node::items).unwrap_or_default() {
        if let Some(name) = node.text().filter(|name| !groups.contains(name)) {
            problems.push(unknown("group", name, &node.place, &groups));
        }
    }
}

/// More targets than there are can neither serve nor be left out.
fn counts(root: &Node, targets: usize, problems: &mut Vec<Problem>) {
    let Some(limits) = root.get("limits") else {
        return;
    };
    let number = |key: &str| {
        let node = limits.get(key)?;
        match node.kind {
            Kind::Integer(number) => Some((node, usize::try_from(number).ok()?)),
            _ => None,
        }
    };
    let there_are = match targets {
        1 => "there is 1 target".to_owned(),
        _ => format!("there are {targets} targets"),
    };
    if let Some((node, _)) = number("minimum-serving").filter(|(_, number)| *number > targets) {
        let title = "`minimum-serving` is more than all targets";
        problems
            .push(Problem::new("out-of-range", title).at(node.place.clone(), there_are.clone()));
    }
    if let Some((node, _)) =
        number("tolerate").filter(|(_, number)| targets > 0 && *number >= targets)
    {
        problems.push(
            Problem::new("out-of-range", "`tolerate` would leave all targets out")
                .at(node.place.clone(), there_are)
                .help("at least one target must get the release"),
        );
    }
}
