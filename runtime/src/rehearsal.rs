//! From a checked configuration to what is rehearsed: the deployment, the strategy that would run
//! it, and what is assumed of the world. Opens no store, reaches no machine, and calls no driver
//! but to learn what it can do by itself.

mod html;
mod plot;
mod text;
mod words;
mod written;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use configuration::{Configuration, Contents, PluginUse};
use engine::{BalancerTraits, Brief, Failure, Name, Purpose, Release, World};
use host::{Services, StrategyPlugin};
use rehearsal::{Habits, Odds, Plan, Scene, Strategies, Summary};
use serde_json::Value;

pub(crate) use self::{
    html::page,
    text::{outcome, report},
    words::Circumstances,
    written::{Written, WrittenChange, faults},
};
use crate::{
    assemble,
    catalogue::Catalogue,
    fleet,
    report::{self, Problem, Reason},
    strategy::Strategy,
};

/// A deployment, ready to be rehearsed.
pub(crate) struct Rehearsal {
    /// The world it finds, and what is assumed of it.
    pub(crate) scene: Scene,
    /// The strategy, for the thread that begins.
    pub(crate) player: Player,
    others: Vec<Player>,
}

/// The strategy for one thread.
pub(crate) struct Player {
    brief: Arc<Brief>,
    strategy: Strategy,
    whole: StrategyPlugin,
}

impl Rehearsal {
    /// Puts it together, for so many threads.
    pub(crate) async fn of(
        configuration: &Configuration,
        catalogue: &Catalogue,
        version: &str,
        bystanders: BTreeSet<Name>,
        jobs: u32,
    ) -> Result<Self, Problem> {
        let contents = &configuration.contents;
        let used = catalogue.get(&contents.strategy).ok_or_else(lost)?;
        let strategy = Strategy::new(used, contents, Services::nothing().logs);
        let platform = traits(catalogue, &contents.platform).await?;
        let balancer = match &contents.load_balancer {
            Some(section) => Some(BalancerTraits {
                names: traits(catalogue, &section.plugin).await?,
            }),
            None => None,
        };
        if let (Some(section), Some(traits)) = (&contents.load_balancer, &balancer) {
            report::suits(configuration, &strategy, &section.plugin.name, traits)?;
        }
        let rules = assemble::rules::rules(contents, &strategy, balancer, platform);
        let brief = Brief {
            id: "rehearsal".to_owned(),
            application: contents.application.clone(),
            environment: contents.environment.clone(),
            purpose: Purpose::Deploy,
            release: release(version),
            previous: Some(release("before")),
            targets: contents.targets.iter().map(fleet::target).collect(),
            bystanders,
            strategy: contents.strategy.name.clone(),
            settings: contents.strategy.settings.clone(),
            rules,
        };
        let scene = scene(brief, contents);
        let player = Player::of(&scene, &strategy).await?;
        let mut others = Vec::new();
        for _ in 1..jobs {
            others.push(Player::of(&scene, &strategy).await?);
        }
        Ok(Self {
            scene,
            player,
            others,
        })
    }

    /// Runs it so often.
    pub(crate) fn run(&self, plan: Plan) -> Summary {
        let others = self.others.iter();
        let others: Vec<_> = others.map(|player| player as &dyn Strategies).collect();
        rehearsal::rehearse(&self.scene, &self.player, &others, plan)
    }
}

impl Player {
    async fn of(scene: &Scene, strategy: &Strategy) -> Result<Self, Problem> {
        let strategy = strategy.apart().await?;
        let brief = Arc::clone(scene.brief());
        let whole = strategy
            .prepared(&brief, &scene.found())
            .map_err(|failure| Problem::new(Reason::Bug, failure.message))?;
        Ok(Self {
            brief,
            strategy,
            whole,
        })
    }
}

