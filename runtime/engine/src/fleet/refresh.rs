//! What an observation in the course of a deployment tells the model: where it was in doubt, and
//! where somebody else changed something.

use super::{
    Fleet, Presence,
    settle::{Trouble, whole},
};
use crate::{
    agreement,
    effect::Report,
    executor::World,
    failure::{Code, Failure},
    operation::Answer,
    traffic::Reading,
};

impl Fleet {
    pub(super) fn observed(&mut self, report: &Report) -> Result<Answer, Trouble> {
        whole(report)?;
        let Some(world) = &report.world else {
            return Err(Trouble::Whole(Failure::new(
                Code::Internal,
                "nothing was observed",
            )));
        };
        self.refresh(world);
        Ok(Answer::Done)
    }

    pub(crate) fn refresh(&mut self, world: &World) {
        let release = self.release().clone();
        for (name, found) in &world.targets {
            let Some(place) = self.place(name.as_str()) else {
                continue;
            };
            let state = &mut self.states[place];
            state.installed = Presence::of(&release, found);
            if state.active != found.active {
                state.active.clone_from(&found.active);
                state.proven = false;
            }
            state.unsure = false;
        }
        if let (Some(reading), true) = (&world.reading, self.balanced()) {
            self.resolve_doubt(reading);
            if !self.shows(reading, &self.distribution) {
                self.distribution = self.of_reading(reading);
                self.doubt = None;
            }
        }
    }

    /// Settles which of two distributions it is, where the reading shows one of them.
    pub(super) fn resolve_doubt(&mut self, reading: &Reading) {
        let Some(doubt) = &self.doubt else { return };
        let (before, after) = (
            self.shows(reading, &self.distribution),
            self.shows(reading, doubt),
        );
        match (before, after) {
            (true, false) => self.doubt = None,
            (false, true) => {
                self.distribution = doubt.clone();
                self.doubt = None;
            }
            _ => {}
        }
    }

    fn shows(&self, reading: &Reading, distribution: &super::Distribution) -> bool {
        let Some(traits) = &self.brief.rules.balancer else {
            return true;
        };
        let traffic = self.to_traffic(distribution);
        agreement::agreement(&traffic, reading, traits, &self.brief.targets).is_ok()
    }
}
