//! Who gets the traffic: what is wanted of a load balancer, and what it says it does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::subject::{Name, Target};

/// What part of the traffic a group gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The group.
    pub group: Name,
    /// Of all traffic.
    pub percent: f64,
}

/// Whether a target takes part in its group's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Admission {
    /// Gets its part.
    Ready,
    /// Gets no new requests and finishes the ones it has.
    Draining,
    /// Gets nothing.
    Out,
}

/// All that is wanted of the load balancer: every group's share, every target's admission.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Percent of all traffic by group; a group not named gets 0.
    pub shares: BTreeMap<Name, f64>,
    /// By target; one not named is out.
    pub admissions: BTreeMap<Name, Admission>,
}

impl Traffic {
    /// The share of a group, in percent.
    pub fn share(&self, group: &str) -> f64 {
        self.shares.get(group).copied().unwrap_or(0.0)
    }

    /// The admission of a target.
    pub fn admission(&self, target: &str) -> Admission {
        self.admissions
            .get(target)
            .copied()
            .unwrap_or(Admission::Out)
    }

    /// Whether new requests reach the target.
    pub fn reaches(&self, target: &Target) -> bool {
        self.admission(target.name.as_str()) == Admission::Ready
            && self.share(target.group.as_str()) > 0.0
    }

    /// What each target gets of all traffic, in percent: its group's share, split evenly
    /// among the group's ready members.
    pub fn percents(&self, targets: &[Target]) -> BTreeMap<Name, f64> {
        let ready = |target: &&Target| self.admission(target.name.as_str()) == Admission::Ready;
        let mut members: BTreeMap<&str, u32> = BTreeMap::new();
        for target in targets.iter().filter(ready) {
            *members.entry(target.group.as_str()).or_default() += 1;
        }
        let part = |target: &Target| {
            let count = members.get(target.group.as_str()).copied().unwrap_or(0);
            if count == 0 || !ready(&target) {
                return 0.0;
            }
            self.share(target.group.as_str()) / f64::from(count)
        };
        targets
            .iter()
            .map(|target| (target.name.clone(), part(target)))
            .collect()
    }
}

/// What the load balancer says of one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberState {
    /// The target's name.
    pub target: Name,
    /// Of all traffic, as far as the load balancer's weights say.
    pub percent: f64,
    /// Whether it gets its part.
    pub admission: Admission,
    /// Whether the load balancer itself thinks the target is up, where it checks.
    pub up: Option<bool>,
    /// Requests or connections under way, where the load balancer tells.
    pub active: Option<u64>,
}

/// What the load balancer does now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The targets it knows.
    pub members: Vec<MemberState>,
    /// Grows or changes with each change, where the load balancer has such a thing.
    pub revision: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

/// What a load balancer can do, read from the names that its driver gives
/// (`wit/worlds.wit`, `balancing.traits`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BalancerTraits {
    /// Every trait as the driver wrote it.
    pub names: Vec<String>,
}

impl BalancerTraits {
    /// Whether the driver has the trait of that name.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The number after the `=` of a trait such as `weight-steps=256`.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.value(name)?.parse().ok()
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.names
            .iter()
            .find_map(|each| match each.split_once('=') {
                Some((key, value)) => (key == name).then_some(value),
                None => (each == name).then_some(""),
            })
    }
}
