//! The faults of a seed.

use engine::{Brief, Name};

use super::{Fault, Flaw, Moment, Way};
use crate::{
    odds::{Habits, Odds},
    random::Random,
    scene::Scene,
};

/// How many targets one kind of fault hits at most: several at once is what a tolerance is for.
const TARGETS_MAX: u64 = 3;

/// Draws what goes wrong in the run of that seed. `long_ms` is about how long a run without
/// faults takes.
pub(crate) fn draw(seed: u64, scene: &Scene, long_ms: u64) -> Vec<Fault> {
    let Scene {
        brief,
        odds,
        habits,
        ..
    } = scene;
    let mut drawing = Drawing {
        random: Random::new(seed),
        brief,
        faults: Vec::new(),
    };
    drawing.of_targets(odds, habits, long_ms);
    drawing.of_the_release(odds);
    if brief.rules.balancer.is_some() {
        drawing.of_the_balancer(odds, habits);
    }
    drawing.of_the_rest(odds, long_ms);
    drawing.faults
}

struct Drawing<'a> {
    random: Random,
    brief: &'a Brief,
    faults: Vec<Fault>,
}

impl Drawing<'_> {
    /// A fault on one target, or a few.
    fn on_some(&mut self, percent: f64, mut make: impl FnMut(&mut Random, Name) -> Fault) {
        // The same numbers are drawn whatever the odds are, so that to change one kind does not
        // change all others of a seed.
        let hits = self.random.percent(percent);
        let mut random = Random::new(self.random.next());
        if !hits {
            return;
        }
        let targets = &self.brief.targets;
        let several = random.percent(25.0);
        let count = if several {
            1 + random.below(TARGETS_MAX)
        } else {
            1
        };
        let mut chosen: Vec<usize> = Vec::new();
        for _ in 0..count {
            let place = random.place(targets.len());
            if !chosen.contains(&place) {
                chosen.push(place);
            }
        }
        for place in chosen {
            let name = targets[place].name.clone();
            self.faults.push(make(&mut random, name));
        }
    }

    fn once(&mut self, percent: f64, make: impl FnOnce(&mut Random) -> Fault) {
        let hits = self.random.percent(percent);
        let mut random = Random::new(self.random.next());
        if hits {
            self.faults.push(make(&mut random));
        }
    }

    fn of_targets(&mut self, odds: &Odds, habits: &Habits, long_ms: u64) {
        let timeout_ms = self.brief.rules.health.timeout_ms;
        self.on_some(odds.install_fails, |random, target| Fault::InstallFails {
            target,
            times: times(random),
        });
        self.on_some(odds.activate_fails, |random, target| Fault::ActivateFails {
            target,
            after: u32::from(random.percent(20.0)),
            times: times(random),
            happens: random.percent(40.0),
        });
        self.on_some(odds.slow_start, |random, target| Fault::SlowStart {
            target,
            // Up to somewhat longer than anybody waits for it.
            by_ms: random.between(habits.start_ms, timeout_ms + timeout_ms / 4),
        });
        self.on_some(odds.never_up, |_, target| Fault::NeverUp { target });
        self.on_some(odds.falls_over, |random, target| Fault::FallsOver {
            target,
            after_ms: random.below(long_ms),
        });
        self.on_some(odds.unreachable, |random, target| Fault::Unreachable {
            target,
            // Some are away before anything begins.
            from_ms: if random.percent(25.0) {
                0
            } else {
                random.below(long_ms)
            },
            for_ms: random.between(1_000, long_ms),
        });
        self.on_some(odds.no_way_back, |_, target| Fault::NoWayBack { target });
    }

    fn of_the_release(&mut self, odds: &Odds) {
        self.once(odds.bad_release, |_| Fault::BadRelease);
        self.once(odds.bad_under_load, |random| Fault::BadUnderLoad {
            above: random.between(1, 95) as f64,
        });
        self.once(odds.bad_for_some, |random| Fault::BadForSome {
            users: random.between(1, 50) as f64,
        });
    }

    fn of_the_balancer(&mut self, odds: &Odds, habits: &Habits) {
        /// Most deployments make no more changes than this.
        const CHANGES: u64 = 12;
        let after = |random: &mut Random| random.below(CHANGES) as u32;
        self.once(odds.balancer_refuses, |random| Fault::BalancerRefuses {
            after: after(random),
            times: 1 + random.below(3) as u32,
        });
        self.once(odds.balancer_hangs, |random| Fault::BalancerHangs {
            after: after(random),
            happens: random.percent(50.0),
        });
        self.once(odds.balancer_late, |random| Fault::BalancerLate {
            after: after(random),
            by_ms: random.between(habits.apply_ms, habits.settles_ms * 4),
        });
        self.once(odds.balancer_lies, |random| Fault::BalancerLies {
            after: after(random),
        });
    }

    fn of_the_rest(&mut self, odds: &Odds, long_ms: u64) {
        /// Most deployments have more records than this.
        const RECORDS: u64 = 60;
        let steps = self.brief.rules.steps.len();
        if steps > 0 {
            self.once(odds.step_fails, |random| Fault::StepFails {
                step: random.place(steps),
                times: times(random),
            });
        }
        self.once(odds.metrics, |random| Fault::Metrics {
            flaw: [Flaw::Missing, Flaw::Late, Flaw::Noisy][random.place(3)],
        });
        self.once(odds.killed, |random| Fault::Killed {
            at: random.below(RECORDS) as u32,
            moment: [
                Moment::Unwritten,
                Moment::Before,
                Moment::Halfway,
                Moment::After,
            ][random.place(4)],
            then: if random.percent(70.0) {
                Way::Resumed
            } else {
                Way::TakenBack
            },
        });
        self.once(odds.lease_lost, |random| Fault::LeaseLost {
            at: random.below(RECORDS) as u32,
        });
        self.once(odds.aborted, |random| Fault::Aborted {
            after_ms: random.below(long_ms),
        });
    }
}

fn times(random: &mut Random) -> Option<u32> {
    (!random.percent(60.0)).then(|| 1 + random.below(3) as u32)
}
