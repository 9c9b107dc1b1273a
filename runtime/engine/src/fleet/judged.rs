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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        executor::{TargetState, World},
        testing::brief,
        traffic::{Admission, MemberState},
    };

    fn reading(shares: [f64; 3]) -> Reading {
        let member = |(target, percent): (&str, f64)| MemberState {
            target: target.into(),
            percent,
            admission: Admission::Ready,
            up: None,
            active: None,
        };
        Reading {
            members: ["a", "b", "c"]
                .into_iter()
                .zip(shares)
                .map(member)
                .collect(),
            ..Reading::default()
        }
    }

    #[test]
    fn what_is_shown_after_a_change_is_held_against_what_must_be() {
        let brief = brief(&[("a", "x"), ("b", "x"), ("c", "y")]);
        let running = TargetState {
            active: Some("v1".into()),
            installed: Vec::new(),
        };
        let world = World {
            targets: ["a", "b", "c"]
                .map(|name| (name.into(), running.clone()))
                .into(),
            reading: Some(reading([50.0, 50.0, 0.0])),
            ..World::default()
        };
        let fleet = Fleet::new(Arc::new(brief), &world);
        let judged = |shares: [f64; 3]| {
            let report = Report {
                reading: Some(reading(shares)),
                ..Report::default()
            };
            let judged = fleet.judge(&report, &fleet.standings());
            judged.map_err(|failure| failure.details["rule"].clone())
        };
        // A weight step more or less is none.
        for right in [[50.0, 50.0, 0.0], [50.3, 49.7, 0.0], [100.0, 0.0, 0.0]] {
            assert_eq!(judged(right), Ok(()), "{right:?}");
        }
        for (wrong, rule) in [
            ([45.0, 45.0, 10.0], "only-proven-gain"),
            ([60.0, 60.0, 0.0], "shares-add-up"),
            ([0.0, 0.0, 0.0], "minimum-serves"),
        ] {
            assert_eq!(judged(wrong), Err(rule.into()), "{wrong:?}");
        }
    }
}
