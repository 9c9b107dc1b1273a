//! Every call that a plugin of each kind can get, made with subjects of the kit's own.

use engine::Failure;
use host::{
    CallContext, HealthCheck, HealthStatus, Kind, LoadBalancer, MetricSource, Notifier, Platform,
    SecretSource, Step, Worker,
};
use serde_json::{Value, json};

use crate::subject;

/// What a load balancer's driver is told to give to the second group, in percent.
const SECOND_GROUP: f64 = 25.0;
const STEP_MS: u64 = 10_000;

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Notify,
    Check,
    Query,
    Series,
    Run,
    Undo,
    Fetch,
    BalancerTraits,
    Read,
    Apply,
    PlatformTraits,
    Active,
    Installed,
    Install,
    Activate,
    Deactivate,
    Remove,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Done {
    /// As much of the answer as must be the same each time.
    pub(crate) answer: String,
    /// Whether the answer says that all is well.
    pub(crate) well: bool,
}

/// What an earlier call of the same play answered.
#[derive(Default)]
pub(crate) struct Memory {
    outcome: Value,
}

impl Deed {
    /// All calls of a kind.
    pub(crate) fn of(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Strategy => &[],
            Kind::Notifier => &[Self::Notify],
            Kind::HealthCheck => &[Self::Check],
            Kind::MetricSource => &[Self::Query, Self::Series],
            Kind::Step => &[Self::Run, Self::Undo],
            Kind::SecretSource => &[Self::Fetch],
            Kind::LoadBalancer => &[Self::BalancerTraits, Self::Read, Self::Apply],
            Kind::Platform => &[
                Self::PlatformTraits,
                Self::Active,
                Self::Installed,
                Self::Install,
                Self::Activate,
                Self::Deactivate,
                Self::Remove,
            ],
        }
    }

    /// The function of the contract.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Check => "check",
            Self::Query => "query",
            Self::Series => "series",
            Self::Run => "run",
            Self::Undo => "undo",
            Self::Fetch => "fetch",
            Self::BalancerTraits | Self::PlatformTraits => "traits",
            Self::Read => "read",
            Self::Apply => "apply",
            Self::Active => "active",
            Self::Installed => "installed",
            Self::Install => "install",
            Self::Activate => "activate",
            Self::Deactivate => "deactivate",
            Self::Remove => "remove",
        }
    }

    /// What must have been done before, in order.
    pub(crate) fn before(self) -> &'static [Self] {
        match self {
            Self::Undo => &[Self::Run],
            Self::Activate | Self::Remove => &[Self::Install],
            Self::Deactivate | Self::Active => &[Self::Install, Self::Activate],
            Self::Installed => &[Self::Install],
            _ => &[],
        }
    }

    /// Does it.
    pub(crate) async fn act(
        self,
        worker: &Worker,
        attempt: u32,
        memory: &mut Memory,
    ) -> Result<Done, Failure> {
        let context = CallContext {
            deployment: "d-1".to_owned(),
            application: "shop".to_owned(),
            environment: "production".to_owned(),
            attempt,
            ..CallContext::new(format!("kit-{}", self.name()))
        };
        match self {
            Self::Notify => told(worker, &context, "succeeded").await,
            Self::Check => check(worker, &context).await,
            Self::Query | Self::Series => self.measure(worker, &context).await,
            Self::Run | Self::Undo => self.step(worker, &context, memory).await,
            Self::Fetch => {
                let secret = source(worker)?.fetch("kit", &context).await?;
                Ok(done(&(secret.value, secret.version)))
            }
            Self::BalancerTraits | Self::Read | Self::Apply => self.balance(worker, &context).await,
            _ => self.host(worker, &context).await,
        }
    }

    async fn measure(self, worker: &Worker, context: &CallContext) -> Result<Done, Failure> {
        let source = MetricSource::new(worker.clone())?;
        let window = subject::window();
        match self {
            Self::Query => Ok(done(&source.query("up", window, context).await?)),
            _ => Ok(done(&source.series("up", window, STEP_MS, context).await?)),
        }
    }

    async fn step(
        self,
        worker: &Worker,
        context: &CallContext,
        memory: &mut Memory,
    ) -> Result<Done, Failure> {
        let (step, occasion) = (Step::new(worker.clone())?, subject::occasion());
        match self {
            Self::Run => memory.outcome = step.run(&occasion, context).await?,
            _ => step.undo(&occasion, &memory.outcome, context).await?,
        }
        // Where a backup lies may differ from one to the next.
        Ok(done(&()))
    }

    async fn balance(self, worker: &Worker, context: &CallContext) -> Result<Done, Failure> {
        let (balancer, fleet) = (LoadBalancer::new(worker.clone())?, subject::fleet());
        match self {
            Self::BalancerTraits => Ok(done(&balancer.traits(context).await?)),
            Self::Read => {
                let reading = balancer.read(&fleet, context).await?;
                let runs = reading.details["running"] != json!(false);
                Ok(Done {
                    answer: format!("{:?}", reading.members),
                    well: runs,
                })
            }
            _ => {
                let traffic = subject::traffic(&fleet, SECOND_GROUP);
                Ok(done(
                    &balancer.apply(&traffic, &fleet, None, context).await?,
                ))
            }
        }
    }

    async fn host(self, worker: &Worker, context: &CallContext) -> Result<Done, Failure> {
        let platform = Platform::new(worker.clone())?;
        let (fleet, release) = (subject::fleet(), subject::new());
        let target = &fleet[0];
        Ok(match self {
            Self::PlatformTraits => done(&platform.traits(context).await?),
            Self::Active => done(&platform.active(target, context).await?),
            Self::Installed => done(&platform.installed(target, context).await?),
            Self::Install => done(&platform.install(target, &release, context).await?),
            Self::Activate => done(&platform.activate(target, &release, context).await?),
            Self::Deactivate => done(&platform.deactivate(target, context).await?),
            _ => done(
                &platform
                    .remove(target, release.id.as_str(), context)
                    .await?,
            ),
        })
    }
}

/// Tells of an event of that kind.
pub(crate) async fn told(
    worker: &Worker,
    context: &CallContext,
    kind: &str,
) -> Result<Done, Failure> {
    let notifier = Notifier::new(worker.clone())?;
    Ok(done(
        &notifier.notify(&subject::notice(kind), context).await?,
    ))
}

async fn check(worker: &Worker, context: &CallContext) -> Result<Done, Failure> {
    let (check, fleet) = (HealthCheck::new(worker.clone())?, subject::fleet());
    let report = check.check(&fleet[0], &subject::new(), context).await?;
    Ok(Done {
        answer: format!("{:?}", report.status),
        well: report.status == HealthStatus::Healthy,
    })
}

fn source(worker: &Worker) -> Result<SecretSource, Failure> {
    Ok(SecretSource::new(worker.clone())?)
}

fn done(answer: &impl std::fmt::Debug) -> Done {
    Done {
        answer: format!("{answer:?}"),
        well: true,
    }
}
