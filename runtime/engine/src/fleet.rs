//! The host's own model of the fleet: what runs where, what is proven, who gets traffic. It is
//! built from what was found, and follows what was done; the same record gives the same model.

mod distribution;
mod found;
mod judged;
mod proof;
mod refresh;
mod resolve;
mod serving;
mod settle;
mod tolerance;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

pub(crate) use self::{
    distribution::Distribution,
    resolve::{Resolution, Work},
    settle::{Mode, Settled},
    tolerance::summary,
};
use crate::{
    failure::{Code, Failure},
    rules::{Brief, Rules},
    subject::{Name, Timestamp},
    traffic::{Admission, Traffic},
};

/// The model. Changes only by what was done: see [`crate::Deployment`].
#[derive(Clone, Debug)]
pub struct Fleet {
    brief: Arc<Brief>,
    places: HashMap<Name, usize>,
    groups: Vec<Group>,
    group_places: HashMap<Name, usize>,
    states: Vec<State>,
    distribution: Distribution,
    /// A change to the traffic that failed or was cut off, and may have happened all the same.
    doubt: Option<Distribution>,
    /// Somebody who is no target gets traffic.
    strangers: bool,
    /// The traffic that the deployment found.
    initial: Distribution,
}

/// The targets of one group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: Name,
    pub(crate) members: Vec<usize>,
}

/// What is known of one target.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) group: usize,
    pub(crate) active: Option<Name>,
    /// Another release may run than `active` says: an activation failed or was cut off.
    pub(crate) unsure: bool,
    pub(crate) proven: bool,
    /// It was serving when the deployment began.
    pub(crate) served: bool,
    pub(crate) installed: Presence,
    pub(crate) left_out: Option<Failure>,
    /// The deployment is not about it; it serves as it did.
    pub(crate) bystander: bool,
}

impl State {
    /// Whether the deployment is about it, and it was not left out.
    pub(crate) fn takes_part(&self) -> bool {
        self.left_out.is_none() && !self.bystander
    }
}

/// Whether the deployment's release lies on a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Absent,
    /// What an installation or a removal left that did not come to its end.
    Partly,
    Complete,
}

/// One target, as the host sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetView<'a> {
    /// Its name.
    pub name: &'a Name,
    /// Its group.
    pub group: &'a Name,
    /// The id of the release that runs; none where none does.
    pub active: Option<&'a Name>,
    /// Whether it is proven healthy for that release.
    pub proven: bool,
    /// Whether it takes part in its group's share.
    pub admission: Admission,
    /// What it gets of all traffic.
    pub percent: f64,
    /// Why it was left out, where it was.
    pub left_out: Option<&'a Failure>,
}

