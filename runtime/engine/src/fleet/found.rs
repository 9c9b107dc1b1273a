//! The model at its beginning: from what was found, or before anything was.

use std::{collections::HashMap, sync::Arc};

use super::{Distribution, Fleet, Group, Presence, State};
use crate::{
    executor::{TargetState, World},
    failure::{Code, Failure},
    rules::Brief,
    subject::{Name, Target},
};

impl Fleet {
    /// The model of what was found. Targets that could not be asked are left out; whether that
    /// is tolerated is said when a deployment begins.
    pub fn new(brief: Arc<Brief>, world: &World) -> Self {
        let mut fleet = Self::unknown(brief);
        for (state, target) in fleet.states.iter_mut().zip(&fleet.brief.targets) {
            let bystander = fleet.brief.bystanders.contains(&target.name);
            *state = State::found(state.group, target, &fleet.brief.release.id, world);
            state.bystander = bystander;
            if bystander {
                // Nothing is asked of it, so nothing hangs on whether it could be asked.
                state.left_out = None;
            }
        }
        if let (Some(reading), true) = (&world.reading, fleet.balanced()) {
            fleet.distribution = fleet.of_reading(reading);
            let gets = reading.members.iter().filter(|member| member.percent > 0.0);
            fleet.strangers = gets
                .into_iter()
                .any(|member| fleet.place(member.target.as_str()).is_none());
        }
        for place in fleet.places() {
            fleet.states[place].proven = fleet.gets_traffic(place);
        }
        for place in fleet.places() {
            fleet.states[place].served = fleet.serves(place, &fleet.distribution);
        }
        fleet.initial = fleet.distribution.clone();
        fleet
    }

    /// The model before anything was found.
    pub(crate) fn unknown(brief: Arc<Brief>) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        let mut group_places = HashMap::new();
        let mut places = HashMap::with_capacity(brief.targets.len());
        let mut states = Vec::with_capacity(brief.targets.len());
        for (place, target) in brief.targets.iter().enumerate() {
            let group = *group_places.entry(target.group.clone()).or_insert_with(|| {
                groups.push(Group {
                    name: target.group.clone(),
                    members: Vec::new(),
                });
                groups.len() - 1
            });
            groups[group].members.push(place);
            places.insert(target.name.clone(), place);
            states.push(State::unknown(group));
        }
        let empty = Distribution::empty(groups.len(), states.len());
        Self {
            brief,
            places,
            groups,
            group_places,
            states,
            initial: empty.clone(),
            distribution: empty,
            doubt: None,
            strangers: false,
        }
    }
}

impl State {
    fn unknown(group: usize) -> Self {
        Self {
            group,
            active: None,
            unsure: false,
            proven: false,
            served: false,
            installed: Presence::Absent,
            left_out: None,
            bystander: false,
        }
    }

    fn found(group: usize, target: &Target, release: &Name, world: &World) -> Self {
        let name = target.name.as_str();
        let found = world.targets.get(name);
        let left_out = found.is_none().then(|| {
            world.unreachable.get(name).cloned().unwrap_or_else(|| {
                Failure::new(Code::Unavailable, format!("{name} was not heard of"))
            })
        });
        Self {
            active: found.and_then(|state| state.active.clone()),
            installed: found.map_or(Presence::Absent, |state| Presence::of(release, state)),
            left_out,
            ..Self::unknown(group)
        }
    }
}

impl Presence {
    pub(super) fn of(release: &Name, state: &TargetState) -> Self {
        match state
            .installed
            .iter()
            .find(|installed| installed.id == *release)
        {
            Some(installed) if installed.complete => Self::Complete,
            Some(_) => Self::Partly,
            None => Self::Absent,
        }
    }
}
