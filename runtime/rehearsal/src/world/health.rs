//! Whether targets are well: proving them, and keeping an eye on them while something waits.

use std::collections::BTreeMap;

use engine::{Code, Failure, Name, Report};

use super::{Failed, Inner};

impl Inner {
    pub(super) fn await_healthy(
        &mut self,
        releases: &BTreeMap<Name, Name>,
        timeout_ms: u64,
        undoing: bool,
    ) -> Report {
        let patience = timeout_ms.min(self.scene.habits.patience_ms);
        let deadline = self.now + patience;
        let places = self.scene.find(releases.keys());
        let mut last = self.now;
        let mut results = Vec::with_capacity(places.len());
        for (place, release) in places.iter().copied().zip(releases.values()) {
            let runs = self.sites[place].state.active.as_ref() == Some(release);
            let proven = self.proven_at(place, deadline).filter(|_| runs);
            last = last.max(proven.unwrap_or(deadline));
            results.push((place, proven.is_some()));
        }
        if let Some((at, interruption)) = self.plight.abort().filter(|_| !undoing)
            && at < last
        {
            self.advance(at.max(self.now));
            return Report::failed(interruption.failure());
        }
        self.advance(last);
        let mut report = Report::default();
        for (place, well) in results {
            self.sites[place].proven = well;
            let failure = (!well).then(ill);
            self.note(&mut report, place, failure);
        }
        report
    }

    /// When the target will have been well for long enough, where that is before the deadline.
    fn proven_at(&self, place: usize, deadline: u64) -> Option<u64> {
        let site = &self.sites[place];
        if self.plight.spoilt(site.renewed) {
            return None;
        }
        let proof = self.paced(self.scene.habits.proof_ms);
        let mut from = self.now.max(site.well_from);
        loop {
            let end = from.checked_add(proof).filter(|end| *end <= deadline)?;
            if end > site.well_until {
                return None;
            }
            match self.plight.unreachable_within(place, from, end) {
                Some(until) => from = until,
                None => return Some(end),
            }
        }
    }

    /// The first of these that will be seen to be ill before `until`, and when.
    pub(super) fn first_ill(
        &self,
        monitored: &BTreeMap<Name, Name>,
        until: u64,
    ) -> Option<(u64, usize)> {
        let notice = self.scene.habits.notice_ms;
        let seen = |place: usize| {
            let site = &self.sites[place];
            let spoilt = self.plight.spoilt(site.renewed).then_some(self.now);
            let falls = (site.well_until < until).then_some(site.well_until.max(self.now));
            let lost = self.plight.unreachable_for(place, self.now, until, notice);
            let ill = [spoilt, falls, lost].into_iter().flatten().min()?;
            Some((ill + notice, place)).filter(|(at, _)| *at < until)
        };
        let places = self.scene.find(monitored.keys());
        places.into_iter().filter_map(seen).min()
    }

    /// What a wait ends with in which a target fell ill.
    pub(super) fn fell_ill(&mut self, place: usize) -> Report {
        self.sites[place].proven = false;
        Report {
            failed: Failed::from([(self.scene.names[place].clone(), ill())]),
            ..Report::default()
        }
    }
}

fn ill() -> Failure {
    Failure::new(
        Code::Unhealthy,
        "the health check saw: 500 where 200 is expected",
    )
}
