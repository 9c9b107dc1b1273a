//! Installing, removing and switching releases.

use engine::{Code, Failure, Installed, Name, Report, invariants::Invariant};

use super::{Inner, no_route};

impl Inner {
    pub(super) fn install(&mut self, places: &[usize], release: &Name) -> Report {
        let mut report = Report::default();
        let end = self.now + self.paced(self.scene.habits.install_ms);
        for place in places.iter().copied() {
            let away = self.plight.unreachable_within(place, self.now, end);
            let failure = if away.is_some() {
                Some(no_route())
            } else {
                let fails = self.plight.install_fails(place);
                self.lay(place, release, !fails);
                fails.then(|| Failure::new(Code::Rejected, "the disk is full"))
            };
            self.note(&mut report, place, failure);
        }
        self.spend_on(self.scene.habits.install_ms, &report);
        report
    }

    pub(super) fn lay(&mut self, place: usize, release: &Name, complete: bool) {
        let installed = &mut self.sites[place].state.installed;
        match installed.iter_mut().find(|each| each.id == *release) {
            Some(installed) => installed.complete |= complete,
            None => installed.push(Installed {
                id: release.clone(),
                complete,
            }),
        }
    }

    pub(super) fn remove(&mut self, places: &[usize], release: &Name, undoing: bool) -> Report {
        let mut report = Report::default();
        for place in places.iter().copied() {
            if self.sites[place].state.active.as_ref() == Some(release) {
                let name = &self.scene.names[place];
                let message = format!("{release} is removed from under {name}");
                self.broken(Invariant::OnlyWholeReleases, message);
            }
            let first = &self.scene.first[place].installed;
            if undoing
                && first
                    .iter()
                    .any(|each| each.id == *release && each.complete)
            {
                let name = &self.scene.names[place];
                let message = format!("{release} lay on {name} before, and is removed there");
                self.broken(Invariant::UndoComesBack, message);
            }
            let lost = self.unreachable(place);
            if !lost {
                let installed = &mut self.sites[place].state.installed;
                installed.retain(|each| each.id != *release);
            }
            self.note(&mut report, place, lost.then(no_route));
        }
        self.spend_on(self.scene.habits.activate_ms, &report);
        report
    }

    /// Lets another release run on a target, or none.
    pub(super) fn switch(
        &mut self,
        place: usize,
        release: Option<&Name>,
        undoing: bool,
    ) -> Option<Failure> {
        self.judge_switch(place, release, undoing);
        // Also where it fails: nobody knows what runs there then.
        self.sites[place].proven = false;
        if self.unreachable(place) {
            return Some(no_route());
        }
        let (fails, happens) = self.plight.activate_fails(place);
        let failure = fails.then(|| Failure::new(Code::Rejected, "the service did not restart"));
        if fails && !happens {
            return failure;
        }
        let renewed = release == Some(&self.scene.brief.release.id);
        let starts =
            self.now + self.paced(self.scene.habits.activate_ms + self.scene.habits.start_ms);
        let (well_from, well_until) = self.plight.life(place, renewed, starts);
        let unchecked = self.scene.brief.rules.health.unchecked;
        let site = &mut self.sites[place];
        site.state.active = release.cloned();
        site.renewed = renewed;
        site.well_from = well_from;
        site.well_until = well_until;
        site.proven = unchecked && !fails && release.is_some();
        failure
    }

    fn judge_switch(&mut self, place: usize, release: Option<&Name>, undoing: bool) {
        let name = self.scene.names[place].clone();
        let state = &self.sites[place].state;
        let same = state.active.as_ref() == release;
        let whole = |release: &Name| {
            let installed = &state.installed;
            installed
                .iter()
                .any(|each| each.id == *release && each.complete)
        };
        let lacks = release.filter(|release| !whole(release)).cloned();
        if let Some(release) = lacks {
            let message = format!("{release} is activated on {name}, where it does not lie whole");
            self.broken(Invariant::OnlyWholeReleases, message);
        }
        // Without a load balancer users reach whatever runs, also on the way back.
        let excused = undoing && !self.scene.balanced();
        if self.scene.interrupts() && !excused && self.shown_percents[place] > 0.0 {
            let message = format!("a release is switched on {name} while it gets traffic");
            self.broken(Invariant::NoSwitchUnderTraffic, message);
        }
        let first = &self.scene.first[place].active;
        if undoing && !same && first.as_ref() != release {
            let message = format!("{name} is given back a release that it did not have");
            self.broken(Invariant::UndoComesBack, message);
        }
    }
}
