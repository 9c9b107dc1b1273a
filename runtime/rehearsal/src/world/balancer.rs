//! The load balancer: what it shows, what it really does, and what is asked of it.

use std::sync::Arc;

use engine::{
    Admission, Code, Failure, MemberState, Reading, Report, Traffic,
    invariants::{self, Standing, State},
};
use serde_json::Value;

use super::Inner;
use crate::plight::Mood;

impl Inner {
    pub(super) fn reading(&self) -> Reading {
        if let Some(reading) = &self.untouched {
            return reading.clone();
        }
        let members = self.scene.names.iter().zip(&self.shown.admissions);
        let members = members.zip(&self.shown_percents);
        Reading {
            members: members
                .map(|((target, admission), percent)| MemberState {
                    target: target.clone(),
                    percent: *percent,
                    admission: *admission,
                    up: None,
                    active: None,
                })
                .collect(),
            revision: None,
            details: Value::Null,
        }
    }

    pub(super) fn read_traffic(&mut self) -> Report {
        self.advance(self.now + self.paced(self.scene.habits.apply_ms));
        self.visit();
        Report {
            reading: Some(self.reading()),
            ..Report::default()
        }
    }

    /// What the load balancer shows now is a state that the deployment came by.
    pub(super) fn visit(&mut self) {
        if !self.visited.contains(&self.shown) {
            self.visited.push(self.shown.clone());
        }
    }

    pub(super) fn apply(
        &mut self,
        traffic: &Traffic,
        drains: bool,
        drain_ms: u64,
        undoing: bool,
    ) -> Report {
        let wanted = self.state(traffic);
        let percents = self.scene.percents(&wanted);
        self.judge_change(&wanted, &percents, undoing);
        let habits = self.scene.habits.clone();
        let quick = self.now + self.paced(habits.apply_ms);
        match self.plight.balancer() {
            Mood::Fair => {}
            Mood::Refuses => {
                self.advance(quick);
                let text = "the load balancer answered 409: another change is under way";
                return Report::failed(Failure::new(Code::Rejected, text));
            }
            Mood::Hangs { happens } => {
                self.advance(quick);
                if happens {
                    self.route(wanted, percents);
                }
                self.advance(self.now + habits.call_ms);
                let text = "the load balancer did not answer";
                return Report::failed(Failure::new(Code::Timeout, text).retryable());
            }
            Mood::Late { by_ms } if by_ms > habits.settles_ms => {
                self.late = Some((self.now.saturating_add(by_ms), wanted));
                self.advance(self.now + habits.settles_ms);
                let text = "the load balancer does not show the change";
                return Report::failed(Failure::new(Code::Timeout, text).retryable());
            }
            Mood::Late { by_ms } => self.advance(self.now + by_ms),
            Mood::Lies => {
                self.advance(quick);
                self.late = None;
                self.untouched = None;
                self.shown = wanted;
                self.shown_percents = percents;
                return self.applied(drains, drain_ms);
            }
        }
        self.advance(quick.max(self.now));
        self.route(wanted, percents);
        self.applied(drains, drain_ms)
    }

    fn applied(&mut self, drains: bool, drain_ms: u64) -> Report {
        if drains {
            let rules = &self.scene.brief.rules;
            let counts = rules
                .balancer
                .as_ref()
                .is_some_and(|traits| traits.has("counts-active"));
            let idle = self.paced(self.scene.habits.drain_ms);
            let long = if counts { idle.min(drain_ms) } else { drain_ms };
            self.advance(self.now + long);
        }
        Report {
            reading: Some(self.reading()),
            ..Report::default()
        }
    }

    /// The load balancer does this from now on.
    pub(super) fn route(&mut self, state: State, percents: Vec<f64>) {
        self.late = None;
        self.untouched = None;
        self.shown = state;
        self.shown_percents.clone_from(&percents);
        self.percents = percents;
        self.load();
    }

    /// The traffic by place.
    pub(super) fn state(&self, traffic: &Traffic) -> State {
        let scene = &self.scene;
        let shares = scene
            .group_names
            .iter()
            .map(|group| traffic.share(group.as_str()));
        let mut admissions = vec![Admission::Out; scene.names.len()];
        let all = traffic.admissions.len() == admissions.len();
        if all && scene.names.iter().eq(traffic.admissions.keys()) {
            admissions.clear();
            admissions.extend(traffic.admissions.values().copied());
        } else {
            for (name, admission) in &traffic.admissions {
                if let Some(place) = scene.places.get(name) {
                    admissions[*place] = *admission;
                }
            }
        }
        State {
            shares: shares.collect(),
            admissions,
        }
    }

    fn standings(&self, percents: &[f64]) -> Vec<Standing> {
        let each = self.sites.iter().zip(percents);
        each.map(|(site, percent)| Standing {
            percent: *percent,
            proven: site.proven,
            left_out: site.left_out,
        })
        .collect()
    }

    fn judge_change(&mut self, wanted: &State, percents: &[f64], undoing: bool) {
        let scene = Arc::clone(&self.scene);
        let (before, after) = (
            self.standings(&self.shown_percents),
            self.standings(percents),
        );
        let served = self.sites.iter().filter(|site| site.served);
        let lost = served.clone().filter(|site| site.left_out).count();
        let minimum = invariants::minimum_serving(&scene.brief.rules, served.count(), lost);
        let name = |place: usize| scene.names[place].clone();
        let breaches = invariants::change(&before, &after, minimum, 0.0, name);
        self.breached(breaches);
        if undoing {
            let breach = invariants::undo(wanted, &self.visited);
            self.breached(breach);
        } else if !self.visited.contains(wanted) {
            self.visited.push(wanted.clone());
        }
    }

    /// Without a load balancer users reach whatever runs.
    pub(super) fn share_among_running(&mut self) {
        if self.scene.balanced() {
            return;
        }
        let runs = |site: &super::Site| site.state.active.is_some();
        let running = self.sites.iter().filter(|site| runs(site)).count();
        let each = 100.0 / running.max(1) as f64;
        for (place, site) in self.sites.iter().enumerate() {
            let percent = if runs(site) { each } else { 0.0 };
            self.percents[place] = percent;
            self.shown_percents[place] = percent;
        }
        self.load();
    }

    /// The release gets so much of the traffic now.
    pub(crate) fn load(&mut self) {
        if !self.plight.bears_load() {
            return;
        }
        let renewed = self
            .sites
            .iter()
            .zip(&self.percents)
            .filter(|(site, _)| site.renewed);
        let share = renewed.map(|(_, percent)| percent).sum();
        self.plight.load(share);
    }
}
