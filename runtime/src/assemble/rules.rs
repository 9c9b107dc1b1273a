//! The operator's rules in the engine's words: what it refuses, when steps run, who approves.

use std::collections::BTreeSet;

use configuration::Contents;
use engine::{Approvers, BalancerTraits, Count, Health, Name, Point, Rules, StepRule};

use crate::strategy::Strategy;

/// The rules of a configuration with this strategy, a load balancer and a platform that can do
/// this.
pub(crate) fn rules(
    contents: &Contents,
    strategy: &Strategy,
    balancer: Option<BalancerTraits>,
    platform: Vec<String>,
) -> Rules {
    let limits = &contents.limits;
    let step = |step: &configuration::Step| StepRule {
        name: step.name.clone(),
        at: point(step.at),
        each: step.each,
        irreversible: step.irreversible,
        repeat: step.repeat,
    };
    let mut idle: BTreeSet<Name> = limits
        .idle
        .iter()
        .map(|name| name.as_str().into())
        .collect();
    idle.extend(strategy.idle_groups());
    Rules {
        minimum_serving: limits.minimum_serving.map(count),
        tolerate: count(limits.tolerate),
        drain_ms: limits.drain.as_ms(),
        downtime: limits.downtime || strategy.accepts_downtime(),
        idle,
        health: Health {
            unchecked: limits.unchecked,
            timeout_ms: limits.health_timeout.as_ms(),
        },
        automatic_rollback: contents.rollback.automatic,
        approvers: Approvers {
            by: contents.approvals.by.iter().cloned().collect(),
            needed: contents.approvals.needed,
        },
        steps: contents.steps.iter().map(step).collect(),
        balancer,
        platform,
    }
}

fn count(count: configuration::Count) -> Count {
    match count {
        configuration::Count::Number(number) => Count::Number(number),
        configuration::Count::Percent(percent) => Count::Percent(percent),
    }
}

fn point(point: configuration::Point) -> Point {
    match point {
        configuration::Point::BeforeDeploy => Point::BeforeDeploy,
        configuration::Point::BeforeActivate => Point::BeforeActivate,
        configuration::Point::BeforeTraffic => Point::BeforeTraffic,
        configuration::Point::AfterTraffic => Point::AfterTraffic,
        configuration::Point::AfterDeploy => Point::AfterDeploy,
        configuration::Point::BeforeRollback => Point::BeforeRollback,
        configuration::Point::AfterRollback => Point::AfterRollback,
    }
}