impl Strategies for Player {
    fn strategy(&self, found: &World) -> Result<Box<dyn engine::Strategy>, Failure> {
        // What is found is nearly always the same.
        let strategy = match found.unreachable.is_empty() {
            true => self.whole.clone(),
            false => self.strategy.prepared(&self.brief, found)?,
        };
        Ok(Box::new(strategy))
    }
}

fn scene(brief: Brief, contents: &Contents) -> Scene {
    let traffic: BTreeMap<Name, f64> = contents
        .rehearsal
        .traffic
        .iter()
        .map(|(group, share)| (Name::from(group.as_str()), *share))
        .collect();
    let mut scene = Scene::running(Arc::new(brief))
        .with_habits(habits(contents))
        .with_odds(odds(&contents.rehearsal.faults));
    if !traffic.is_empty() {
        scene = scene.with_traffic(&traffic);
    }
    scene
}

/// How long things take: as the operator says, and as the health checks are set.
pub(crate) fn habits(contents: &Contents) -> Habits {
    let written = &contents.rehearsal;
    let slowest = |each: &dyn Fn(&configuration::HealthCheck) -> u64| {
        contents.health_checks.iter().map(each).max().unwrap_or(0)
    };
    let patience_ms = slowest(&|check| {
        check.start_period.as_ms() + check.interval.as_ms() * u64::from(check.failures)
    });
    let usual = Habits::default();
    let soon = match contents.health_checks.is_empty() {
        true => usual.start_ms,
        false => usual.start_ms.min(patience_ms / 2),
    };
    Habits {
        install_ms: written.install.as_ms(),
        activate_ms: written.activate.as_ms(),
        // An operator who waits for less knows that it takes less.
        start_ms: written.start.map_or(soon, configuration::Duration::as_ms),
        drain_ms: written.drain.as_ms(),
        step_ms: written.step.as_ms(),
        answer_ms: written.answer.as_ms(),
        away_ms: written.away.as_ms(),
        proof_ms: slowest(&|check| {
            check.interval.as_ms() * u64::from(check.successes.saturating_sub(1))
        }),
        notice_ms: slowest(&|check| check.interval.as_ms() * u64::from(check.failures)),
        patience_ms,
        ..usual
    }
}

fn odds(faults: &configuration::Faults) -> Odds {
    Odds {
        install_fails: faults.install_fails,
        activate_fails: faults.activate_fails,
        slow_start: faults.slow_start,
        never_up: faults.never_up,
        falls_over: faults.falls_over,
        unreachable: faults.unreachable,
        no_way_back: faults.no_way_back,
        bad_release: faults.bad_release,
        bad_under_load: faults.bad_under_load,
        bad_for_some: faults.bad_for_some,
        balancer_refuses: faults.balancer_refuses,
        balancer_hangs: faults.balancer_hangs,
        balancer_late: faults.balancer_late,
        balancer_lies: faults.balancer_lies,
        step_fails: faults.step_fails,
        metrics: faults.metrics,
        killed: faults.killed,
        lease_lost: faults.lease_lost,
        aborted: faults.aborted,
    }
}

async fn traits(catalogue: &Catalogue, section: &PluginUse) -> Result<Vec<String>, Problem> {
    let used = catalogue.get(section).ok_or_else(lost)?;
    let said = used.plugin.traits(&section.settings).await;
    said.map_err(|failure| {
        let name = &section.name;
        let title = format!("`{name}` cannot say what it can do without looking at the world");
        Problem::new(Reason::Refused, title)
            .cause(failure)
            .hint("a driver's traits hang on its settings alone, so that they can be known before it acts")
    })
}

fn release(version: &str) -> Release {
    Release {
        id: version.into(),
        version: version.to_owned(),
        digest: format!("sha256:{}", "0".repeat(64)),
        labels: Vec::new(),
        details: Value::Null,
    }
}

fn lost() -> Problem {
    Problem::new(Reason::Bug, "a plugin that was loaded is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_assumed_without_a_word_is_the_same_everywhere() {
        assert_eq!(odds(&configuration::Faults::default()), Odds::default());
    }
}
