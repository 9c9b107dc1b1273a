//! `canary`: one group gets the release and a growing part of the traffic, watched at each
//! stage; then the rest of the fleet follows in batches.
//!
//! The canary is a group of its own, or, with `group = "idle"`, the group that gets no traffic
//! now. In the first case all groups end with traffic in proportion to their members; in the
//! second all of it ends on the former idle group, and the others are idle on the release.

use runtime_sdk::{
    fleet::{Fleet, Soaks},
    prelude::*,
    rollout,
};

/// A part of the traffic first, then the rest of the fleet.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Canary {
    /// The canary's share of the traffic at each stage, in percent, growing.
    #[serde(default = "stages")]
    pub stages: Vec<Percent>,
    /// A stage before the others, in percent; stages that are not above it are left out.
    #[serde(default)]
    pub traffic_percent: Option<Percent>,
    /// How long each stage is watched: one time for all, or a list.
    #[serde(default = "soak")]
    pub soak: Soaks,
    /// How long the first stage is watched, where that differs.
    #[serde(default)]
    pub first_soak: Option<Duration>,
    /// The group that goes first; `idle` is the one without traffic, whichever that is.
    #[serde(default = "group")]
    pub group: String,
    /// How many of the other targets at a time, after the stages: a number, or a percentage of
    /// them.
    #[serde(default = "batch")]
    pub batch: Count,
    /// How long to watch each of these batches before the next.
    #[serde(default)]
    pub pause: Duration,
    /// Whether the operator's analysis watches the stages, where there is one; else they only
    /// wait while the health checks go on.
    #[serde(default = "yes")]
    pub watch: bool,
    /// What to do where the analysis cannot tell.
    #[serde(default)]
    pub inconclusive: Inconclusive,
    /// Whether people must approve before the rest of the fleet follows.
    #[serde(default)]
    pub approve: bool,
    /// How long to wait for them; without end where not given.
    #[serde(default)]
    pub approve_timeout: Option<Duration>,
}

/// What to do where the analysis cannot tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Inconclusive {
    /// Fail, and take the release back.
    #[default]
    Fail,
    /// Go on.
    Continue,
}

fn stages() -> Vec<Percent> {
    vec![Percent(10.0), Percent(25.0), Percent(50.0)]
}

fn soak() -> Soaks {
    Soaks::Same(Duration::from_mins(5))
}

fn group() -> String {
    "canary".into()
}

fn batch() -> Count {
    Count::Number(1)
}

fn yes() -> bool {
    true
}

impl Plugin for Canary {
    const SUMMARY: &'static str = "A part of the traffic first, then the rest of the fleet.";
    const DETAILS: &'static str = r#"{ "needs": ["shares"], "approval": "/approve",
        "groups": { "setting": "/group", "unless": "idle", "targets": "others" } }"#;
    const SCHEMA: Option<&'static str> = Some(include_str!("../settings.json"));

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.stages.is_empty() && self.traffic_percent.is_none() {
            problems.push(problem("/stages", "a canary has at least one stage"));
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
        if self.traffic_percent.is_some_and(|percent| percent.0 <= 0.0) {
            problems.push(problem(
                "/traffic-percent",
                "a stage has more than 0 percent",
            ));
        }
        if let Soaks::Each(soaks) = &self.soak
            && soaks.len() != self.all_stages().len()
        {
            let message = format!(
                "there are {} times for {} stages; give one for each, or one for all",
                soaks.len(),
                self.all_stages().len()
            );
            problems.push(problem("/soak", message));
        }
        if self.batch == Count::Number(0) {
            problems.push(problem("/batch", "a batch has at least one target"));
        }
        problems
    }
}

impl Strategy for Canary {
    fn run(&self, deployment: &Deployment) -> Result<()> {
        let mut fleet = Fleet::read(deployment)?;
        if fleet.is_first() {
            return self.run_first(fleet);
        }
        let group = self.canary_group(&fleet)?;
        let canary = fleet.members(&[group]);
        let rest = fleet.members(&fleet.others(group));

        rollout::begin("install");
        let all: Vec<&Target> = fleet.targets().iter().collect();
        rollout::install(&all)?;

        rollout::begin("activate canary");
        if !self.takes_idle() {
            fleet.split(&fleet.with_share(group, 0.0))?;
        }
        fleet.switch(&canary)?;

        if !fleet.is_rollback() {
            for (number, stage) in self.all_stages().into_iter().enumerate() {
                rollout::begin(&format!("canary at {stage}"));
                fleet.split(&fleet.with_share(group, stage.0))?;
                let soak = match self.first_soak {
                    Some(first) if number == 0 => first,
                    _ => self.soak.at(number),
                };
                self.soak(&fleet, soak, &canary, &rest)?;
            }
            self.ask(&canary, &rest, deployment)?;
        }
        self.follow(&mut fleet, group, &rest)
    }
}

