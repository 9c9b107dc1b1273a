//! What a run costs the users: how many requests met the release, how many failed, how few
//! targets served.

use super::Inner;

/// The sums of one run. Times are of all the traffic: half of it for two seconds is one second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Toll {
    /// While anybody got traffic, in milliseconds.
    pub(crate) traffic_ms: f64,
    /// Answered by the deployment's release.
    pub(crate) renewed_ms: f64,
    /// Answered with an error, or not at all.
    pub(crate) failed_ms: f64,
    /// The fewest targets that served at any time; none before any time went by.
    pub(crate) least: Option<usize>,
    pub(crate) effects: u64,
}

impl Inner {
    /// Lets time go by.
    pub(crate) fn advance(&mut self, to: u64) {
        while let Some((at, state)) = self.late.take_if(|(at, _)| *at <= to) {
            self.count(at);
            self.now = self.now.max(at);
            let percents = self.scene.percents(&state);
            self.route(state, percents);
        }
        self.count(to);
        self.now = self.now.max(to);
    }

    fn count(&mut self, to: u64) {
        let from = self.now;
        if to <= from {
            return;
        }
        let long = (to - from) as f64;
        let (mut total, mut renewed, mut failed, mut serving) = (0.0, 0.0, 0.0, 0);
        for (place, (site, percent)) in self.sites.iter().zip(&self.percents).enumerate() {
            if *percent <= 0.0 {
                continue;
            }
            total += percent;
            if site.renewed {
                renewed += percent;
            }
            let mut ill = ill_ms(site.well_from, site.well_until, from, to);
            ill += self.plight.unreachable_ms(place, from, to) as f64;
            let errors = if ill >= long {
                1.0
            } else {
                (ill / long).max(self.plight.errors_percent(site.renewed) / 100.0)
            };
            failed += percent * errors;
            serving += usize::from(ill == 0.0 && !self.plight.spoilt(site.renewed));
        }
        if total <= 0.0 && self.toll.traffic_ms <= 0.0 {
            // Nothing runs yet: nobody is there to miss it.
            return;
        }
        // Whom nobody is given to answers nobody.
        self.toll.traffic_ms += long;
        self.toll.renewed_ms += long * renewed / 100.0;
        self.toll.failed_ms += long * (failed + (100.0 - total).max(0.0)) / 100.0;
        self.toll.least = Some(self.toll.least.map_or(serving, |least| least.min(serving)));
    }
}

fn ill_ms(well_from: u64, well_until: u64, from: u64, to: u64) -> f64 {
    let before = well_from.clamp(from, to) - from;
    let after = to - well_until.clamp(from, to);
    (before + after).min(to - from) as f64
}
