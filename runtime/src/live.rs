//! Does what a deployment asks for, with the operator's plugins: the executor that acts.
//!
//! It decides nothing about the deployment: what is refused, recorded or taken back is the
//! engine's. Every wait here has a deadline or ends with an interruption, and a target that does
//! not answer is a failed target.

mod fleet;
mod health;
mod steps;
mod traffic;
mod waits;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use engine::{
    Call, Code, Effect, Executor, Failure, Name, Release, Report, Target, Timestamp, World,
};

pub(crate) use self::{
    fleet::look_at_targets,
    health::{Check, Unproved},
    steps::{Location, Step},
    traffic::{Balancer, CALL as BALANCER_CALL},
};
use machines::Fence;

use crate::{inbox::Inbox, release::Artifacts, tenure::Tenure};

/// The longest that one call of a platform may take: uploads over slow lines.
const PLATFORM_CALL: Duration = Duration::from_secs(15 * 60);
/// So many targets are worked on side by side: enough for a large fleet, few enough for the
/// memory and the file descriptors of a small host.
const SIDE_BY_SIDE: usize = 64;

/// Acts, with the operator's plugins.
pub(crate) struct Live {
    /// Everything that the deployment's calls have in common.
    pub(crate) subject: Arc<Subject>,
    /// Puts releases on targets; one worker a target, since each may be on another machine.
    pub(crate) platforms: Arc<BTreeMap<Name, host::Platform>>,
    /// Who gets the traffic, where there is such a thing.
    pub(crate) balancer: Option<Balancer>,
    /// What every target must pass.
    pub(crate) checks: Vec<Check>,
    /// In the order of the configuration.
    pub(crate) steps: Vec<Step>,
    /// What people outside say.
    pub(crate) inbox: Arc<Inbox>,
    /// Until when this process may act.
    pub(crate) tenure: Arc<Tenure>,
    /// What releases are made of.
    pub(crate) artifacts: Arc<Artifacts>,
    /// The release that goes out, until it is known that it can.
    pub(crate) incoming: Option<Name>,
}

/// What all calls of one deployment have in common.
pub(crate) struct Subject {
    /// The deployment's id.
    pub(crate) deployment: String,
    /// The application.
    pub(crate) application: String,
    /// The environment.
    pub(crate) environment: String,
    /// Grows with each holder of the lease; 0 where there is none.
    pub(crate) token: u64,
    /// Keeps a deployment that lost its lease from changing a machine; none for who only looks.
    pub(crate) fence: Option<Fence>,
    /// By name.
    pub(crate) targets: BTreeMap<Name, Target>,
    /// By id: the one that goes out, and those that may come back.
    pub(crate) releases: BTreeMap<Name, Release>,
}

impl Subject {
    /// The target of that name.
    pub(crate) fn target(&self, name: &Name) -> Result<&Target, Failure> {
        self.targets
            .get(name)
            .ok_or_else(|| Failure::new(Code::Internal, format!("there is no target {name}")))
    }

    fn release(&self, id: &Name) -> Result<&Release, Failure> {
        self.releases.get(id).ok_or_else(|| {
            let text = format!("nothing is known of release {id}, which is to run again");
            Failure::new(Code::Missing, text)
        })
    }

    /// The circumstances of one plugin call within an effect.
    fn call(&self, call: &Call, part: &str, within: Duration) -> host::CallContext {
        host::CallContext {
            attempt: call.attempt,
            ..self.context(
                format!("{}/{}/{part}", self.deployment, call.sequence),
                within,
            )
        }
    }

    /// The circumstances of a plugin call that belongs to no effect.
    pub(crate) fn aside(&self, what: &str, name: &Name, within: Duration) -> host::CallContext {
        self.context(format!("{}/{what}/{name}", self.deployment), within)
    }

    fn context(&self, id: String, within: Duration) -> host::CallContext {
        host::CallContext {
            deployment: self.deployment.clone(),
            application: self.application.clone(),
            environment: self.environment.clone(),
            timeout: Some(within),
            token: self.token,
            reading: self.fence.is_none(),
            fence: self.fence.clone(),
            ..host::CallContext::new(id)
        }
    }
}

#[async_trait]
impl Executor for Live {
    async fn observe(&mut self) -> Result<World, Failure> {
        let (targets, unreachable) = look_at_targets(&self.subject, &self.platforms).await;
        if let Some(release) = self.incoming.take() {
            self.can_go_out(&release, &targets).await?;
        }
        let reading = match &mut self.balancer {
            Some(balancer) => Some(balancer.look(&self.subject).await?),
            None => None,
        };
        Ok(World {
            targets,
            unreachable,
            reading,
        })
    }

    async fn execute(&mut self, effect: &Effect, call: &Call) -> Report {
        // A process that was stopped for long wakes up wherever it was, also here.
        if let Err(failure) = self.tenure.held().await {
            return Report::failed(failure);
        }
        match effect {
            Effect::Observe => match self.observe().await {
                Ok(world) => Report {
                    world: Some(world),
                    ..Report::default()
                },
                Err(failure) => Report::failed(failure),
            },
            Effect::Install { targets, release } => self.install(targets, release, call).await,
            Effect::Activate { releases } => self.activate(releases, call).await,
            Effect::Deactivate { targets } => self.deactivate(targets, call).await,
            Effect::Remove { targets, release } => self.remove(targets, release, call).await,
            Effect::ReadTraffic => match &mut self.balancer {
                Some(balancer) => balancer.read(&self.subject, call).await,
                None => Report::default(),
            },
            Effect::Apply {
                traffic,
                drained,
                joining,
                drain_ms,
            } => match &mut self.balancer {
                Some(balancer) => {
                    let change = traffic::Change {
                        traffic,
                        drained,
                        joining,
                        drain_ms: *drain_ms,
                    };
                    balancer.apply(&self.subject, &change, call).await
                }
                None => Report::default(),
            },
            Effect::AwaitHealthy {
                releases,
                timeout_ms,
            } => self.await_healthy(releases, *timeout_ms, call).await,
            Effect::Watch { since, until, .. } => self.wait(*since, Some(*until), call).await,
            Effect::Wait { since, until } => self.wait(*since, *until, call).await,
            Effect::Hold { .. } => self.hold(call).await,
            Effect::Approval {
                question,
                approvers,
                since,
                until,
            } => {
                self.approval(question, approvers, *since, *until, call)
                    .await
            }
            Effect::Step {
                step,
                point,
                targets,
            } => self.step(*step, *point, targets, call).await,
            Effect::UndoStep {
                step,
                point,
                targets,
                outcome,
            } => self.undo_step(*step, *point, targets, outcome, call).await,
        }
    }

    fn now(&self) -> Timestamp {
        self.inbox.now()
    }
}

/// The names of a map's keys.
fn names<T>(map: &BTreeMap<Name, T>) -> BTreeSet<Name> {
    map.keys().cloned().collect()
}