impl Fleet {
    /// Every target, in the order of the configuration.
    pub fn targets(&self) -> impl Iterator<Item = TargetView<'_>> {
        let ready = self.ready_members(&self.distribution);
        self.states
            .iter()
            .enumerate()
            .map(move |(place, state)| TargetView {
                name: self.name(place),
                group: &self.groups[state.group].name,
                active: state.active.as_ref(),
                proven: state.proven,
                admission: self.distribution.admissions[place],
                percent: self.part(place, &self.distribution, &ready),
                left_out: state.left_out.as_ref(),
            })
    }

    /// The release that runs on each target, as a strategy gets it at its start.
    pub fn active(&self) -> Vec<(Name, Option<Name>)> {
        let each = self.states.iter().enumerate();
        each.map(|(place, state)| (self.name(place).clone(), state.active.clone()))
            .collect()
    }

    /// Who gets the traffic now, as far as is known.
    pub fn traffic(&self) -> Traffic {
        self.to_traffic(&self.distribution)
    }

    /// Targets that were left out, and why.
    pub fn left_out(&self) -> Vec<(Name, Failure)> {
        let each = self.states.iter().enumerate();
        each.filter_map(|(place, state)| Some((self.name(place).clone(), state.left_out.clone()?)))
            .collect()
    }

    /// The traffic as it is meant, where somebody who is no target gets part of it: a target that
    /// the configuration no longer has.
    pub(crate) fn without_strangers(&self) -> Option<Resolution> {
        self.strangers
            .then(|| self.apply(self.distribution.clone(), self.rules().drain_ms))
    }

    pub(crate) fn brief(&self) -> &Brief {
        &self.brief
    }

    pub(crate) fn shared_brief(&self) -> Arc<Brief> {
        self.brief.clone()
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.brief.rules
    }

    /// The id of the release that goes out.
    pub(crate) fn release(&self) -> &Name {
        &self.brief.release.id
    }

    pub(crate) fn balanced(&self) -> bool {
        self.brief.rules.balancer.is_some()
    }

    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    pub(crate) fn places(&self) -> std::ops::Range<usize> {
        0..self.states.len()
    }

    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    pub(crate) fn group_place(&self, name: &str) -> Option<usize> {
        self.group_places.get(name).copied()
    }

    pub(crate) fn state(&self, place: usize) -> &State {
        &self.states[place]
    }

    pub(crate) fn name(&self, place: usize) -> &Name {
        &self.brief.targets[place].name
    }

    pub(crate) fn names(&self, places: &[usize]) -> Vec<&Name> {
        places.iter().map(|place| self.name(*place)).collect()
    }

    pub(crate) fn distribution(&self) -> &Distribution {
        &self.distribution
    }

    pub(crate) fn initial(&self) -> &Distribution {
        &self.initial
    }

    pub(crate) fn in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// Whether the target is on the deployment's release, for certain.
    pub(crate) fn renewed(&self, place: usize) -> bool {
        let state = &self.states[place];
        !state.unsure && state.active.as_ref() == Some(self.release())
    }

    /// Whether new requests reach the target, or may. Without a load balancer they reach
    /// whatever runs.
    pub(crate) fn gets_traffic(&self, place: usize) -> bool {
        if !self.balanced() {
            return self.states[place].active.is_some() || self.states[place].unsure;
        }
        self.reaches(place, &self.distribution)
            || self
                .doubt
                .as_ref()
                .is_some_and(|doubt| self.reaches(place, doubt))
    }

    /// Whether the distribution sends the target new requests.
    pub(crate) fn reaches(&self, place: usize, distribution: &Distribution) -> bool {
        distribution.admissions[place] == Admission::Ready
            && distribution.shares[self.states[place].group] > 0.0
    }

    /// Ready members by group.
    pub(crate) fn ready_members(&self, distribution: &Distribution) -> Vec<u32> {
        let mut ready = vec![0; self.groups.len()];
        for (state, admission) in self.states.iter().zip(&distribution.admissions) {
            if *admission == Admission::Ready {
                ready[state.group] += 1;
            }
        }
        ready
    }

    /// What one target gets of all traffic, in percent.
    pub(crate) fn part(&self, place: usize, distribution: &Distribution, ready: &[u32]) -> f64 {
        if !self.reaches(place, distribution) {
            return 0.0;
        }
        let group = self.states[place].group;
        distribution.shares[group] / f64::from(ready[group])
    }

    /// The places of these targets, each named once.
    pub(crate) fn find(&self, names: &[Name]) -> Result<Vec<usize>, Failure> {
        let mut places = Vec::with_capacity(names.len());
        let mut seen = vec![false; self.states.len()];
        for name in names {
            let place = self
                .place(name.as_str())
                .ok_or_else(|| self.unknown_target(name))?;
            if std::mem::replace(&mut seen[place], true) {
                return Err(Failure::new(
                    Code::Invalid,
                    format!("the target {name} is named twice in one call; name each once"),
                ));
            }
            places.push(place);
        }
        Ok(places)
    }

    fn unknown_target(&self, name: &Name) -> Failure {
        let known = crate::phrase::names(self.brief.targets.iter().map(|target| &target.name));
        Failure::new(
            Code::Invalid,
            format!("no target is called {name}; there are {known}"),
        )
    }

    /// Targets to keep checking while a wait lasts.
    pub(crate) fn monitored(&self) -> BTreeMap<Name, Name> {
        if self.rules().health.unchecked {
            return BTreeMap::new();
        }
        let watched = |place: &usize| {
            let state = &self.states[*place];
            self.renewed(*place)
                && state.proven
                && state.left_out.is_none()
                && self.gets_traffic(*place)
        };
        let pair = |place: usize| (self.name(place).clone(), self.release().clone());
        self.places().filter(watched).map(pair).collect()
    }

    /// The end of something that takes `duration_ms` from `now`.
    fn deadline(now: Timestamp, duration_ms: Option<u64>) -> Option<Timestamp> {
        duration_ms.map(|duration| now.after_ms(duration))
    }
}
