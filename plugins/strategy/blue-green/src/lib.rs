//! `blue-green`: of two groups one has the traffic. The other one gets the release, proves that
//! it is well, and takes the traffic, at once or in stages; the first one stays as it was, and
//! is the way back.

use runtime_sdk::{
    fleet::{Fleet, Soaks},
    prelude::*,
    rollout,
};

/// The idle group gets the release, then the traffic.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BlueGreen {
    /// The two groups.
    #[serde(default = "groups")]
    pub groups: [String; 2],
    /// Shares of the traffic on the way to all of it, in percent, growing; none: at once.
    #[serde(default)]
    pub stages: Vec<Percent>,
    /// How long each stage but the last is watched: one time for all, or a list.
    #[serde(default = "soak")]
    pub soak: Soaks,
    /// How long to watch after the switch, with the old group ready to take the traffic back;
    /// typical is 30m.
    #[serde(default)]
    pub keep_old: Duration,
    /// Whether people must approve before the traffic is switched.
    #[serde(default)]
    pub approve: bool,
    /// How long to wait for them; without end where not given.
    #[serde(default)]
    pub approve_timeout: Option<Duration>,
}

fn groups() -> [String; 2] {
    ["blue".into(), "green".into()]
}

fn soak() -> Soaks {
    Soaks::Same(Duration::from_mins(5))
}

impl Plugin for BlueGreen {
    const SUMMARY: &'static str = "The idle group gets the release, then the traffic.";
    const DETAILS: &'static str = r#"{ "needs": ["shares"], "idle-groups": "/groups", "approval": "/approve",
             "groups": { "setting": "/groups", "targets": "only" } }"#;
    const SCHEMA: Option<&'static str> = Some(include_str!("../settings.json"));

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.groups[0] == self.groups[1] {
            problems.push(problem("/groups/1", "the two groups are the same"));
        }
        for (place, stage) in self.stages.iter().enumerate() {
            let before = place.checked_sub(1).map(|place| self.stages[place]);
            let message = match before {
                _ if stage.0 <= 0.0 => "a stage has more than 0 percent".to_owned(),
                Some(before) if *stage <= before => {
                    format!("{stage} is not more than {before}, the stage before it")
                }
                _ => continue,
            };
            problems.push(problem(format!("/stages/{place}"), message));
        }
        problems
    }
}

impl Strategy for BlueGreen {
    fn run(&self, deployment: &Deployment) -> Result<()> {
        let mut fleet = Fleet::read(deployment)?;
        let (old, new) = self.roles(&fleet)?;
        let candidates = fleet.members(&[new]);
        takes_part(&fleet, new, &candidates)?;

        rollout::begin(&format!("install on {new}"));
        rollout::install(&candidates)?;
        // What an earlier deployment left running there is the quickest way back.
        let runs = candidates.iter().all(|target| fleet.runs_release(target));
        if fleet.is_rollback() && runs {
            fleet.prove(&candidates)?;
        } else {
            rollout::begin(&format!("activate on {new}"));
            fleet.switch(&candidates)?;
        }

        let serves = fleet.share(old) > 0.0;
        if serves && !fleet.is_rollback() {
            if self.approve {
                let version = &deployment.release.version;
                let question = format!("Send the traffic from {old} to {new}, with {version}?");
                rollout::approval(&question, self.approve_timeout)?;
            }
            for (number, stage) in self
                .stages
                .iter()
                .filter(|stage| stage.0 < 100.0)
                .enumerate()
            {
                rollout::begin(&format!("{new} at {stage}"));
                fleet.split(&fleet.with_share(new, stage.0))?;
                self.watch(
                    &fleet,
                    self.soak.at(number),
                    &candidates,
                    &fleet.members(&[old]),
                )?;
            }
        }
        rollout::begin(&format!("switch to {new}"));
        fleet.split(&fleet.with_share(new, 100.0))?;
        if serves && !self.keep_old.is_zero() && !fleet.is_rollback() {
            rollout::begin(&format!("keep {old}"));
            self.watch(&fleet, self.keep_old, &candidates, &[])?;
        }
        Ok(())
    }
}

/// Where the operator named targets, the group that gets the release has some of them.
fn takes_part(fleet: &Fleet, group: &str, members: &[&Target]) -> Result<()> {
    if members.iter().any(|target| !fleet.is_bystander(target)) {
        return Ok(());
    }
    let names: Vec<&str> = members.iter().map(|target| target.name.as_str()).collect();
    Err(Failure::invalid(format!(
        "`{group}` is idle, and would get the release; none of its targets ({}) is among those \
         that were named for this deployment",
        names.join(", ")
    )))
}

impl BlueGreen {
    /// The group that has the traffic, and the one that gets the release.
    fn roles(&self, fleet: &Fleet) -> Result<(&str, &str)> {
        let [first, second] = [self.groups[0].as_str(), self.groups[1].as_str()];
        fleet.group(first)?;
        fleet.group(second)?;
        if let Some(target) = fleet
            .targets()
            .iter()
            .find(|target| !self.groups.contains(&target.group))
        {
            return Err(Failure::invalid(format!(
                "target `{}` is in group `{}`, which is neither `{first}` nor `{second}`",
                target.name, target.group
            )));
        }
        let serves = |group: &str| fleet.share(group) > 0.0;
        match (serves(first), serves(second)) {
            (true, true) => Err(Failure::invalid(format!(
                "`{first}` gets {} and `{second}` {} of the traffic, so neither is idle; send all \
                 of it to one of them, for example with the strategy `rolling`, before this",
                Percent(fleet.share(first)),
                Percent(fleet.share(second)),
            ))),
            (true, false) => Ok((first, second)),
            (false, _) => Ok((second, first)),
        }
    }

    fn watch(
        &self,
        fleet: &Fleet,
        duration: Duration,
        candidate: &[&Target],
        baseline: &[&Target],
    ) -> Result<()> {
        if fleet.soak(duration, candidate, baseline)? {
            return Ok(());
        }
        Err(Failure::breached(
            "the analysis could not tell whether the new group is well",
        ))
    }
}

runtime_sdk::plugin!(strategy: BlueGreen, "blue-green");

#[cfg(test)]
mod tests;
