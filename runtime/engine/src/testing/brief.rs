//! Briefs to test with.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    rules::{Brief, Count, Health, Purpose, Rules},
    signal::Approvers,
    subject::{Name, Release, Target},
    traffic::BalancerTraits,
};

/// A name.
pub fn name(text: &str) -> Name {
    text.into()
}

/// The default limits, with a load balancer that drains and has 256 weight steps.
pub fn rules() -> Rules {
    Rules {
        minimum_serving: None,
        tolerate: Count::Number(0),
        drain_ms: 30_000,
        downtime: false,
        idle: BTreeSet::new(),
        health: Health {
            unchecked: false,
            timeout_ms: 60_000,
        },
        automatic_rollback: true,
        approvers: Approvers::default(),
        steps: Vec::new(),
        balancer: Some(BalancerTraits {
            names: vec!["shares".into(), "drains".into(), "weight-steps=256".into()],
        }),
        platform: Vec::new(),
    }
}

/// A deployment of release `v2` to these targets, given with their groups.
pub fn brief(targets: &[(&str, &str)]) -> Brief {
    let target = |(name, group): &(&str, &str)| Target {
        name: (*name).into(),
        address: None,
        group: (*group).into(),
        labels: Vec::new(),
        details: Value::Null,
    };
    Brief {
        id: "d1".into(),
        application: "hello".into(),
        environment: "test".into(),
        purpose: Purpose::Deploy,
        release: Release {
            id: "v2".into(),
            version: "2".into(),
            digest: "sha256:0".into(),
            labels: Vec::new(),
            details: Value::Null,
        },
        previous: None,
        targets: targets.iter().map(target).collect(),
        bystanders: std::collections::BTreeSet::new(),
        strategy: "test".into(),
        settings: Value::Null,
        rules: rules(),
    }
}
