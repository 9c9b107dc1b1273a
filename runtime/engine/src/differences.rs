//! What is not as it was when the deployment began, each a sentence for a person.

use std::collections::{BTreeSet, HashMap};

use crate::{
    agreement::{near, tolerance},
    executor::{TargetState, World},
    fleet::Fleet,
    phrase,
    subject::Name,
    traffic::Reading,
};

/// Holds the world against what was found at first. A target that could not be asked counts
/// where the deployment touched it.
pub(crate) fn between(
    first: &World,
    now: &World,
    fleet: &Fleet,
    touched: &BTreeSet<Name>,
) -> Vec<String> {
    let mut differences = Vec::new();
    for target in &fleet.brief().targets {
        let name = &target.name;
        match (first.targets.get(name), now.targets.get(name)) {
            (Some(before), Some(after)) => {
                differences.extend(on_target(name, before, after, fleet.release()));
            }
            (_, None) if touched.contains(name) => {
                let why = now
                    .unreachable
                    .get(name)
                    .map(|failure| format!(": {failure}"));
                differences.push(format!(
                    "{name} could not be asked what runs there{}; look at it by hand",
                    why.unwrap_or_default()
                ));
            }
            _ => {}
        }
    }
    if fleet.balanced() {
        differences.extend(in_traffic(
            first.reading.as_ref(),
            now.reading.as_ref(),
            fleet,
        ));
    }
    differences
}

fn on_target(
    name: &Name,
    before: &TargetState,
    after: &TargetState,
    release: &Name,
) -> Vec<String> {
    let mut differences = Vec::new();
    if before.active != after.active {
        differences.push(format!(
            "{name} runs {}, where {} ran before",
            release_told(after.active.as_ref()),
            release_told(before.active.as_ref()),
        ));
    }
    let lies = |state: &TargetState| state.installed.iter().any(|each| each.id == *release);
    match (lies(before), lies(after)) {
        (false, true) => differences.push(format!(
            "{release} still lies on {name}, where it was not before; it may be removed"
        )),
        (true, false) => differences.push(format!(
            "{release} no longer lies on {name}, where it was installed before"
        )),
        _ => {}
    }
    differences
}

fn in_traffic(first: Option<&Reading>, now: Option<&Reading>, fleet: &Fleet) -> Vec<String> {
    let Some(now) = now else {
        return match first {
            Some(_) => vec!["the load balancer could not be read; look at its traffic".to_owned()],
            None => Vec::new(),
        };
    };
    let tolerance = fleet.rules().balancer.as_ref().map_or(0.0, tolerance);
    let (before, after) = (percents(first), percents(Some(now)));
    let part = |of: &HashMap<&Name, f64>, name: &Name| of.get(name).copied().unwrap_or(0.0);
    let targets = fleet.brief().targets.iter().map(|target| &target.name);
    targets
        .map(|name| (name, part(&before, name), part(&after, name)))
        .filter(|(_, before, after)| !near(*before, *after, tolerance))
        .map(|(name, before, after)| {
            format!(
                "{name} gets {} of the traffic, where it got {} before",
                phrase::percent(after),
                phrase::percent(before)
            )
        })
        .collect()
}

fn percents(reading: Option<&Reading>) -> HashMap<&Name, f64> {
    let members = reading.into_iter().flat_map(|reading| &reading.members);
    members
        .map(|member| (&member.target, member.percent))
        .collect()
}

fn release_told(release: Option<&Name>) -> &str {
    release.map_or("nothing", Name::as_str)
}
