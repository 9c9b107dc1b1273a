//! When the operator's steps are due: derived from what is about to be done, or was done, so
//! that no strategy need think of them.

use std::collections::BTreeSet;

use crate::{
    effect::Effect,
    ending,
    failure::{Code, Failure},
    fleet::Fleet,
    rules::Point,
    subject::Name,
};

/// One step that is due.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Due {
    pub(crate) step: usize,
    pub(crate) point: Point,
    pub(crate) targets: BTreeSet<Name>,
}

/// Which steps ran.
#[derive(Clone, Debug, Default)]
pub(crate) struct Points {
    begun: BTreeSet<usize>,
    done: BTreeSet<usize>,
    /// All traffic was on the release, everywhere, before anything happened.
    was_there: bool,
}

impl Points {
    /// Nothing has run; the fleet is as it was found.
    pub(crate) fn new(fleet: &Fleet) -> Self {
        Self {
            was_there: ending::check(fleet).is_ok(),
            ..Self::default()
        }
    }

    /// A step begins.
    pub(crate) fn began(&mut self, step: usize) {
        self.begun.insert(step);
    }

    /// A person lets a step be run again that did not come to its end.
    pub(crate) fn forget(&mut self, step: usize) {
        self.begun.remove(&step);
    }

    /// A step was done.
    pub(crate) fn succeeded(&mut self, step: usize) {
        self.done.insert(step);
    }

    /// Whether a step may begin: one that failed or was cut off, and may not be repeated, may
    /// not.
    pub(crate) fn may_begin(&self, fleet: &Fleet, due: &Due) -> Result<(), Failure> {
        let rule = &fleet.rules().steps[due.step];
        let again = self.begun.contains(&due.step) && !self.done.contains(&due.step);
        if !again || rule.repeat || rule.each {
            return Ok(());
        }
        let message = format!(
            "the step \"{}\" did not come to its end before, and may not be run a second time \
             (`repeat = false`); see what it did, and begin a new deployment",
            rule.name
        );
        Err(Failure::new(Code::Refused, message))
    }

    /// Steps at a point that no operation reaches, with every target that takes part.
    pub(crate) fn at(&self, fleet: &Fleet, point: Point) -> Vec<Due> {
        let targets = fleet
            .places()
            .filter(|place| fleet.state(*place).takes_part());
        let targets = targets.map(|place| fleet.name(place).clone()).collect();
        let mut due = self.due(fleet, point, &targets);
        due.retain(|due| !self.done.contains(&due.step));
        due
    }

    /// Steps before the effect.
    pub(crate) fn before(&self, fleet: &Fleet, effect: &Effect) -> Vec<Due> {
        if fleet.rules().steps.is_empty() {
            return Vec::new();
        }
        let mut due = Vec::new();
        if let Effect::Activate { releases } = effect {
            let targets = releases.keys().cloned().collect();
            due.extend(self.due(fleet, Point::BeforeActivate, &targets));
        }
        due.extend(self.due(fleet, Point::BeforeTraffic, &gains(fleet, effect)));
        due
    }

    /// Steps after the effect, given the targets that gained traffic by it. All traffic is on the
    /// release once no target waits for it any more; not while the last one is being switched.
    pub(crate) fn after(
        &self,
        fleet: &Fleet,
        effect: &Effect,
        gained: &BTreeSet<Name>,
    ) -> Vec<Due> {
        let mut due = self.due(fleet, Point::AfterTraffic, gained);
        due.retain(|due| fleet.rules().steps[due.step].each);
        let may_complete = matches!(
            effect,
            Effect::Activate { .. } | Effect::Apply { .. } | Effect::AwaitHealthy { .. }
        );
        if may_complete && !self.was_there && ending::check(fleet).is_ok() {
            due.extend(self.rest(fleet));
        }
        due
    }

    /// Steps after all traffic is on the release that did not run yet.
    pub(crate) fn rest(&self, fleet: &Fleet) -> Vec<Due> {
        let mut due = self.at(fleet, Point::AfterTraffic);
        due.retain(|due| !fleet.rules().steps[due.step].each);
        due
    }

    fn due(&self, fleet: &Fleet, point: Point, targets: &BTreeSet<Name>) -> Vec<Due> {
        if targets.is_empty() {
            return Vec::new();
        }
        let steps = fleet.rules().steps.iter().enumerate();
        steps
            .filter(|(step, rule)| rule.at == point && (rule.each || !self.done.contains(step)))
            .map(|(step, _)| Due {
                step,
                point,
                targets: targets.clone(),
            })
            .collect()
    }
}

/// Targets of the release that get traffic for the first time by this effect. Where users reach
/// a target while a release is activated on it, that is what gives the release traffic.
pub(crate) fn gains(fleet: &Fleet, effect: &Effect) -> BTreeSet<Name> {
    let at = |name: &Name| fleet.place(name.as_str());
    match effect {
        Effect::Apply { joining, .. } => joining
            .iter()
            .filter(|name| at(name).is_some_and(|place| fleet.renewed(place)))
            .cloned()
            .collect(),
        Effect::Activate { releases } => releases
            .keys()
            .filter(|name| {
                !fleet.balanced() || at(name).is_some_and(|place| fleet.gets_traffic(place))
            })
            .cloned()
            .collect(),
        _ => BTreeSet::new(),
    }
}
