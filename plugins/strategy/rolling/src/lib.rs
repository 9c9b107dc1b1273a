//! `rolling`: batch by batch through the fleet. Each batch loses its traffic, gets the release,
//! proves that it is well, and gets its traffic back before the next one begins.

use runtime_sdk::{fleet::Fleet, prelude::*, rollout};

/// Batch by batch through the fleet.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rolling {
    /// How many targets at a time: a number, or a percentage of the fleet.
    #[serde(default = "one")]
    pub batch: Count,
    /// How long to watch each batch before the next; typical are 30s to 5m.
    #[serde(default)]
    pub pause: Duration,
    /// A target that goes first, alone: where it fails, no other is touched.
    #[serde(default)]
    pub first: Option<String>,
    /// Groups in the order in which they get the release; those not named come after, in the
    /// order of the configuration.
    #[serde(default)]
    pub order: Vec<String>,
}

fn one() -> Count {
    Count::Number(1)
}

impl Plugin for Rolling {
    const SUMMARY: &'static str = "Batch by batch through the fleet.";
    const DETAILS: &'static str = r#"{ "groups": { "setting": "/order" } }"#;
    const SCHEMA: Option<&'static str> = Some(include_str!("../settings.json"));

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.batch == Count::Number(0) {
            problems.push(problem("/batch", "a batch has at least one target"));
        }
        for (place, group) in self.order.iter().enumerate() {
            if self.order[..place].contains(group) {
                let message = format!("group `{group}` is named twice");
                problems.push(problem(format!("/order/{place}"), message));
            }
        }
        problems
    }
}

impl Strategy for Rolling {
    fn run(&self, deployment: &Deployment) -> Result<()> {
        let mut fleet = Fleet::read(deployment)?;
        let (first, rest) = self.sorted(&fleet)?;
        if fleet.is_first() {
            return fleet.first();
        }
        let all: Vec<&Target> = fleet.targets().iter().collect();
        rollout::begin("install");
        rollout::install(&all)?;
        if !first.is_empty() {
            rollout::begin("first target");
            fleet.roll(&first, one(), None, |fleet, done, _| {
                self.watch(fleet, done, rest.is_empty())
            })?;
        }
        fleet.roll(&rest, self.batch, None, |fleet, done, last| {
            self.watch(fleet, done, last)
        })?;
        fleet.serve()
    }
}

impl Rolling {
    /// The target that goes first, where there is one, and all others.
    fn sorted<'a>(&self, fleet: &Fleet<'a>) -> Result<(Vec<&'a Target>, Vec<&'a Target>)> {
        let mut targets: Vec<&Target> = fleet.targets().iter().collect();
        for group in &self.order {
            fleet.group(group)?;
        }
        let place = |target: &Target| {
            self.order
                .iter()
                .position(|group| *group == target.group)
                .unwrap_or(self.order.len())
        };
        targets.sort_by_key(|target| place(target));
        let Some(first) = &self.first else {
            return Ok((Vec::new(), targets));
        };
        let (first_target, rest): (Vec<_>, Vec<_>) = targets
            .into_iter()
            .partition(|target| target.name == *first);
        if first_target.is_empty() {
            return Err(Failure::invalid(format!(
                "`first` names `{first}`, which is no target of this deployment"
            )));
        }
        Ok((first_target, rest))
    }

    fn watch(&self, fleet: &Fleet, done: &[&Target], last: bool) -> Result<()> {
        if last || fleet.soak(self.pause, done, &[])? {
            return Ok(());
        }
        Err(Failure::breached(
            "the analysis could not tell whether the batch is well, so the next one is not begun",
        ))
    }
}

runtime_sdk::plugin!(strategy: Rolling, "rolling");

#[cfg(test)]
mod tests;
