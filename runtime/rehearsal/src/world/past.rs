//! What a record says happened, followed: the model then stands where the world stood there.

use engine::{Admission, Effect, Name, Origin, Reading, Record, Report};

use super::Inner;
use crate::{invariants::State, scene::Scene};

/// Shares that add up to 100 but for so much, in percent, do.
const SHARES_NOISE: f64 = 1e-4;

impl Scene {
    /// What a load balancer shows, by place. Its weights are whole numbers, and what others get
    /// besides is not the deployment's: the shares are made to add up where anybody gets anything.
    pub(crate) fn state_of(&self, reading: &Reading) -> State {
        let mut state = State {
            shares: vec![0.0; self.group_names.len()],
            admissions: vec![Admission::Out; self.names.len()],
        };
        for member in &reading.members {
            let Some(place) = self.places.get(&member.target).copied() else {
                continue;
            };
            state.admissions[place] = member.admission;
            if member.admission == Admission::Ready {
                state.shares[self.groups[place]] += member.percent.max(0.0);
            }
        }
        let total: f64 = state.shares.iter().sum();
        if total > 0.0 && (total - 100.0).abs() > SHARES_NOISE {
            state
                .shares
                .iter_mut()
                .for_each(|share| *share *= 100.0 / total);
        }
        state
    }
}

impl Inner {
    /// Follows a record: the time that it took goes by, and what it says happened did.
    pub(crate) fn follow(&mut self, record: &Record) {
        let intent = &record.intent;
        self.advance(intent.started.0);
        let (Some(effect), Some(outcome)) = (&intent.effect, &record.outcome) else {
            return;
        };
        self.advance(outcome.ended.0);
        let Some(report) = &outcome.report else {
            // Nobody knows; whoever looked later does.
            return;
        };
        self.happened(effect, report);
        let tolerated = intent.origin == Origin::Strategy && outcome.result.is_ok();
        for name in report.failed.keys().filter(|_| tolerated) {
            self.leave_out(name);
        }
    }

    fn leave_out(&mut self, name: &Name) {
        let place = self.scene.places.get(name).copied();
        if let Some(place) = place.filter(|place| !self.scene.bystanders[*place]) {
            self.sites[place].left_out = true;
        }
    }

    fn happened(&mut self, effect: &Effect, report: &Report) {
        let well = |name: &Name| report.failure.is_none() && !report.failed.contains_key(name);
        match effect {
            Effect::Observe => self.found(report),
            Effect::Install { targets, release } => {
                for name in targets {
                    if let Some(place) = self.scene.places.get(name).copied() {
                        self.lay(place, release, well(name));
                    }
                }
            }
            Effect::Remove { targets, release } => {
                for place in self.scene.find(targets.iter().filter(|name| well(name))) {
                    let installed = &mut self.sites[place].state.installed;
                    installed.retain(|each| each.id != *release);
                }
            }
            Effect::Activate { releases } => {
                for (name, release) in releases {
                    self.ran(name, Some(release), well(name));
                }
            }
            Effect::Deactivate { targets } => {
                for name in targets {
                    self.ran(name, None, well(name));
                }
            }
            Effect::ReadTraffic => self.balanced_so(report),
            Effect::Apply { traffic, .. } if report.failure.is_none() => {
                let state = self.state(traffic);
                let percents = self.scene.percents(&state);
                self.route(state, percents);
                self.visit();
            }
            Effect::Apply { .. } => self.balanced_so(report),
            Effect::AwaitHealthy { releases, .. } => {
                for name in releases.keys() {
                    self.proved(name, well(name), report.failure.is_none());
                }
            }
            Effect::Wait { .. }
            | Effect::Watch { .. }
            | Effect::Approval { .. }
            | Effect::Hold { .. } => {
                for name in report.failed.keys() {
                    self.proved(name, false, true);
                }
            }
            Effect::Step { .. } | Effect::UndoStep { .. } => {}
        }
        self.share_among_running();
    }

    /// Somebody looked at everything.
    fn found(&mut self, report: &Report) {
        let Some(world) = &report.world else {
            return;
        };
        let release = self.scene.brief.release.id.clone();
        for (name, state) in &world.targets {
            if let Some(place) = self.scene.places.get(name).copied() {
                let site = &mut self.sites[place];
                site.renewed = state.active.as_ref() == Some(&release);
                site.state.clone_from(state);
            }
        }
        for name in world.unreachable.keys() {
            self.leave_out(name);
        }
        if let Some(reading) = &world.reading {
            self.shows(reading);
        }
    }

    fn balanced_so(&mut self, report: &Report) {
        if let Some(reading) = &report.reading {
            self.shows(reading);
        }
    }

    fn shows(&mut self, reading: &Reading) {
        if !self.scene.balanced() {
            return;
        }
        let state = self.scene.state_of(reading);
        let percents = self.scene.percents(&state);
        self.route(state, percents);
        self.visit();
    }

    /// Another release was switched to, or was to be.
    fn ran(&mut self, name: &Name, release: Option<&Name>, well: bool) {
        let Some(place) = self.scene.places.get(name).copied() else {
            return;
        };
        let starts = self.now + self.paced(self.scene.habits.start_ms);
        let unchecked = self.scene.brief.rules.health.unchecked;
        let renewed = release == Some(&self.scene.brief.release.id);
        let site = &mut self.sites[place];
        site.proven = false;
        if well {
            site.state.active = release.cloned();
            site.renewed = renewed;
            site.well_from = starts;
            site.well_until = u64::MAX;
            site.proven = unchecked && release.is_some();
        }
    }

    /// A target was seen to be well or not; where the whole check failed, nothing is known of one
    /// that was not.
    fn proved(&mut self, name: &Name, well: bool, judged: bool) {
        let now = self.now;
        let Some(place) = self.scene.places.get(name).copied() else {
            return;
        };
        let site = &mut self.sites[place];
        if well {
            site.proven = true;
            site.well_from = site.well_from.min(now);
        } else if judged {
            // It stays so until something else is run there.
            site.proven = false;
            site.well_until = site.well_until.min(now);
        }
    }
}
