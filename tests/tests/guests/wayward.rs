//! A strategy with one mistake in it, of the operator's choice.

use runtime_sdk::{fleet::Fleet, prelude::*, rollout};

runtime_sdk::settings! {
    /// A canary at half of the traffic, with a mistake in it.
    struct Wayward {
        /// Which one; none where it is called `none`.
        mistake: String,
    }
}

impl Plugin for Wayward {
    const SUMMARY: &'static str = "A canary with a mistake in it.";
}

impl Wayward {
    fn makes(&self, mistake: &str) -> bool {
        self.mistake == mistake
    }

    fn canary<'a>(&self, fleet: &mut Fleet<'a>, canary: &[&'a Target]) -> Result<()> {
        fleet.split(&fleet.with_share("canary", 0.0))?;
        if self.makes("skips-health") || self.makes("splits-first") {
            rollout::activate(canary)?;
        } else {
            fleet.switch(canary)?;
        }
        rollout::split(&fleet.with_share("canary", 50.0))?;
        if self.makes("splits-first") {
            fleet.prove(canary)?;
        }
        // Every other minute is an hour like that.
        let late = self.makes("asks-the-clock") && rollout::now() / 60_000 % 2 == 0;
        if !late {
            rollout::wait(Some(Duration::from_mins(5)))?;
        }
        Ok(())
    }
}

impl Strategy for Wayward {
    fn run(&self, deployment: &Deployment) -> Result<()> {
        let mut fleet = Fleet::read(deployment)?;
        let all: Vec<&Target> = fleet.targets().iter().collect();
        let (canary, rest) = (fleet.members(&["canary"]), fleet.members(&["stable"]));
        if self.makes("never-ends") {
            let mut turns = 0_u64;
            while std::hint::black_box(turns) < u64::MAX {
                turns = turns.wrapping_add(1);
            }
        }
        while self.makes("polls-for-ever") {
            std::hint::black_box(rollout::now());
        }
        rollout::install(&all)?;
        let went = self.canary(&mut fleet, &canary);
        if self.makes("undoes-by-hand") && went.is_err() {
            let _ = rollout::split(&fleet.with_share("canary", 0.0));
            return Ok(());
        }
        went?;
        if self.makes("forgets-group") {
            return fleet.split(&fleet.evenly());
        }
        let evenly = fleet.evenly();
        fleet.roll(&rest, runtime_sdk::Count::Number(1), Some(&evenly), |_, _, _| Ok(()))
    }
}

runtime_sdk::plugin!(strategy: Wayward, "wayward");
