//! Rules about what a rehearsal assumes.

use super::unknown;
use crate::{
    fleet::DEFAULT_GROUP,
    problem::Problem,
    tree::{Kind, Node},
};

/// How far from 100 the shares may add up to, in percent.
const NOISE_PERCENT: f64 = 0.01;

pub(super) fn check(root: &Node, problems: &mut Vec<Problem>) {
    let traffic = root
        .get("rehearsal")
        .and_then(|section| section.get("traffic"));
    let Some((traffic, shares)) = traffic.and_then(|node| Some((node, node.table()?))) else {
        return;
    };
    let targets = root.get("targets").map(Node::items).unwrap_or_default();
    let group = |target: &'_ Node| target.get("group").and_then(Node::text).map(str::to_owned);
    let groups: Vec<String> = targets
        .iter()
        .map(|target| group(target).unwrap_or_else(|| DEFAULT_GROUP.to_owned()))
        .collect();
    let known: Vec<&str> = groups.iter().map(String::as_str).collect();
    let mut total = 0.0;
    for (name, entry) in shares {
        if !known.contains(&name.as_str()) {
            problems.push(unknown("group", name, &entry.key, &known));
        }
        total += match entry.node.kind {
            Kind::Integer(share) => share as f64,
            Kind::Float(share) => share,
            _ => return,
        };
    }
    if !shares.is_empty() && (total - 100.0).abs() > NOISE_PERCENT {
        let title = format!("the shares add up to {total} %, not to 100");
        let problem = Problem::new("shares", title).at(traffic.place.clone(), "of all the traffic");
        problems.push(problem.help("a group that is not named has none"));
    }
}
