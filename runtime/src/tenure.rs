//! How long this process may act: its lease, renewed for as long as the deployment runs, and
//! what stops once it ran out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use engine::{Code, Failure, Timestamp};
use store::{Lease, LeaseError, Store};
use tokio::{task::JoinHandle, time::sleep};

use crate::{interrupt::Interrupt, system};

/// How long a lease lasts without being renewed: longer than any pause of a healthy process,
/// short enough that nobody waits long for a dead one.
pub(crate) const LEASE_MS: u64 = 15_000;
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(5);
/// Before the next try where the store did not answer.
const RETRY: Duration = Duration::from_secs(1);

/// Until when this process may act.
pub(crate) struct Tenure {
    until: AtomicU64,
}

impl Tenure {
    /// That of a lease.
    pub(crate) fn new(lease: &Lease) -> Arc<Self> {
        Arc::new(Self {
            until: AtomicU64::new(lease.until.0),
        })
    }

    /// Fails where the lease ran out without being renewed: then somebody else may act. Holds
    /// again once it was renewed.
    pub(crate) fn holds(&self, now: Timestamp) -> Result<(), Failure> {
        if now.0 < self.until.load(Ordering::Acquire) {
            return Ok(());
        }
        let text = "the lease ran out before it could be renewed: another process may act now";
        Err(Failure::new(Code::Conflict, text))
    }

    /// Renews the lease for as long as the deployment runs. Losing it ends the deployment: the
    /// record refuses the next effect.
    pub(crate) fn keep(
        self: Arc<Self>,
        store: Arc<dyn Store>,
        mut lease: Lease,
        interrupt: Arc<Interrupt>,
    ) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut pause = RENEWAL;
            loop {
                sleep(pause).await;
                match store.renew(&lease, LEASE_MS, system::now()).await {
                    Ok(renewed) => {
                        self.until.store(renewed.until.0, Ordering::Release);
                        (lease, pause) = (renewed, RENEWAL);
                    }
                    Err(LeaseError::Lost { holder, .. }) => {
                        self.until.store(0, Ordering::Release);
                        interrupt.ask(&holder, "the lease was taken");
                        return;
                    }
                    // A store that is away for a moment is asked again soon.
                    Err(_) => pause = RETRY,
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use store::{Owner, Scope};

    use super::*;

    #[test]
    fn nobody_acts_once_the_lease_ran_out() {
        let owner = Owner {
            actor: "ada".to_owned(),
            host: "build-1".to_owned(),
            process: 7,
            purpose: "deploy".to_owned(),
            deployment: None,
        };
        let tenure = Tenure::new(&Lease {
            scope: Scope::new("shop", "test"),
            owner,
            token: 1,
            since: Timestamp(0),
            until: Timestamp(100),
        });
        assert!(tenure.holds(Timestamp(99)).is_ok());
        assert!(tenure.holds(Timestamp(100)).is_err());
    }
}
