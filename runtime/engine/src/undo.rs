//! What to do next to take one thing back, from the model alone: so it can be asked again after
//! every effect, and by another process, and never does twice what holds already. Obeys the
//! guard: nobody gets traffic who is not proven.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    effect::Effect,
    failure::Failure,
    fleet::{Distribution, Fleet, Presence},
    guard::{self, Change},
    subject::Name,
    traffic::Admission,
    trail::{Item, StepDone, Trail, What},
};

/// What to do next about one item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// It is as it was.
    Done,
    /// This, and ask again.
    Do(Effect),
    /// The guard does not let it happen, now.
    Blocked(Failure),
    /// It was tried, and cannot be done.
    GivenUp,
}

/// How far the taking back has come in this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Walk {
    /// What was tried and failed: by item and target, where it has targets.
    failed: BTreeSet<(u64, Option<Name>)>,
    /// What each target is to have back in the end; until it has, it gains no traffic.
    wanted: BTreeMap<usize, Option<Name>>,
    /// Targets that were waited for and did not get well.
    ill: BTreeSet<Name>,
    /// The load balancer failed: nothing more is asked of it.
    balancer_failed: bool,
}

impl Walk {
    /// Nothing was tried yet.
    pub(crate) fn new(items: &[Item], fleet: &Fleet) -> Self {
        let mut walk = Self::default();
        for item in items {
            if let What::Active(releases) = &item.what {
                let places = releases
                    .iter()
                    .filter_map(|(name, want)| Some((fleet.place(name.as_str())?, want.clone())));
                walk.wanted.extend(places);
            }
        }
        walk
    }

    /// An effect for the item failed; on some targets, or as a whole.
    pub(crate) fn failed(&mut self, item: &Item, effect: &Effect, targets: BTreeSet<Name>) {
        if matches!(effect, Effect::Apply { .. }) {
            self.balancer_failed = true;
        }
        if let Effect::AwaitHealthy { releases, .. } = effect {
            let ill = releases
                .keys()
                .filter(|name| targets.is_empty() || targets.contains(*name));
            self.ill.extend(ill.cloned());
        }
        if targets.is_empty() {
            let all: Vec<Name> = match effect {
                Effect::Activate { releases } | Effect::AwaitHealthy { releases, .. } => {
                    releases.keys().cloned().collect()
                }
                Effect::Deactivate { targets } | Effect::Remove { targets, .. } => {
                    targets.iter().cloned().collect()
                }
                _ => Vec::new(),
            };
            self.failed.insert((item.sequence, None));
            self.failed
                .extend(all.into_iter().map(|name| (item.sequence, Some(name))));
        }
        self.failed
            .extend(targets.into_iter().map(|name| (item.sequence, Some(name))));
    }

    fn tried(&self, item: &Item, name: &Name) -> bool {
        self.failed.contains(&(item.sequence, Some(name.clone())))
    }

    /// What to do next about the item.
    pub(crate) fn next(&self, item: &Item, fleet: &Fleet, trail: &Trail) -> Next {
        match &item.what {
            What::Traffic(_) | What::Step(_) if trail.undone(item.sequence) => Next::Done,
            What::Traffic(before) => self.traffic(fleet, fleet.of_traffic(before)),
            What::Active(releases) => self.active(item, fleet, releases),
            What::Installed(targets) => self.installed(item, fleet, targets),
            What::Step(_) if self.failed.contains(&(item.sequence, None)) => Next::GivenUp,
            What::Step(StepDone {
                step,
                point,
                targets,
                outcome,
            }) => Next::Do(Effect::UndoStep {
                step: *step,
                point: *point,
                targets: targets.clone(),
                outcome: outcome.clone(),
            }),
            What::Irreversible(_) => Next::GivenUp,
        }
    }

    /// The traffic as it was, without those that cannot have it.
    pub(crate) fn traffic(&self, fleet: &Fleet, before: Distribution) -> Next {
        if self.balancer_failed {
            return Next::GivenUp;
        }
        if let Some(effect) = self.heal(fleet, &before) {
            return Next::Do(effect);
        }
        let wanted = self.possible(fleet, before);
        if wanted == *fleet.distribution() && !fleet.in_doubt() {
            return Next::Done;
        }
        match guard::change(fleet, &wanted, Change::Undo) {
            Ok(()) => Next::Do(fleet.apply(wanted, fleet.rules().drain_ms).effect),
            Err(refusal) => Next::Blocked(refusal),
        }
    }

    /// Waits for those that are to have traffic again and run what they should, but lost their
    /// proof on the way.
    fn heal(&self, fleet: &Fleet, before: &Distribution) -> Option<Effect> {
        let mut releases = BTreeMap::new();
        for place in fleet.places().filter(|place| fleet.reaches(*place, before)) {
            let (name, state) = (fleet.name(place), fleet.state(place));
            let pending = self
                .wanted
                .get(&place)
                .is_some_and(|want| *want != state.active);
            if let (Some(release), false) = (&state.active, state.proven || state.unsure || pending)
                && !self.ill.contains(name)
            {
                releases.insert(name.clone(), release.clone());
            }
        }
        let timeout_ms = fleet.rules().health.timeout_ms;
        (!releases.is_empty()).then_some(Effect::AwaitHealthy {
            releases,
            timeout_ms,
        })
    }

