//! How long this process may act: its lease, renewed for as long as the deployment runs, and
//! what stops once it ran out.

use std::{sync::Arc, time::Duration};

use engine::{Code, Failure, Timestamp};
use store::{Lease, LeaseError, Store};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{interrupt::Interrupt, serve::Metrics, system};

/// How long a lease lasts without being renewed: longer than any pause of a healthy process,
/// short enough that nobody waits long for a dead one.
pub(crate) const LEASE: Duration = Duration::from_secs(15);
/// How often it is renewed before it would run out: two tries may fail.
const RENEWALS: u32 = 3;
/// The longest time before the next try where the store did not answer.
const RETRY: Duration = Duration::from_secs(1);
/// How long it may take to learn whose a lease is that seems to have run out.
const WORD: Duration = Duration::from_secs(5);

/// A length as the store has it.
pub(crate) fn milliseconds(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// From one renewal of a lease of that length to the next.
pub(crate) fn renewal(length: Duration) -> Duration {
    length / RENEWALS
}

/// Until when this process may act.
pub(crate) struct Tenure {
    until: watch::Sender<Timestamp>,
    /// That it is to be renewed at once.
    wanted: Notify,
}

impl Tenure {
    fn new(lease: &Lease) -> Arc<Self> {
        Arc::new(Self {
            until: watch::Sender::new(lease.until),
            wanted: Notify::new(),
        })
    }

    /// Fails where the lease ran out without being renewed: then somebody else may act. Holds
    /// again once it was renewed.
    pub(crate) fn holds(&self, now: Timestamp) -> Result<(), Failure> {
        if now < *self.until.borrow() {
            return Ok(());
        }
        let text = "the lease ran out before it could be renewed: another process may act now";
        Err(Failure::new(Code::Conflict, text))
    }

    /// The same, once it was asked for again where it seems to have run out: after a clock that
    /// stepped, or a machine that slept, it may still be nobody else's.
    pub(crate) async fn held(&self) -> Result<(), Failure> {
        let mut until = self.until.subscribe();
        if self.holds(system::now()).is_err() {
            self.wanted.notify_one();
            // What comes is held against the time below; where nothing comes, nothing holds.
            let _word = timeout(WORD, until.changed()).await;
        }
        self.holds(system::now())
    }
}

/// A lease that is renewed until this is dropped; it is not let go of by that.
pub(crate) struct Hold {
    /// As it was taken.
    pub(crate) lease: Lease,
    /// Until when this process may act under it.
    pub(crate) tenure: Arc<Tenure>,
    renewal: JoinHandle<()>,
}

impl Hold {
    /// Renews the lease, which lasts for `length` each time. Losing it ends the deployment: the
    /// record refuses the next effect. Must be called within the runtime.
    pub(crate) fn keep(
        store: Arc<dyn Store>,
        lease: Lease,
        length: Duration,
        interrupt: Arc<Interrupt>,
        metrics: Option<Arc<Metrics>>,
    ) -> Self {
        let tenure = Tenure::new(&lease);
        let renewing = Renewing {
            store,
            lease: lease.clone(),
            length,
            tenure: tenure.clone(),
            interrupt,
            metrics,
        };
        let renewal = tokio::spawn(renewing.run());
        Self {
            lease,
            tenure,
            renewal,
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// What renewing takes.
struct Renewing {
    store: Arc<dyn Store>,
    lease: Lease,
    length: Duration,
    tenure: Arc<Tenure>,
    interrupt: Arc<Interrupt>,
    metrics: Option<Arc<Metrics>>,
}

impl Renewing {
    async fn run(mut self) {
        let regular = renewal(self.length);
        let mut pause = regular;
        loop {
            tokio::select! {
                () = sleep(pause) => {}
                () = self.tenure.wanted.notified() => {}
            }
            let renewed = self
                .store
                .renew(&self.lease, milliseconds(self.length), system::now())
                .await;
            if let Some(metrics) = &self.metrics {
                metrics.renewed(&renewed);
            }
            match renewed {
                Ok(renewed) => {
                    self.tenure.until.send_replace(renewed.until);
                    (self.lease, pause) = (renewed, regular);
                }
                Err(LeaseError::Lost { holder, .. }) => {
                    self.tenure.until.send_replace(Timestamp(0));
                    self.interrupt.ask(&holder, "the lease was taken");
                    return;
                }
                // A store that is away for a moment is asked again soon.
                Err(_) => pause = RETRY.min(regular),
            }
        }
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
