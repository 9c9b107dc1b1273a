//! Whether targets are well: proving a release, and keeping an eye on it while something waits.

use std::{collections::BTreeMap, fmt, time::Duration};

use engine::{Call, Code, Failure, Name, Release, Report, Target};
use futures::future;
use host::HealthStatus;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::live::{Live, Subject};

/// One of the operator's health checks.
pub(crate) struct Check {
    /// What people see.
    pub(crate) name: String,
    /// Makes the check, by target: a check may run on the target's machine.
    pub(crate) workers: BTreeMap<Name, host::HealthCheck>,
    /// From one check to the next.
    pub(crate) interval: Duration,
    /// How long one check may take.
    pub(crate) timeout: Duration,
    /// So many in a row prove the target.
    pub(crate) successes: u32,
    /// So many in a row give it up.
    pub(crate) failures: u32,
    /// Failures count only after this.
    pub(crate) start_period: Duration,
}

/// Why a check did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unproved {
    /// The target is not well: what was seen.
    Ill(String),
    /// The check could not be made, so that nobody knows.
    Unseen(String),
}

impl fmt::Display for Unproved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Ill(what) | Self::Unseen(what)) = self;
        f.write_str(what)
    }
}

impl Live {
    /// Waits until every target passes every check as often in a row as asked.
    pub(super) async fn await_healthy(
        &self,
        releases: &BTreeMap<Name, Name>,
        timeout_ms: u64,
        call: &Call,
    ) -> Report {
        let deadline = Instant::now() + Duration::from_millis(timeout_ms);
        let proofs = releases.iter().map(|(name, release)| async move {
            (
                name.clone(),
                self.prove(name, release, deadline, call).await,
            )
        });
        let all = future::join_all(proofs);
        let results = tokio::select! {
            results = all => results,
            interruption = self.inbox.asked(), if !call.undoing => {
                return Report::failed(interruption);
            }
        };
        let failed = |(name, result): (Name, Result<(), Failure>)| Some((name, result.err()?));
        Report {
            failed: results.into_iter().filter_map(failed).collect(),
            ..Report::default()
        }
    }

    async fn prove(
        &self,
        name: &Name,
        release: &Name,
        deadline: Instant,
        call: &Call,
    ) -> Result<(), Failure> {
        let target = self.subject.target(name)?;
        let release = self.subject.release(release)?;
        let proofs = self
            .checks
            .iter()
            .map(|check| check.prove(&self.subject, target, release, deadline, call));
        future::try_join_all(proofs).await.map(drop)
    }

    /// Checks the monitored targets until one of them is no longer well.
    pub(super) async fn first_ill(&self, call: &Call) -> (Name, Failure) {
        let mut watches = Vec::new();
        for (name, release) in &call.monitored {
            let (Ok(target), Ok(release)) =
                (self.subject.target(name), self.subject.release(release))
            else {
                continue;
            };
            for check in &self.checks {
                watches.push(Box::pin(check.watch(&self.subject, target, release, call)));
            }
        }
        if watches.is_empty() {
            return future::pending().await;
        }
        future::select_all(watches).await.0
    }
}

impl Check {
    async fn prove(
        &self,
        subject: &Subject,
        target: &Target,
        release: &Release,
        deadline: Instant,
        call: &Call,
    ) -> Result<(), Failure> {
        let grace = Instant::now() + self.start_period;
        let (mut well, mut ill) = (0, 0);
        let mut seen = "no check was made".to_owned();
        loop {
            let next = Instant::now() + self.interval;
            let checked = timeout_at(deadline, self.once(subject, target, release, call)).await;
            let Ok(result) = checked else {
                return Err(self.gave_up(&format!("{seen}, and the time is over")));
            };
            match result {
                Ok(()) => {
                    (well, ill) = (well + 1, 0);
                    if well >= self.successes {
                        return Ok(());
                    }
                }
                Err(what) => {
                    well = 0;
                    seen = what.to_string();
                    if Instant::now() >= grace {
                        ill += 1;
                        if ill >= self.failures {
                            return Err(self.gave_up(&seen));
                        }
                    }
                }
            }
            if next >= deadline {
                return Err(self.gave_up(&format!("{seen}, and the time is over")));
            }
            sleep_until(next).await;
        }
    }

    /// Ends when the target failed so often in a row that it is no longer well.
    async fn watch(
        &self,
        subject: &Subject,
        target: &Target,
        release: &Release,
        call: &Call,
    ) -> (Name, Failure) {
        let mut ill = 0;
        loop {
            let next = Instant::now() + self.interval;
            match self.once(subject, target, release, call).await {
                Ok(()) => ill = 0,
                Err(what) => {
                    ill += 1;
                    if ill >= self.failures {
                        return (target.name.clone(), self.gave_up(&what.to_string()));
                    }
                }
            }
            sleep_until(next).await;
        }
    }

    /// Makes the check once.
    pub(crate) async fn once(
        &self,
        subject: &Subject,
        target: &Target,
        release: &Release,
        call: &Call,
    ) -> Result<(), Unproved> {
        let Some(worker) = self.workers.get(&target.name) else {
            let text = "there is nobody to check it".to_owned();
            return Err(Unproved::Unseen(text));
        };
        let part = format!("check/{}", target.name);
        let context = subject.call(call, &part, self.timeout);
        match worker.check(target, release, &context).await {
            Ok(report) if report.status == HealthStatus::Healthy => Ok(()),
            Ok(report) if report.status == HealthStatus::Degraded => {
                let text = format!("degraded: {}", report.message);
                Err(Unproved::Ill(text))
            }
            Ok(report) => Err(Unproved::Ill(report.message)),
            Err(failure) => Err(Unproved::Unseen(failure.message)),
        }
    }

    /// Which target it is, and that it is not well, says whoever asked.
    fn gave_up(&self, seen: &str) -> Failure {
        let text = format!("check `{}` saw: {seen}", self.name);
        Failure::new(Code::Unhealthy, text)
    }
}