    fn possible(&self, fleet: &Fleet, mut wanted: Distribution) -> Distribution {
        for place in fleet.places() {
            let unproven = !fleet.state(place).proven;
            let pending = self.wanted.get(&place);
            let pending = pending.is_some_and(|want| !back(fleet, place, want.as_ref()));
            let joins = !fleet.gets_traffic(place);
            if fleet.reaches(place, &wanted) && (unproven || pending && joins) {
                wanted.admissions[place] = Admission::Out;
            }
        }
        wanted
    }

    fn active(&self, item: &Item, fleet: &Fleet, releases: &BTreeMap<Name, Option<Name>>) -> Next {
        let pending: Vec<(usize, Option<&Name>)> = releases
            .iter()
            .filter(|(name, _)| !self.tried(item, name))
            .filter_map(|(name, want)| Some((fleet.place(name.as_str())?, want.as_ref())))
            .filter(|(place, want)| !back(fleet, *place, *want))
            .collect();
        let wrong = |(place, want): &&(usize, Option<&Name>)| {
            fleet.state(*place).unsure || fleet.state(*place).active.as_ref() != *want
        };
        let mut refusal = None;
        let (mut activate, mut deactivate) = (BTreeMap::new(), BTreeSet::new());
        for (place, want) in pending.iter().filter(wrong) {
            // Without a load balancer it was activated under traffic, and goes back so.
            if fleet.balanced()
                && let Err(failure) = guard::under_traffic(fleet, &[*place])
            {
                refusal = Some(failure);
                continue;
            }
            let name = fleet.name(*place).clone();
            match want {
                Some(release) => {
                    activate.insert(name, (*release).clone());
                }
                None => {
                    deactivate.insert(name);
                }
            }
        }
        if !activate.is_empty() {
            return Next::Do(Effect::Activate { releases: activate });
        }
        if !deactivate.is_empty() {
            return Next::Do(Effect::Deactivate {
                targets: deactivate,
            });
        }
        let unproven: BTreeMap<Name, Name> = pending
            .iter()
            .filter(|each| !wrong(each))
            .filter_map(|(place, want)| Some((fleet.name(*place).clone(), (*want)?.clone())))
            .collect();
        if !unproven.is_empty() {
            let timeout_ms = fleet.rules().health.timeout_ms;
            return Next::Do(Effect::AwaitHealthy {
                releases: unproven,
                timeout_ms,
            });
        }
        if let Some(effect) = self.out(fleet, releases) {
            return Next::Do(effect);
        }
        match refusal {
            Some(refusal) => Next::Blocked(refusal),
            None if releases.keys().any(|name| self.tried(item, name)) => Next::GivenUp,
            None => Next::Done,
        }
    }

    /// Takes those out of the traffic which did not get well, group by group, where nobody else
    /// who is not well would get their part.
    fn out(&self, fleet: &Fleet, releases: &BTreeMap<Name, Option<Name>>) -> Option<Effect> {
        if !fleet.balanced() || self.balancer_failed {
            return None;
        }
        let mut wanted = fleet.distribution().clone();
        for group in fleet.groups() {
            let mut without = wanted.clone();
            for place in group.members.iter().copied() {
                let ill = releases.contains_key(fleet.name(place)) && !fleet.state(place).proven;
                if ill && fleet.reaches(place, &without) {
                    without.admissions[place] = Admission::Out;
                }
            }
            if without != wanted && guard::change(fleet, &without, Change::Undo).is_ok() {
                wanted = without;
            }
        }
        (wanted != *fleet.distribution())
            .then(|| fleet.apply(wanted, fleet.rules().drain_ms).effect)
    }

    fn installed(&self, item: &Item, fleet: &Fleet, targets: &[Name]) -> Next {
        let there = |name: &&Name| {
            let place = fleet.place(name.as_str());
            place.is_some_and(|place| fleet.state(place).installed != Presence::Absent)
        };
        let there: Vec<&Name> = targets.iter().filter(there).collect();
        if there.is_empty() {
            return Next::Done;
        }
        // What runs, or may run, is not taken from under itself.
        let stands = |name: &Name| {
            fleet.place(name.as_str()).is_some_and(|place| {
                fleet.state(place).unsure
                    || fleet.state(place).active.as_ref() == Some(fleet.release())
            })
        };
        let free: BTreeSet<Name> = there
            .iter()
            .filter(|name| !stands(name) && !self.tried(item, name))
            .map(|name| (*name).clone())
            .collect();
        if !free.is_empty() {
            return Next::Do(Effect::Remove {
                targets: free,
                release: fleet.release().clone(),
            });
        }
        let running = there
            .iter()
            .find(|name| stands(name) && !self.tried(item, name));
        match running {
            Some(name) => Next::Blocked(Failure::new(
                crate::failure::Code::Refused,
                format!(
                    "{} runs on {name}, and cannot be removed there",
                    fleet.release()
                ),
            )),
            None => Next::GivenUp,
        }
    }
}

/// Whether all of them have back what they had.
pub(crate) fn all_back(fleet: &Fleet, releases: &BTreeMap<Name, Option<Name>>) -> bool {
    releases.iter().all(|(name, want)| {
        fleet
            .place(name.as_str())
            .is_none_or(|place| back(fleet, place, want.as_ref()))
    })
}

/// Whether the target has back what it had: that release, and proven where there is one.
fn back(fleet: &Fleet, place: usize, want: Option<&Name>) -> bool {
    let state = fleet.state(place);
    !state.unsure && state.active.as_ref() == want && (want.is_none() || state.proven)
}
