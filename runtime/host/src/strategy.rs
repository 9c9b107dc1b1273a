//! A strategy at work: its calls become operations, and their answers go back to it. One instance
//! lives for the whole run.

mod exchange;

use std::{collections::BTreeMap, future::poll_fn, pin::pin, sync::Arc, task::Poll};

use async_trait::async_trait;
use bindings::{
    Answer, Calls, Kind, Limits, Outcome, State, StrategyCalls, analysis::Verdict, logs::Level,
    traffic::Share,
};
use engine::{
    Answer as Done, Brief, Code, Failure, Name, Operation, Operations, Purpose, Release, Target,
    World,
};
use serde_json::{Value, json};

use self::exchange::Exchange;
use crate::{
    bounds::{self, Ended},
    broken,
    call::now,
    capability::{fields_of, message_of},
    convert,
    error::HostError,
    plugin::Plugin,
    secret,
    services::{LogLine, LogSink},
};

/// What a strategy is told of the deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// Unique in the store.
    pub id: String,
    /// The application.
    pub application: String,
    /// The environment.
    pub environment: String,
    /// Forward or back.
    pub purpose: Purpose,
    /// What goes out.
    pub release: Release,
    /// What ran before.
    pub previous: Option<Release>,
    /// Where to.
    pub targets: Vec<Target>,
    /// The release that runs on each target.
    pub active: BTreeMap<Name, Option<Name>>,
    /// Which region this is, where there are several.
    pub region: Option<String>,
    /// `balancer`, `analysis`, `traits`.
    pub details: Value,
}

impl Deployment {
    /// What a strategy is told of a deployment that found the world so. `analysis` says whether
    /// the operator has one.
    pub fn new(brief: &Brief, world: &World, analysis: bool) -> Self {
        let active = |target: &Target| {
            let state = world.targets.get(&target.name);
            (
                target.name.clone(),
                state.and_then(|state| state.active.clone()),
            )
        };
        let balancer = brief.rules.balancer.as_ref();
        Self {
            id: brief.id.clone(),
            application: brief.application.clone(),
            environment: brief.environment.clone(),
            purpose: brief.purpose,
            release: brief.release.clone(),
            previous: brief.previous.clone(),
            targets: brief.targets.clone(),
            active: brief.targets.iter().map(active).collect(),
            region: None,
            details: json!({
                "balancer": balancer.is_some(),
                "analysis": analysis,
                "bystanders": brief.bystanders,
                "traits": balancer.map(|traits| traits.names.clone()).unwrap_or_default(),
            }),
        }
    }
}

/// What a strategy is given at its start, in the contract's words.
struct Given {
    id: String,
    deployment: bindings::deployment_strategy::Deployment,
    settings: String,
}

/// A strategy, ready to run: each run is an instance of its own. Cheap to clone.
#[derive(Clone)]
pub struct StrategyPlugin {
    plugin: Plugin,
    given: Arc<Given>,
    limits: Limits,
    logs: Arc<dyn LogSink>,
}

impl StrategyPlugin {
    /// Fails where the plugin is of another kind.
    pub fn new(
        plugin: Plugin,
        deployment: &Deployment,
        settings: &Value,
        logs: Arc<dyn LogSink>,
    ) -> Result<Self, HostError> {
        plugin.expect(Kind::Strategy)?;
        let given = Given {
            id: deployment.id.clone(),
            deployment: convert::deployment(deployment),
            // No secret has any business in a strategy: it gets the same text in every run.
            settings: secret::with_placeholders(settings).to_string(),
        };
        Ok(Self {
            plugin,
            given: Arc::new(given),
            limits: bounds::STRATEGY,
            logs,
        })
    }

    /// The same with other bounds.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// How far a strategy has come.
enum Step<T> {
    /// It asks, and waits for the answer.
    Asks(Operation),
    /// It came to its end.
    Ended(T),
}

#[async_trait]
impl engine::Strategy for StrategyPlugin {
    async fn run(&mut self, operations: &mut dyn Operations) -> Result<(), Failure> {
        let exchange = Exchange::default();
        let calls = Asking {
            exchange: exchange.clone(),
            logs: Arc::clone(&self.logs),
            plugin: self.plugin.name().to_owned(),
            deployment: self.given.id.clone(),
        };
        let state = State::new(Calls::Strategy(Box::new(calls)), self.limits);
        let Given {
            deployment,
            settings,
            ..
        } = &*self.given;
        let linked = self.plugin.linked().await?;
        let mut running = pin!(linked.run_strategy(state, deployment, settings));
        let ended = loop {
            let step = poll_fn(|context| match running.as_mut().poll(context) {
                Poll::Ready(ended) => Poll::Ready(Step::Ended(ended)),
                // Where it asks for nothing it only makes room for others.
                Poll::Pending => match exchange.asked() {
                    Some(operation) => Poll::Ready(Step::Asks(operation)),
                    None => Poll::Pending,
                },
            });
            match step.await {
                Step::Ended(ended) => break ended,
                Step::Asks(operation) => {
                    exchange.answer(operations.perform(operation).await);
                    if operations.over() {
                        return Err(stopped(&self.plugin));
                    }
                }
            }
        };
        match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(refusal)) => Err(broken::refused(&self.plugin, convert::failure(refusal))),
            Err(end) => {
                let doing = "run the deployment";
                Err(broken::failure(&self.plugin, &Ended::Broken(end), doing))
            }
        }
    }
}

