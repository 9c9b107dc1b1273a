//! What the load balancer shows after a change, judged by what must hold in every deployment: the
//! guard decides before a change by the model, this after it by the world.

use crate::{
    agreement,
    effect::Report,
    failure::{Code, Failure},
    invariants::{self, Standing},
    traffic::Reading,
};

use super::Fleet;

impl Fleet {
    /// Who gets how much now, as far as is known.
    pub(crate) fn standings(&self) -> Vec<Standing> {
        let ready = self.ready_members(&self.distribution);
        let part = |place| self.part(place, &self.distribution, &ready);
        self.places()
            .map(|place| self.standing(place, part(place)))
            .collect()
    }

    fn standing(&self, place: usize, percent: f64) -> Standing {
        let state = &self.states[place];
        Standing {
            percent,
            proven: state.proven,
            left_out: state.left_out.is_some(),
        }
    }

    fn as_shown(&self, reading: &Reading) -> Vec<Standing> {
        let nothing = |place| self.standing(place, 0.0);
        let mut shown: Vec<Standing> = self.places().map(nothing).collect();
        for member in &reading.members {
            if let Some(place) = self.place(member.target.as_str()) {
                shown[place].percent = member.percent;
            }
        }
        shown
    }

    /// Fails where a change that was made broke what must hold, by what was read back of it.
    pub(crate) fn judge(&self, report: &Report, before: &[Standing]) -> Result<(), Failure> {
        let (Some(reading), Some(traits)) = (&report.reading, &self.brief.rules.balancer) else {
            return Ok(());
        };
        let lost = |state: &&super::State| state.served && state.left_out.is_some();
        let lost = self.states.iter().filter(lost).count();
        let minimum = invariants::minimum_serving(self.rules(), self.serving_at_start(), lost);
        let step = agreement::tolerance(traits);
        let name = |place: usize| self.name(place).clone();
        let broken = invariants::change(before, &self.as_shown(reading), minimum, step, name);
        let Some(breach) = broken.into_iter().next() else {
            return Ok(());
        };
        let message = format!(
            "the load balancer shows what must never be: {}; nothing further is done",
            breach.message
        );
        let mut failure = Failure::new(Code::Internal, message);
        failure.details = serde_json::json!({ "rule": breach.invariant });
        Err(failure)
    }
}
