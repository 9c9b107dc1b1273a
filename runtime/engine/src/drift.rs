//! What somebody changed while nobody looked after the deployment: the world held against the
//! model. What is in doubt anyway, or was under way, is no drift.

use crate::{
    agreement::{disagreements, near, tolerance},
    effect::Effect,
    executor::World,
    fleet::Fleet,
    traffic::Reading,
};

/// Each difference as a sentence for a person. `open` was under way when the process ended.
pub(crate) fn between(fleet: &Fleet, world: &World, open: Option<&Effect>) -> Vec<String> {
    let mut differences = Vec::new();
    for place in fleet.places() {
        let (name, state) = (fleet.name(place), fleet.state(place));
        if !state.takes_part() || state.unsure {
            continue;
        }
        let Some(found) = world.targets.get(name) else {
            let why = world.unreachable.get(name);
            let why = why.map(|failure| format!(": {failure}"));
            differences.push(format!(
                "{name} can no longer be asked what runs there{}",
                why.unwrap_or_default()
            ));
            continue;
        };
        // What was under way may have happened, or have come halfway.
        let begun = match (open, &found.active) {
            (Some(Effect::Activate { releases }), Some(found)) => releases.get(name) == Some(found),
            (Some(Effect::Activate { releases }), None) => releases.contains_key(name),
            _ => false,
        };
        if found.active != state.active && !begun {
            let told = |release: &Option<_>| match release {
                Some(release) => format!("{release}"),
                None => "nothing".to_owned(),
            };
            differences.push(format!(
                "{name} runs {}, where the record has {}",
                told(&found.active),
                told(&state.active)
            ));
        }
    }
    let changing = matches!(open, Some(Effect::Apply { .. }));
    if !changing && fleet.balanced() && !fleet.in_doubt() {
        match &world.reading {
            Some(reading) => differences.extend(in_traffic(fleet, reading)),
            None => differences.push("the load balancer no longer says what it does".to_owned()),
        }
    }
    differences
}

fn in_traffic(fleet: &Fleet, reading: &Reading) -> Vec<String> {
    let Some(traits) = &fleet.rules().balancer else {
        return Vec::new();
    };
    let wanted = fleet.distribution();
    let differences = disagreements(&fleet.traffic(), reading, traits, &fleet.brief().targets);
    if differences.is_empty() {
        return differences;
    }
    // Members of one group may have weights of their own that nobody touched.
    let found = fleet.of_reading(reading);
    let tolerance = tolerance(traits);
    let shares = wanted.shares.iter().zip(&found.shares);
    let same = shares.fold(true, |same, (wanted, found)| {
        same && near(*wanted, *found, tolerance)
    });
    let reached = |place: usize| fleet.reaches(place, wanted) == fleet.reaches(place, &found);
    if same && fleet.places().all(reached) {
        return Vec::new();
    }
    differences
}