impl Canary {
    /// Nothing runs yet, so nothing can be compared: all at once.
    fn run_first(&self, mut fleet: Fleet) -> Result<()> {
        if !self.takes_idle() {
            self.canary_group(&fleet)?;
            return fleet.first();
        }
        let all: Vec<&Target> = fleet.targets().iter().collect();
        rollout::begin("install");
        rollout::install(&all)?;
        rollout::begin("activate");
        fleet.switch(&all)?;
        rollout::begin("traffic");
        let serving = fleet.groups().first().map_or("", |group| group.name);
        fleet.split(&fleet.proportional(100.0, &[serving]))
    }

    fn takes_idle(&self) -> bool {
        self.group == "idle"
    }

    fn canary_group<'a>(&self, fleet: &Fleet<'a>) -> Result<&'a str> {
        if !self.takes_idle() {
            let group = fleet.group(&self.group)?.name;
            if fleet.others(group).is_empty() {
                return Err(Failure::invalid(format!(
                    "every target is in group `{group}`; a canary needs others to compare with"
                )));
            }
            return Ok(group);
        }
        let idle = fleet
            .groups()
            .iter()
            .filter(|group| fleet.share(group.name) <= 0.0);
        let idle: Vec<&str> = idle.map(|group| group.name).collect();
        match idle[..] {
            [group] if fleet.groups().len() > 1 => Ok(group),
            [] => Err(Failure::invalid(
                "every group gets traffic, so none is idle; name the canary's group",
            )),
            _ => Err(Failure::invalid(format!(
                "more than one group gets no traffic ({}); name the canary's group",
                idle.join(", ")
            ))),
        }
    }

    /// The stages, with `traffic-percent` before them.
    fn all_stages(&self) -> Vec<Percent> {
        let Some(first) = self.traffic_percent else {
            return self.stages.clone();
        };
        let later = self.stages.iter().copied().filter(|stage| *stage > first);
        std::iter::once(first).chain(later).collect()
    }

    fn soak(
        &self,
        fleet: &Fleet,
        duration: Duration,
        candidate: &[&Target],
        baseline: &[&Target],
    ) -> Result<()> {
        if !self.watch {
            return match duration {
                Duration::ZERO => Ok(()),
                duration => rollout::wait(Some(duration)),
            };
        }
        if fleet.soak(duration, candidate, baseline)? {
            return Ok(());
        }
        match self.inconclusive {
            Inconclusive::Continue => Ok(()),
            Inconclusive::Fail => Err(Failure::breached(
                "the analysis could not tell whether the canary is well; \
                 `inconclusive = \"continue\"` would go on",
            )),
        }
    }

    fn ask(&self, canary: &[&Target], rest: &[&Target], deployment: &Deployment) -> Result<()> {
        if !self.approve {
            return Ok(());
        }
        let names: Vec<&str> = canary.iter().map(|target| target.name.as_str()).collect();
        let question = format!(
            "{} {} on {}. Go on to the other {}?",
            deployment.application,
            deployment.release.version,
            names.join(", "),
            rest.len()
        );
        rollout::approval(&question, self.approve_timeout)
    }

    /// The rest of the fleet gets the release.
    fn follow<'a>(&self, fleet: &mut Fleet<'a>, group: &str, rest: &[&'a Target]) -> Result<()> {
        let evenly = fleet.evenly();
        if self.takes_idle() {
            rollout::begin("all traffic on the canary");
            fleet.split(&fleet.with_share(group, 100.0))?;
        } else if fleet.is_rollback() {
            // The canary carries its part while others are switched, as after its stages.
            fleet.split(&evenly)?;
        }
        rollout::begin("the rest of the fleet");
        let finally = (!self.takes_idle()).then_some(&evenly[..]);
        fleet.roll(rest, self.batch, finally, |fleet, done, last| {
            if last || fleet.is_rollback() {
                return Ok(());
            }
            self.soak(fleet, self.pause, done, &[])
        })
    }
}

runtime_sdk::plugin!(strategy: Canary, "canary");

#[cfg(test)]
mod tests;
