//! Target by target, each watched for a while.

use runtime_sdk::{fleet::Fleet, prelude::*, rollout};

runtime_sdk::settings! {
    struct Turnwise {
        /// How long to watch each target.
        watch: Duration,
    }
}

impl Plugin for Turnwise {
    const SUMMARY: &'static str = "Target by target.";
}

impl Strategy for Turnwise {
    fn run(&self, deployment: &Deployment) -> Result<()> {
        let mut fleet = Fleet::read(deployment)?;
        if fleet.is_first() {
            return fleet.first();
        }
        let all: Vec<&Target> = fleet.targets().iter().collect();
        rollout::begin("in the words of the first edition");
        rollout::install(&all)?;
        fleet.roll(&all, Count::Number(1), None, |fleet, done, _| {
            rollout::begin("in the words of the first edition");
            fleet.soak(self.watch, done, &[]).map(drop)
        })?;
        fleet.serve()
    }
}

runtime_sdk::plugin!(strategy: Turnwise);
