//! A plugin that speaks one load balancer's language.

use bindings::Kind;
use engine::{BalancerTraits, Failure, Reading, Target, Traffic};

use super::nonsense;
use crate::{
    convert,
    error::HostError,
    worker::{About, CallContext, Worker},
};

/// A load balancer, by its driver.
#[derive(Clone)]
pub struct LoadBalancer(Worker);

impl LoadBalancer {
    /// Fails where the plugin is of another kind.
    pub fn new(worker: Worker) -> Result<Self, HostError> {
        worker.plugin().expect(Kind::LoadBalancer)?;
        Ok(Self(worker))
    }

    /// The plugin at work.
    pub fn worker(&self) -> &Worker {
        &self.0
    }

    /// What it can do: from itself where it knows, else by looking.
    pub async fn traits(&self, context: &CallContext) -> Result<BalancerTraits, Failure> {
        if let Ok(names) = self.0.traits().await {
            return Ok(BalancerTraits { names });
        }
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked.balancer_traits(state, &settings).await
        };
        let names = self
            .0
            .call("tell its traits", context, About::default(), call)
            .await?;
        Ok(BalancerTraits { names })
    }

    /// What it does now.
    pub async fn read(
        &self,
        targets: &[Target],
        context: &CallContext,
    ) -> Result<Reading, Failure> {
        let theirs = convert::targets(targets);
        let about = About {
            targets: targets.to_vec(),
            release: None,
        };
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked.read_balancer(state, &theirs, &settings).await
        };
        let mut reading = self
            .0
            .call("read the load balancer", context, about, call)
            .await?;
        reading.details = self.0.redact(reading.details);
        convert::reading(reading).map_err(|what| nonsense(self.0.plugin(), &what))
    }

    /// Makes it do exactly this, over `all` targets of the configuration. Where `expected` is a
    /// revision that was read before, and it is no longer that one, the failure is `conflict`.
    pub async fn apply(
        &self,
        traffic: &Traffic,
        all: &[Target],
        expected: Option<&str>,
        context: &CallContext,
    ) -> Result<(), Failure> {
        let desired = convert::desired(traffic, all, expected);
        let about = About {
            targets: all.to_vec(),
            release: None,
        };
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked.apply_balancer(state, &desired, &settings).await
        };
        self.0
            .call("change the load balancer", context, about, call)
            .await
    }
}
