//! The faults of one run as the world meets them: how often each was met, and how often it is
//! still to be.

use engine::{Interruption, Name};

use crate::{
    fault::{Fault, Flaw},
    scene::Scene,
};

/// How the load balancer takes a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mood {
    /// It makes it.
    Fair,
    /// It refuses.
    Refuses,
    /// It does not answer.
    Hangs {
        /// It makes the change all the same.
        happens: bool,
    },
    /// It makes it later.
    Late {
        /// So much.
        by_ms: u64,
    },
    /// It shows it, and does not make it.
    Lies,
}

/// Something that fails after so many times that went well, so many times.
#[derive(Clone, Copy, Debug)]
struct Spell {
    after: u32,
    times: u32,
}

impl Spell {
    fn new(after: u32, times: Option<u32>) -> Self {
        Self {
            after,
            times: times.unwrap_or(u32::MAX),
        }
    }

    /// Whether it fails this time.
    fn strikes(&mut self) -> bool {
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        let strikes = self.times > 0;
        self.times = match self.times {
            u32::MAX => u32::MAX,
            times => times.saturating_sub(1),
        };
        strikes
    }
}

/// What goes wrong on one target.
#[derive(Clone, Debug)]
enum Ailment {
    Install(Spell),
    Activate(Spell, bool),
    Slow(u64),
    NeverUp,
    FallsOver(u64),
    NoWayBack,
}

/// What goes wrong in a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plight {
    ailments: Vec<(usize, Ailment)>,
    /// Place, from, to.
    away: Vec<(usize, u64, u64)>,
    bad: bool,
    above: Option<f64>,
    overloaded: bool,
    users: f64,
    balancer: Vec<(Spell, Mood)>,
    steps: Vec<(usize, Spell)>,
    metrics: Option<Flaw>,
    abort: Option<u64>,
}

impl Plight {
    pub(crate) fn new(scene: &Scene, faults: &[Fault], began: u64) -> Self {
        let mut plight = Self::default();
        for fault in faults {
            plight.take(scene, fault, began);
        }
        plight
    }

    /// From now on this goes wrong, too; `began` is when its times and counts begin.
    pub(crate) fn take(&mut self, scene: &Scene, fault: &Fault, began: u64) {
        let mut on = |target: &Name, ailment: Ailment| {
            let place = scene.places.get(target);
            self.ailments.extend(place.map(|place| (*place, ailment)));
        };
        match fault {
            Fault::InstallFails { target, times } => {
                on(target, Ailment::Install(Spell::new(0, *times)));
            }
            Fault::ActivateFails {
                target,
                after,
                times,
                happens,
            } => on(
                target,
                Ailment::Activate(Spell::new(*after, *times), *happens),
            ),
            Fault::SlowStart { target, by_ms } => on(target, Ailment::Slow(*by_ms)),
            Fault::NeverUp { target } => on(target, Ailment::NeverUp),
            Fault::FallsOver { target, after_ms } => on(target, Ailment::FallsOver(*after_ms)),
            Fault::NoWayBack { target } => on(target, Ailment::NoWayBack),
            Fault::Unreachable {
                target,
                from_ms,
                for_ms,
            } => {
                let from = began.saturating_add(*from_ms);
                let place = scene.places.get(target);
                self.away
                    .extend(place.map(|place| (*place, from, from.saturating_add(*for_ms))));
            }
            Fault::BadRelease => self.bad = true,
            Fault::BadUnderLoad { above } => self.above = Some(*above),
            Fault::BadForSome { users } => self.users = *users,
            Fault::BalancerRefuses { after, times } => {
                self.mood(*after, *times, Mood::Refuses);
            }
            Fault::BalancerHangs { after, happens } => {
                self.mood(*after, 1, Mood::Hangs { happens: *happens });
            }
            Fault::BalancerLate { after, by_ms } => {
                self.mood(*after, 1, Mood::Late { by_ms: *by_ms });
            }
            Fault::BalancerLies { after } => self.mood(*after, 1, Mood::Lies),
            Fault::StepFails { step, times } => self.steps.push((*step, Spell::new(0, *times))),
            Fault::Metrics { flaw } => self.metrics = Some(*flaw),
            Fault::Aborted { after_ms } => self.abort = Some(began.saturating_add(*after_ms)),
            // These are the ledger's.
            Fault::Killed { .. } | Fault::LeaseLost { .. } => {}
        }
    }

    /// What was wrong with these targets is over, and with the release, the load balancer and the
    /// steps.
    pub(crate) fn forgive(&mut self, places: &[usize]) {
        let mut forgiven = Self {
            ailments: std::mem::take(&mut self.ailments),
            away: std::mem::take(&mut self.away),
            ..Self::default()
        };
        forgiven.ailments.retain(|(at, _)| !places.contains(at));
        forgiven.away.retain(|(at, ..)| !places.contains(at));
        *self = forgiven;
    }

