//! `simple`: every target gets the release at once. Between the old release's end and the new
//! one's first proof of health nobody is served, which this strategy says in its manifest.

use runtime_sdk::{fleet::Fleet, prelude::*, rollout};

/// Everything at once.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Simple {}

impl Plugin for Simple {
    const SUMMARY: &'static str = "All targets at once, with a downtime while they start.";
    const DETAILS: &'static str = r#"{ "downtime": true }"#;
    const SCHEMA: Option<&'static str> = Some(include_str!("../settings.json"));
}

impl Strategy for Simple {
    fn run(&self, deployment: &Deployment) -> Result<()> {
        let mut fleet = Fleet::read(deployment)?;
        if fleet.is_first() {
            return fleet.first();
        }
        let all: Vec<&Target> = fleet.targets().iter().collect();
        rollout::begin("install");
        rollout::install(&all)?;
        rollout::begin("activate");
        fleet.switch(&all)?;
        let absent = fleet.absent();
        if fleet.is_balanced() && !absent.is_empty() {
            rollout::begin("traffic");
            rollout::restore(&absent)?;
        }
        fleet.serve()
    }
}

runtime_sdk::plugin!(strategy: Simple, "simple");

#[cfg(test)]
mod tests {
    use runtime_sdk::testing::{Fake, deployment};

    use super::*;

    const TWO: [(&str, &str); 2] = [("web01", "web"), ("web02", "web")];

    #[test]
    fn all_at_once_and_the_traffic_stays() {
        let fake = Fake::new().traffic(&[("web", 100.0)]);
        Simple {}.run(&deployment(&TWO)).unwrap();
        assert_eq!(
            fake.calls(),
            [
                "current",
                "begin install",
                "install web01 web02",
                "begin activate",
                "activate web01 web02",
                "await-healthy web01 web02",
            ]
        );
    }

    #[test]
    fn the_first_deployment_brings_the_traffic() {
        let fake = Fake::new();
        Simple {}.run(&deployment(&TWO).as_first()).unwrap();
        assert_eq!(fake.calls().last().unwrap(), "split web=100");
    }

    #[test]
    fn a_new_target_is_let_in() {
        let fake = Fake::new().traffic(&[("web", 100.0)]);
        let mut deployment = deployment(&TWO);
        deployment.active[1].1 = None;
        Simple {}.run(&deployment).unwrap();
        assert_eq!(fake.calls().last().unwrap(), "restore web02");
    }

    #[test]
    fn without_a_load_balancer_activation_is_all() {
        let fake = Fake::new();
        Simple {}
            .run(&deployment(&TWO).as_first().with_detail("balancer", false))
            .unwrap();
        assert_eq!(fake.calls().last().unwrap(), "await-healthy web01 web02");
    }

    #[test]
    fn the_schema_is_current() {
        runtime_sdk::testing::check_schema::<Simple>(env!("CARGO_MANIFEST_DIR"));
    }
}
