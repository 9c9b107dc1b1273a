//! Strategies as lists of calls, and some that do not behave.

use async_trait::async_trait;

use crate::{Answer, Failure, Name, Operation, Operations, Share, Strategy};

/// Makes its calls in order, and ends at the first that fails.
pub(super) struct Script(pub(super) Vec<Operation>);

#[async_trait]
impl Strategy for Script {
    async fn run(&mut self, operations: &mut dyn Operations) -> Result<(), Failure> {
        for operation in &self.0 {
            operations.perform(operation.clone()).await?;
        }
        Ok(())
    }
}

/// Makes its calls in order whatever the answers are, and ends well. Keeps the answers.
pub(super) struct Careless(
    pub(super) Vec<Operation>,
    pub(super) Vec<Result<Answer, Failure>>,
);

impl Careless {
    pub(super) fn new(calls: Vec<Operation>) -> Self {
        Self(calls, Vec::new())
    }

    /// Why each call failed that did.
    pub(super) fn failures(&self) -> Vec<&Failure> {
        self.1
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .collect()
    }
}

#[async_trait]
impl Strategy for Careless {
    async fn run(&mut self, operations: &mut dyn Operations) -> Result<(), Failure> {
        for operation in &self.0 {
            let answer = operations.perform(operation.clone()).await;
            self.1.push(answer);
        }
        Ok(())
    }
}

/// Makes one call for ever.
pub(super) struct Endless(pub(super) Operation);

#[async_trait]
impl Strategy for Endless {
    async fn run(&mut self, operations: &mut dyn Operations) -> Result<(), Failure> {
        loop {
            let _ = operations.perform(self.0.clone()).await;
        }
    }
}

fn names(targets: &[&str]) -> Vec<Name> {
    targets.iter().map(|name| (*name).into()).collect()
}

pub(super) fn install(targets: &[&str]) -> Operation {
    Operation::Install {
        targets: names(targets),
    }
}

pub(super) fn activate(targets: &[&str]) -> Operation {
    Operation::Activate {
        targets: names(targets),
    }
}

pub(super) fn healthy(targets: &[&str]) -> Operation {
    Operation::AwaitHealthy {
        targets: names(targets),
        timeout_ms: None,
    }
}

pub(super) fn drain(targets: &[&str]) -> Operation {
    Operation::Drain {
        targets: names(targets),
        timeout_ms: None,
    }
}

pub(super) fn restore(targets: &[&str]) -> Operation {
    Operation::Restore {
        targets: names(targets),
    }
}

pub(super) fn split(shares: &[(&str, f64)]) -> Operation {
    let share = |(group, percent): &(&str, f64)| Share {
        group: (*group).into(),
        percent: *percent,
    };
    Operation::Split {
        shares: shares.iter().map(share).collect(),
    }
}

pub(super) fn wait() -> Operation {
    Operation::Wait {
        duration_ms: Some(60_000),
    }
}

/// All at once, under traffic.
pub(super) fn simple(targets: &[&str]) -> Vec<Operation> {
    vec![install(targets), activate(targets), healthy(targets)]
}

/// One target after the other.
pub(super) fn rolling(targets: &[&str]) -> Vec<Operation> {
    let mut calls = vec![install(targets)];
    for target in targets {
        let one = &[*target];
        calls.extend([
            drain(one),
            activate(one),
            healthy(one),
            restore(one),
            wait(),
        ]);
    }
    calls
}

/// The green group gets the release, then the traffic, in shares.
pub(super) fn blue_green(green: &[&str]) -> Vec<Operation> {
    vec![
        install(green),
        activate(green),
        healthy(green),
        split(&[("blue", 90.0), ("green", 10.0)]),
        wait(),
        split(&[("blue", 50.0), ("green", 50.0)]),
        wait(),
        split(&[("blue", 0.0), ("green", 100.0)]),
        wait(),
    ]
}

/// A canary group with one member, then the stable group one by one.
pub(super) fn canary(canary: &str, stable: &[&str]) -> Vec<Operation> {
    let one = &[canary][..];
    let mut all = vec![canary];
    all.extend(stable);
    let mut calls = vec![
        install(&all),
        split(&[("canary", 0.0), ("stable", 100.0)]),
        activate(one),
        healthy(one),
    ];
    for percent in [10.0, 25.0, 50.0] {
        calls.push(Operation::Begin {
            stage: format!("{percent} %"),
        });
        calls.push(split(&[("canary", percent), ("stable", 100.0 - percent)]));
        calls.push(wait());
    }
    for target in stable {
        let one = &[*target];
        calls.extend([drain(one), activate(one), healthy(one), restore(one)]);
    }
    calls.push(split(&[("canary", 25.0), ("stable", 75.0)]));
    calls
}