    fn mood(&mut self, after: u32, times: u32, mood: Mood) {
        self.balancer.push((Spell::new(after, Some(times)), mood));
    }

    fn of(&self, place: usize) -> impl Iterator<Item = &Ailment> {
        let here = self.ailments.iter().filter(move |(at, _)| *at == place);
        here.map(|(_, ailment)| ailment)
    }

    pub(crate) fn install_fails(&mut self, place: usize) -> bool {
        let mut fails = false;
        for (at, ailment) in &mut self.ailments {
            if let (true, Ailment::Install(spell)) = (*at == place, ailment) {
                fails |= spell.strikes();
            }
        }
        fails
    }

    /// Whether a switch fails, and whether it happens all the same.
    pub(crate) fn activate_fails(&mut self, place: usize) -> (bool, bool) {
        let (mut fails, mut happens) = (false, true);
        for (at, ailment) in &mut self.ailments {
            if let (true, Ailment::Activate(spell, all_the_same)) = (*at == place, ailment)
                && spell.strikes()
            {
                fails = true;
                happens &= *all_the_same;
            }
        }
        (fails, happens)
    }

    /// From when on and until when what is started there is well.
    pub(crate) fn life(&self, place: usize, renewed: bool, starts: u64) -> (u64, u64) {
        let (mut from, mut falls) = (starts, u64::MAX);
        for ailment in self.of(place) {
            match ailment {
                Ailment::Slow(by_ms) => from = from.saturating_add(*by_ms),
                Ailment::NeverUp if renewed => from = u64::MAX,
                Ailment::NoWayBack if !renewed => from = u64::MAX,
                Ailment::FallsOver(after_ms) if renewed => falls = *after_ms,
                _ => {}
            }
        }
        (from, from.saturating_add(falls))
    }

    /// Whether whatever runs there is ill on every target.
    pub(crate) fn spoilt(&self, renewed: bool) -> bool {
        renewed && (self.bad || self.overloaded)
    }

    /// How many of the requests fail that reach a target which is well, in percent.
    pub(crate) fn errors_percent(&self, renewed: bool) -> f64 {
        match renewed {
            false => 0.0,
            true if self.bad || self.overloaded => 100.0,
            true => self.users,
        }
    }

    /// Whether it matters how much of the traffic the release gets.
    pub(crate) fn bears_load(&self) -> bool {
        self.above.is_some()
    }

    pub(crate) fn load(&mut self, percent: f64) {
        self.overloaded = self.above.is_some_and(|above| percent > above);
    }

    /// Until when the target cannot be reached, where it cannot.
    pub(crate) fn unreachable_until(&self, place: usize, at: u64) -> Option<u64> {
        self.unreachable_within(place, at, at + 1)
    }

    /// Until when it cannot be reached, where that is so at any time between.
    pub(crate) fn unreachable_within(&self, place: usize, from: u64, to: u64) -> Option<u64> {
        let away = self
            .away
            .iter()
            .filter(|(at, start, end)| *at == place && *start < to && *end > from);
        away.map(|(_, _, end)| *end).max()
    }

    /// From when on it cannot be reached for so long without a pause.
    pub(crate) fn unreachable_for(
        &self,
        place: usize,
        from: u64,
        to: u64,
        long: u64,
    ) -> Option<u64> {
        let away = self.away.iter().filter(|(at, ..)| *at == place);
        let away = away.map(|(_, start, end)| ((*start).max(from), *end));
        away.filter(|(start, end)| *start < to && end.saturating_sub(*start) >= long)
            .map(|(start, _)| start)
            .min()
    }

    /// For how long it cannot be reached between.
    pub(crate) fn unreachable_ms(&self, place: usize, from: u64, to: u64) -> u64 {
        let away = self.away.iter().filter(|(at, ..)| *at == place);
        away.map(|(_, start, end)| (*end).min(to).saturating_sub((*start).max(from)))
            .sum()
    }

    /// How the load balancer takes the next change.
    pub(crate) fn balancer(&mut self) -> Mood {
        let mut next = Mood::Fair;
        for (spell, mood) in &mut self.balancer {
            if spell.strikes() && next == Mood::Fair {
                next = *mood;
            }
        }
        next
    }

    pub(crate) fn step_fails(&mut self, step: usize) -> bool {
        let mut fails = false;
        for (at, spell) in &mut self.steps {
            fails |= *at == step && spell.strikes();
        }
        fails
    }

    pub(crate) fn metrics(&self) -> Option<Flaw> {
        self.metrics
    }

    /// When somebody aborts, and who.
    pub(crate) fn abort(&self) -> Option<(u64, Interruption)> {
        let by = || Interruption {
            by: "operator".to_owned(),
            reason: "as rehearsed".to_owned(),
        };
        self.abort.map(|at| (at, by()))
    }

    /// Whether anything is wrong with the release itself.
    pub(crate) fn bad_release(&self) -> bool {
        self.bad || self.above.is_some() || self.users > 0.0
    }
}
