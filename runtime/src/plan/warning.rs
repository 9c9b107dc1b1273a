//! What somebody should know who is about to deploy this.

use std::collections::BTreeMap;

use engine::{BalancerTraits, Brief, Effect, Name, Point, Traffic, World};
use store::State;

use super::{course::Course, each_once, found::Found};
use crate::{display, past::Past, report::Problem, site::Site};

/// So much more traffic than capacity, as a factor, is told.
const MORE: f64 = 1.01;

/// All of it, each a sentence for a person.
pub(super) async fn all(
    site: &Site,
    brief: &Brief,
    world: &World,
    found: &Found,
    course: &Course,
) -> Result<Vec<String>, Problem> {
    let mut warnings = Vec::new();
    let past = Past::of(site).await?;
    warnings.extend(unfinished(&past));
    let version = &brief.release.version;
    if brief.previous.as_ref().map(|release| &release.id) == Some(&brief.release.id) {
        warnings.push(format!(
            "{version} is what runs already; it goes out to every target once more"
        ));
    }
    if brief.rules.downtime && brief.previous.is_some() {
        let strategy = &brief.strategy;
        warnings.push(format!(
            "{strategy} accepts a downtime while the targets change"
        ));
    }
    warnings.extend(standing(found, world));
    warnings.extend(loads(brief, course));
    let drains = course.operations().any(|operation| {
        let call = operation.operation.as_ref().map(|asked| &asked["call"]);
        call.is_some_and(|call| call == "drain")
    });
    if drains && waits_whole_drains(brief.rules.balancer.as_ref()) {
        let long = display::duration(brief.rules.drain_ms);
        warnings.push(format!(
            "the load balancer cannot count what is under way, so that each drain lasts {long}"
        ));
    }
    warnings.extend(irreversible(brief, course));
    // Where it fails, that is why.
    if course.succeeds() {
        let told =
            |broken| format!("with nothing going wrong the strategy breaks a rule: {broken}");
        warnings.extend(course.broken.iter().map(told));
    }
    warnings.extend(refused(site));
    Ok(warnings)
}

/// Deployments that are in nobody's way, and that this one would make history.
fn unfinished(past: &Past) -> Vec<String> {
    let standing = past.open().filter_map(|open| {
        let (id, version, state) = (&open.id, &open.version, open.state);
        let way = match state {
            State::Stuck => format!("`runtime retry {id}` tries to take it back first"),
            State::Frozen => display::both_ways(id),
            _ => return None,
        };
        Some(format!(
            "deployment {id} of {version} is {state}, and this one would go over it; {way}"
        ))
    });
    let queued = past.queued().map(|queued| {
        let (id, version) = (&queued.id, &queued.version);
        format!("deployment {id} of {version} waits for a server")
    });
    standing.chain(queued).collect()
}

/// What is not as it should be already.
fn standing(found: &Found, world: &World) -> Vec<String> {
    let mut warnings = Vec::new();
    for target in &found.targets {
        let name = &target.name;
        if let Some(why) = &target.unreachable {
            warnings.push(format!("{name} cannot be reached: {why}"));
        } else if let Some(says) = &target.says {
            let release = target
                .release
                .as_ref()
                .map_or("what runs there", Name::as_str);
            let how = match target.healthy {
                Some(_) => "is not well now",
                None => "is perhaps not well now",
            };
            warnings.push(format!("{name} {how}, with {release}: {says}"));
        }
    }
    if !found.strangers.is_empty() {
        warnings.push(format!(
            "the load balancer sends traffic to {}, which is no target of the configuration; a \
             deployment takes that away",
            display::names(found.strangers.keys())
        ));
    }
    let reading = world.reading.as_ref();
    if reading.is_some_and(|reading| reading.details["running"] == serde_json::json!(false)) {
        warnings.push("the load balancer does not run; a deployment starts it".to_owned());
    }
    warnings
}

/// A group's load at its worst: how many times the capacity that it has.
struct Load {
    times: f64,
    stage: Option<String>,
    share: f64,
    members: usize,
}

/// Groups that get a greater share of the traffic than of the capacity, at their worst.
fn loads(brief: &Brief, course: &Course) -> Vec<String> {
    let mut worst: BTreeMap<Name, Load> = BTreeMap::new();
    for stage in &course.stages {
        for operation in &stage.operations {
            let Some(effect) = &operation.effect else {
                continue;
            };
            let Ok(Effect::Apply { traffic, .. }) = serde_json::from_value(effect.clone()) else {
                continue;
            };
            for (group, share, members, times) in loaded(brief, &traffic) {
                let load = Load {
                    times,
                    stage: stage.name.clone(),
                    share,
                    members,
                };
                match worst.get(&group) {
                    Some(known) if known.times >= times => {}
                    _ => drop(worst.insert(group, load)),
                }
            }
        }
    }
    let all = brief.targets.len();
    let told = |(group, load): (&Name, &Load)| {
        let stage = match &load.stage {
            Some(stage) => format!(" in stage \"{stage}\""),
            None => String::new(),
        };
        format!(
            "group {group} gets {} of the traffic{stage} with {} of {}: each of them gets {:.1} \
             times what it would if all targets got the same",
            display::percentage(load.share),
            load.members,
            display::count(all, "target"),
            load.times
        )
    };
    worst.iter().map(told).collect()
}

/// Per group with more traffic than capacity: its share, its members, and by how much.
fn loaded(brief: &Brief, traffic: &Traffic) -> Vec<(Name, f64, usize, f64)> {
    let members = |group: &Name| {
        let of_it = brief.targets.iter().filter(|it| it.group == *group);
        of_it.count()
    };
    // Groups that take turns serve one at a time: each of them is all the capacity there is.
    let shared = |group: &Name| !brief.rules.idle.contains(group);
    let all: usize = brief
        .targets
        .iter()
        .filter(|target| shared(&target.group))
        .count();
    let over = traffic.shares.iter().filter_map(|(group, share)| {
        let own = members(group);
        let capacity = all + if shared(group) { 0 } else { own };
        let times = share / own.max(1) as f64 * capacity as f64 / 100.0;
        (times > MORE).then(|| (group.clone(), *share, own, times))
    });
    over.collect()
}

/// Whether a load balancer has no way to tell how many requests are under way.
fn waits_whole_drains(traits: Option<&BalancerTraits>) -> bool {
    traits.is_some_and(|traits| traits.has("drains") && !traits.has("counts-active"))
}

/// Steps after which nothing is taken back by itself.
fn irreversible(brief: &Brief, course: &Course) -> Vec<String> {
    let runs = |name: &str| {
        course
            .operations()
            .any(|it| it.step.as_deref() == Some(name))
    };
    let before = |at: Point| at < Point::BeforeRollback;
    let steps = brief.rules.steps.iter();
    steps
        .filter(|step| step.irreversible && before(step.at) && runs(&step.name))
        .map(|step| {
            format!(
                "step \"{}\" cannot be taken back: a failure after it freezes the deployment",
                step.name
            )
        })
        .collect()
}

/// What plugins asked for while they were only to look.
fn refused(site: &Site) -> Vec<String> {
    let entries = site.heard.as_ref().map(|heard| heard.entries());
    let entries = entries.into_iter().flatten();
    let refused = entries.filter(|entry| entry.ended.starts_with("denied:"));
    each_once(refused.map(|entry| {
        format!(
            "{} asked for {} {} `{}` only to look, which was refused",
            entry.plugin, entry.capability, entry.action, entry.subject
        )
    }))
}