/// The failure of a strategy that is not asked to end any more, but ended.
fn stopped(plugin: &Plugin) -> Failure {
    let failure = Failure::new(
        Code::Interrupted,
        "was stopped, since the deployment is over",
    );
    broken::refused(plugin, failure)
}

/// The strategy's side: asks, and waits for the answer.
struct Asking {
    exchange: Exchange,
    logs: Arc<dyn LogSink>,
    plugin: String,
    deployment: String,
}

impl Asking {
    async fn ask(&mut self, operation: Operation) -> wasmtime::Result<Result<Done, Failure>> {
        Ok(self.exchange.ask(operation).await)
    }

    /// An operation whose answer is that it is done.
    async fn carry_out(&mut self, operation: Operation) -> Outcome<()> {
        Ok(given(self.ask(operation).await?).map(|_| ()))
    }
}

fn given(answer: Result<Done, Failure>) -> Answer<Done> {
    answer.map_err(convert::guest_failure)
}

fn names(targets: Vec<String>) -> Vec<Name> {
    targets.into_iter().map(Name::from).collect()
}

/// The answer belongs to another operation: a mistake of the host's.
fn mismatched(answer: &Done) -> wasmtime::Error {
    wasmtime::format_err!("was answered with {answer:?}, which is no answer to its question")
}

#[async_trait]
impl StrategyCalls for Asking {
    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) {
        self.logs.line(LogLine {
            at: now(),
            level,
            plugin: self.plugin.clone(),
            deployment: self.deployment.clone(),
            message: message_of(&message),
            fields: fields_of(fields, |text| text),
        });
    }

    async fn install(&mut self, targets: Vec<String>) -> Outcome<()> {
        self.carry_out(Operation::Install {
            targets: names(targets),
        })
        .await
    }

    async fn activate(&mut self, targets: Vec<String>) -> Outcome<()> {
        self.carry_out(Operation::Activate {
            targets: names(targets),
        })
        .await
    }

    async fn current(&mut self) -> Outcome<Vec<Share>> {
        match given(self.ask(Operation::ReadTraffic).await?) {
            Ok(Done::Traffic(shares)) => {
                let share = |share: engine::Share| Share {
                    group: share.group.to_string(),
                    percent: share.percent,
                };
                Ok(Ok(shares.into_iter().map(share).collect()))
            }
            Ok(other) => Err(mismatched(&other)),
            Err(failure) => Ok(Err(failure)),
        }
    }

    async fn split(&mut self, shares: Vec<Share>) -> Outcome<()> {
        let share = |share: Share| engine::Share {
            group: Name::from(share.group),
            percent: share.percent,
        };
        let shares = shares.into_iter().map(share).collect();
        self.carry_out(Operation::Split { shares }).await
    }

    async fn drain(&mut self, targets: Vec<String>, timeout_ms: Option<u64>) -> Outcome<()> {
        self.carry_out(Operation::Drain {
            targets: names(targets),
            timeout_ms,
        })
        .await
    }

    async fn restore(&mut self, targets: Vec<String>) -> Outcome<()> {
        self.carry_out(Operation::Restore {
            targets: names(targets),
        })
        .await
    }

    async fn await_healthy(
        &mut self,
        targets: Vec<String>,
        timeout_ms: Option<u64>,
    ) -> Outcome<()> {
        self.carry_out(Operation::AwaitHealthy {
            targets: names(targets),
            timeout_ms,
        })
        .await
    }

    async fn watch(
        &mut self,
        candidate: Vec<String>,
        baseline: Vec<String>,
        duration_ms: u64,
    ) -> Outcome<Verdict> {
        let (candidate, baseline) = (names(candidate), names(baseline));
        let operation = Operation::Watch {
            candidate,
            baseline,
            duration_ms,
        };
        match given(self.ask(operation).await?) {
            Ok(Done::Verdict { kind, details }) => Ok(Ok(Verdict {
                kind,
                details: convert::json(&details),
            })),
            Ok(other) => Err(mismatched(&other)),
            Err(failure) => Ok(Err(failure)),
        }
    }

    async fn begin(&mut self, stage: String) -> wasmtime::Result<()> {
        // The contract lets it not fail: an interruption is told by the next call that can.
        self.ask(Operation::Begin { stage }).await.map(drop)
    }

    async fn wait(&mut self, duration_ms: Option<u64>) -> Outcome<()> {
        self.carry_out(Operation::Wait { duration_ms }).await
    }

    async fn approval(&mut self, question: String, timeout_ms: Option<u64>) -> Outcome<()> {
        self.carry_out(Operation::Approval {
            question,
            timeout_ms,
        })
        .await
    }

    async fn now(&mut self) -> wasmtime::Result<u64> {
        match self.ask(Operation::Now).await? {
            Ok(Done::Time(time)) => Ok(time.0),
            Ok(other) => Err(mismatched(&other)),
            // There is no time to tell any more, and no way to say so.
            Err(failure) => Err(failure.into()),
        }
    }
}

#[cfg(test)]
mod tests;
