//! Changing the load balancer: members first where it checks them itself, then what is wanted,
//! read back until it shows it, then the drain.

use std::{collections::BTreeMap, collections::BTreeSet, time::Duration};

use engine::{
    Admission, BalancerTraits, Call, Code, Failure, Name, Reading, Report, Target, Traffic,
    agreement,
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::live::Subject;

/// The longest that one call of a load balancer's driver may take.
pub(crate) const CALL: Duration = Duration::from_secs(60);
/// How long a load balancer may take to show a change, where its driver does not say.
const SETTLES: Duration = Duration::from_secs(10);
/// From one look at the load balancer to the next: short at first, since most are quick.
const LOOKS: [Duration; 3] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(250),
];

/// Who gets the traffic.
pub(crate) struct Balancer {
    /// Speaks the load balancer's language.
    pub(crate) driver: host::LoadBalancer,
    /// What it can do.
    pub(crate) traits: BalancerTraits,
    /// All targets of the configuration.
    pub(crate) targets: Vec<Target>,
    /// What was asked of it last, in this process.
    pub(crate) last: Option<Traffic>,
    /// Which revision was read last, where the load balancer counts its changes.
    pub(crate) revision: Option<String>,
}

/// One change of the traffic.
pub(super) struct Change<'a> {
    pub(super) traffic: &'a Traffic,
    pub(super) drained: &'a BTreeSet<Name>,
    pub(super) joining: &'a BTreeSet<Name>,
    pub(super) drain_ms: u64,
}

impl Balancer {
    /// Reads it before the first operation.
    pub(super) async fn look(&mut self, subject: &Subject) -> Result<Reading, Failure> {
        let call = Call {
            sequence: 0,
            attempt: 1,
            monitored: BTreeMap::new(),
            undoing: false,
        };
        self.reading(&subject.call(&call, "look", CALL)).await
    }

    pub(super) async fn read(&mut self, subject: &Subject, call: &Call) -> Report {
        match self.reading(&subject.call(call, "read", CALL)).await {
            Ok(reading) => Report {
                reading: Some(reading),
                ..Report::default()
            },
            Err(failure) => Report::failed(failure),
        }
    }

    async fn reading(&mut self, context: &host::CallContext) -> Result<Reading, Failure> {
        let reading = self.driver.read(&self.targets, context).await?;
        self.revision.clone_from(&reading.revision);
        Ok(reading)
    }

    /// The revision that a change stands on. What is taken back, or made again, stands on none:
    /// it is to happen whatever became of the load balancer.
    fn expected(&self, call: &Call) -> Option<&str> {
        let first = call.attempt == 1 && !call.undoing;
        self.revision.as_deref().filter(|_| first)
    }

    pub(super) async fn apply(
        &mut self,
        subject: &Subject,
        change: &Change<'_>,
        call: &Call,
    ) -> Report {
        match self.change(subject, change, call).await {
            Ok(report) => report,
            Err(failure) => Report::failed(failure),
        }
    }

    async fn change(
        &mut self,
        subject: &Subject,
        change: &Change<'_>,
        call: &Call,
    ) -> Result<Report, Failure> {
        if self.traits.has("checks-members") && !change.joining.is_empty() {
            self.introduce(subject, change, call).await?;
        }
        let context = subject.call(call, "apply", CALL);
        self.driver
            .apply(change.traffic, &self.targets, self.expected(call), &context)
            .await?;
        self.last = Some(change.traffic.clone());
        let (traits, targets) = (self.traits.clone(), self.targets.clone());
        let shown = |reading: &Reading| agreement(change.traffic, reading, &traits, &targets);
        let reading = self.until(subject, call, shown).await?;
        if change.drained.is_empty() {
            return Ok(Report {
                reading: Some(reading),
                ..Report::default()
            });
        }
        let (reading, cut) = self.drain(subject, change, call, reading).await?;
        Ok(Report {
            reading: Some(reading),
            value: json!({ "cut": cut }),
            ..Report::default()
        })
    }

    /// Members first, without a share, until the load balancer itself calls them up.
    async fn introduce(
        &mut self,
        subject: &Subject,
        change: &Change<'_>,
        call: &Call,
    ) -> Result<(), Failure> {
        let mut first = change.traffic.clone();
        if let Some(last) = &self.last {
            first.shares.clone_from(&last.shares);
        }
        // A group that has a share already must not send part of it to a member that is not up.
        for target in self
            .targets
            .iter()
            .filter(|target| change.joining.contains(&target.name))
        {
            if first.share(target.group.as_str()) > 0.0 {
                return Ok(());
            }
            first
                .admissions
                .insert(target.name.clone(), Admission::Ready);
        }
        if first.shares.values().sum::<f64>() == 0.0 {
            return Ok(());
        }
        let context = subject.call(call, "introduce", CALL);
        self.driver
            .apply(&first, &self.targets, self.expected(call), &context)
            .await?;
        let up = |reading: &Reading| {
            let down = reading
                .members
                .iter()
                .find(|member| change.joining.contains(&member.target) && member.up == Some(false));
            down.map_or(Ok(()), |member| {
                Err(format!(
                    "the load balancer does not call {} up",
                    member.target
                ))
            })
        };
        self.until(subject, call, up).await.map(drop)
    }

    /// Reads until what is read satisfies; fails with what does not.
    async fn until(
        &mut self,
        subject: &Subject,
        call: &Call,
        satisfied: impl Fn(&Reading) -> Result<(), String>,
    ) -> Result<Reading, Failure> {
        let settles = self
            .traits
            .number("settles-ms")
            .map_or(SETTLES, Duration::from_millis);
        let end = Instant::now() + settles;
        for look in 0_usize.. {
            let context = subject.call(call, "read", CALL);
            let reading = self.reading(&context).await?;
            match satisfied(&reading) {
                Ok(()) => return Ok(reading),
                Err(difference) if Instant::now() >= end => {
                    let text = format!(
                        "the load balancer does not show the change after {settles:?}: {difference}"
                    );
                    return Err(Failure::new(Code::Timeout, text).retryable());
                }
                Err(_) => sleep(LOOKS[look.min(LOOKS.len() - 1)]).await,
            }
        }
        unreachable!("the loop ends by itself")
    }

    /// Waits until nothing is under way on the drained any more. Where the load balancer cannot
    /// count, the whole time is waited. Gives back how many requests were cut off.
    async fn drain(
        &mut self,
        subject: &Subject,
        change: &Change<'_>,
        call: &Call,
        mut reading: Reading,
    ) -> Result<(Reading, u64), Failure> {
        let end = Instant::now() + Duration::from_millis(change.drain_ms);
        if !self.traits.has("counts-active") {
            sleep(Duration::from_millis(change.drain_ms)).await;
            return Ok((reading, 0));
        }
        for look in 0_usize.. {
            let drained = |member: &&engine::MemberState| change.drained.contains(&member.target);
            let active: u64 = reading
                .members
                .iter()
                .filter(drained)
                .filter_map(|member| member.active)
                .sum();
            if active == 0 || Instant::now() >= end {
                return Ok((reading, active));
            }
            sleep(LOOKS[look.min(LOOKS.len() - 1)].min(end - Instant::now())).await;
            let context = subject.call(call, "read", CALL);
            reading = self.reading(&context).await?;
        }
        unreachable!("the loop ends by itself")
    }
}
