//! A strategy with one mistake in it, of the operator's choice.

use runtime_sdk::{fleet::Fleet, prelude::*, rollout};

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mistake {
    /// Nothing.
    None,
    /// It never waits until the canary is well.
    SkipsHealth,
    /// It gives the canary traffic, and waits after that.
    SplitsFirst,
    /// It leaves all but the canary as it was.
    ForgetsGroup,
    /// It takes a failure back by itself, and says that all is well.
    UndoesByHand,
    /// It computes for ever.
    NeverEnds,
    /// It asks for the time for ever.
    PollsForEver,
    /// At some hours it does not watch the canary.
    AsksTheClock,
}

/// A canary at half of the traffic, with a mistake in it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Wayward {
    mistake: Mistake,
}

impl Plugin for Wayward {
    const SUMMARY: &'static str = "A canary with a mistake in it.";
}

impl Wayward {
    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }

    fn canary<'a>(&self, fleet: &mut Fleet<'a>, canary: &[&'a Target]) -> Result<()> {
        fleet.split(&fleet.with_share("canary", 0.0))?;
        if self.makes(Mistake::SkipsHealth) || self.makes(Mistake::SplitsFirst) {
            rollout::activate(canary)?;
        } else {
            fleet.switch(canary)?;
        }
        rollout::split(&fleet.with_share("canary", 50.0))?;
        if self.makes(Mistake::SplitsFirst) {
            fleet.prove(canary)?;
        }
        // Every other minute is an hour like that.
        let late = self.makes(Mistake::AsksTheClock) && rollout::now() / 60_000 % 2 == 0;
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
        if self.makes(Mistake::NeverEnds) {
            let mut turns = 0_u64;
            while std::hint::black_box(turns) < u64::MAX {
                turns = turns.wrapping_add(1);
            }
        }
        while self.makes(Mistake::PollsForEver) {
            std::hint::black_box(rollout::now());
        }
        rollout::install(&all)?;
        let went = self.canary(&mut fleet, &canary);
        if self.makes(Mistake::UndoesByHand) && went.is_err() {
            let _ = rollout::split(&fleet.with_share("canary", 0.0));
            return Ok(());
        }
        went?;
        if self.makes(Mistake::ForgetsGroup) {
            return fleet.split(&fleet.evenly());
        }
        let evenly = fleet.evenly();
        fleet.roll(&rest, runtime_sdk::Count::Number(1), Some(&evenly), |_, _, _| Ok(()))
    }
}

runtime_sdk::plugin!(strategy: Wayward, "wayward");
