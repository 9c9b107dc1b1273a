//! One target after the other, each watched for a while before the next.

use runtime_sdk::{Count, fleet::Fleet, prelude::*, rollout};

runtime_sdk::settings! {
    /// One target after the other.
    struct PluginName {
        /// How long to watch each target before the next.
        #[serde(default)]
        pause: Duration,
    }
}

impl Plugin for PluginName {
    const SUMMARY: &'static str = "One target after the other, each watched for a while.";
}

// Must be deterministic: the same deployment and the same answers, the same calls. A failure makes
// the host take back what was done, so that nothing need be undone here.
impl Strategy for PluginName {
    fn run(&self, deployment: &Deployment) -> Result<()> {
        let mut fleet = Fleet::read(deployment)?;
        if fleet.is_first() {
            return fleet.first();
        }
        let all: Vec<&Target> = fleet.targets().iter().collect();
        rollout::begin("install");
        rollout::install(&all)?;
        fleet.roll(&all, Count::Number(1), None, |fleet, done, last| {
            if last || fleet.soak(self.pause, done, &[])? {
                return Ok(());
            }
            Err(Failure::breached(
                "the analysis could not tell whether the target is well",
            ))
        })?;
        fleet.serve()
    }
}

runtime_sdk::plugin!(strategy: PluginName);

#[cfg(test)]
mod tests {
    use runtime_sdk::testing::{Fake, deployment};

    use super::*;

    const TWO: [(&str, &str); 2] = [("web01", "web"), ("web02", "web")];

    #[test]
    fn one_after_the_other() {
        let fake = Fake::new().traffic(&[("web", 100.0)]);
        PluginName {
            pause: Duration::from_mins(1),
        }
        .run(&deployment(&TWO))
        .unwrap();
        let calls = fake.calls();
        let place = |call: &str| calls.iter().position(|each| each == call);
        assert!(place("restore web01") < place("wait 1m"), "{calls:?}");
        assert!(place("wait 1m") < place("drain web02"), "{calls:?}");
    }

    #[test]
    fn one_that_is_not_well_ends_it() {
        let failure = Failure::unhealthy("no");
        let fake = Fake::new()
            .traffic(&[("web", 100.0)])
            .fails("await-healthy web01", failure);
        let plugin = PluginName {
            pause: Duration::default(),
        };
        plugin.run(&deployment(&TWO)).unwrap_err();
        assert!(
            !fake
                .calls()
                .iter()
                .any(|call| call.contains("activate web02"))
        );
    }
}
