//! What a proof of health is worth after a time in which nobody looked.

use std::collections::{BTreeMap, BTreeSet};

use super::{Distribution, Fleet};
use crate::subject::Name;

impl Fleet {
    /// Targets that get traffic without being proven.
    pub(crate) fn serving_unproven(&self) -> BTreeSet<usize> {
        self.places()
            .filter(|place| self.gets_traffic(*place) && !self.states[*place].proven)
            .collect()
    }

    /// What must be proven once more before anything relies on it: every target that was proven
    /// for the release that goes out, and those that somebody gave traffic meanwhile; `before`
    /// had it already.
    pub(crate) fn stale(&self, before: &BTreeSet<usize>) -> BTreeMap<Name, Name> {
        let given = self.serving_unproven();
        self.checkable(|place| {
            self.renewed(place) && self.states[place].proven
                || given.contains(&place) && !before.contains(&place)
        })
    }

    /// What a distribution relies on of what was proven for the release that goes out.
    pub(crate) fn relied_on(&self, wanted: &Distribution) -> BTreeMap<Name, Name> {
        self.checkable(|place| {
            self.renewed(place)
                && self.states[place].proven
                && (self.gets_traffic(place) || self.reaches(place, wanted))
        })
    }

    fn checkable(&self, holds: impl Fn(usize) -> bool) -> BTreeMap<Name, Name> {
        if self.rules().health.unchecked {
            return BTreeMap::new();
        }
        let pair = |place: usize| {
            let state = &self.states[place];
            let active = state.active.clone().filter(|_| !state.unsure)?;
            Some((self.name(place).clone(), active))
        };
        self.places()
            .filter(|place| self.states[*place].takes_part() && holds(*place))
            .filter_map(pair)
            .collect()
    }

    /// Targets without traffic must be proven again before they get any.
    pub(crate) fn forget_proofs(&mut self) {
        if self.rules().health.unchecked {
            return;
        }
        for place in self.places() {
            if !self.gets_traffic(place) {
                self.states[place].proven = false;
            }
        }
    }
}
