//! A load balancer's driver against the real server of its settings, which it may change: read,
//! apply, read back, the same again, and back to what was there.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use engine::{Admission, BalancerTraits, Failure, Name, Reading, Target, Traffic, agreement};
use host::{CallContext, LoadBalancer};

use crate::{
    case::{Case, Cases},
    subject,
};

const GROUP: &str = "live";

/// How long a change may take to show, besides what the driver says itself.
const SHOWS_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What the second group gets, in percent.
const SECOND_GROUP: f64 = 25.0;

struct Server<'a> {
    balancer: &'a LoadBalancer,
    targets: &'a [Target],
    traits: BalancerTraits,
}

/// Tries a driver on a real server, with these targets. Whatever comes of it, what was there
/// before is there again afterwards, as far as the server lets it: the last case says so.
pub async fn live(balancer: &LoadBalancer, targets: &[Target]) -> Vec<Case> {
    let mut cases = Cases::default();
    let begun = async {
        let traits = balancer.traits(&context("traits")).await?;
        let before = balancer.read(targets, &context("read")).await?;
        Ok::<_, Failure>((traits, before))
    };
    match begun.await {
        Ok((traits, before)) => {
            cases.tried(GROUP, "the server can be read", Vec::new());
            let server = Server {
                balancer,
                targets,
                traits,
            };
            server.changes(&mut cases).await;
            server.restore(&before, &mut cases).await;
        }
        Err(failure) => cases.tried(GROUP, "the server can be read", vec![told(&failure)]),
    }
    cases.all()
}

impl Server<'_> {
    async fn changes(&self, cases: &mut Cases) {
        let all = subject::traffic(self.targets, 0.0);
        let name = "all targets ready, and all traffic on the first group";
        cases.tried(GROUP, name, wrong(self.shows(&all, None)).await);
        let parted = subject::traffic(self.targets, SECOND_GROUP);
        if self.traits.has("shares") && parted != all {
            let name = format!("{SECOND_GROUP} % on the second group");
            cases.tried(GROUP, name, wrong(self.shows(&parted, None)).await);
        }
        cases.tried(
            GROUP,
            "the same once more changes nothing",
            wrong(self.again(&parted)).await,
        );
        if let Some(target) = self.dispensable() {
            let without = subject::without(all.clone(), target);
            let name = format!("{target} is taken out");
            cases.tried(GROUP, name, wrong(self.shows(&without, None)).await);
        }
        let name = "a revision that is no longer the one is a conflict";
        match self.conflict(&all).await {
            Ok(wrong) => cases.tried(GROUP, name, wrong),
            Err(why) => cases.skipped(GROUP, name, why),
        }
    }

    /// A target of the first group without which the group still has another.
    fn dispensable(&self) -> Option<&Name> {
        let group = &self.targets.first()?.group;
        let others = |target: &&Target| target.group == *group;
        self.targets
            .iter()
            .skip(1)
            .find(others)
            .map(|target| &target.name)
    }

    /// Applies, and waits until the server shows it.
    async fn shows(&self, traffic: &Traffic, expected: Option<&str>) -> Result<(), String> {
        let context = context("apply");
        let applied = self
            .balancer
            .apply(traffic, self.targets, expected, &context);
        applied.await.map_err(|failure| told(&failure))?;
        let settles = self.traits.number("settles-ms").unwrap_or(0);
        let end = Instant::now() + SHOWS_WITHIN + Duration::from_millis(settles);
        loop {
            let reading = self.read().await?;
            match agreement(traffic, &reading, &self.traits, self.targets) {
                Ok(()) => return Ok(()),
                Err(differs) if Instant::now() > end => {
                    return Err(format!("it does not show the change: {differs}"));
                }
                Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    async fn again(&self, traffic: &Traffic) -> Result<(), String> {
        self.shows(traffic, None).await?;
        let before = self.read().await?;
        self.shows(traffic, None).await?;
        let after = self.read().await?;
        let shown = |reading: &Reading| -> Vec<_> {
            let each = reading.members.iter();
            each.map(|member| {
                (
                    member.target.clone(),
                    member.percent.to_bits(),
                    member.admission,
                )
            })
            .collect()
        };
        if shown(&before) == shown(&after) {
            Ok(())
        } else {
            Err("what it shows is not what it showed before".to_owned())
        }
    }

    /// Asks for another change with a revision that one has overtaken: the same change once more
    /// would be a repetition, and none of these. The error is why it could not be tried.
    async fn conflict(&self, traffic: &Traffic) -> Result<Vec<String>, String> {
        let no_revisions = "the server counts no revisions";
        let other = subject::traffic(self.targets, SECOND_GROUP);
        let stale = self.read().await?.revision.ok_or(no_revisions)?;
        self.shows(&other, None).await?;
        self.shows(traffic, None).await?;
        let now = self.read().await?.revision.ok_or(no_revisions)?;
        if now == stale {
            return Err("these targets are too few for the revision to change".to_owned());
        }
        let context = context("apply");
        let applied = self
            .balancer
            .apply(&other, self.targets, Some(&stale), &context);
        Ok(match applied.await {
            Err(failure) if failure.code.as_str() == "conflict" => {
                match self.read().await?.revision == Some(now) {
                    true => Vec::new(),
                    false => vec!["it failed, and changed something all the same".to_owned()],
                }
            }
            Err(failure) => vec![format!("it fails otherwise: {}", told(&failure))],
            Ok(()) => vec!["it is taken, as if nobody had changed anything meanwhile".to_owned()],
        })
    }

    async fn read(&self) -> Result<Reading, String> {
        let reading = self.balancer.read(self.targets, &context("read")).await;
        reading.map_err(|failure| told(&failure))
    }

    /// Puts back what was read at first.
    async fn restore(&self, before: &Reading, cases: &mut Cases) {
        let name = "what was there before is there again";
        let known = |target: &Target| {
            before
                .members
                .iter()
                .find(|member| member.target == target.name)
        };
        if self.targets.iter().all(|target| known(target).is_none()) {
            let why = "none of these targets was there before, and an empty server cannot be \
                       asked for; the last change stands";
            cases.skipped(GROUP, name, why);
            return;
        }
        let mut traffic = Traffic::default();
        for target in self.targets {
            let (percent, admission) = match known(target) {
                Some(member) => (member.percent, member.admission),
                None => (0.0, Admission::Out),
            };
            *traffic.shares.entry(target.group.clone()).or_default() += percent;
            traffic.admissions.insert(target.name.clone(), admission);
        }
        cases.tried(GROUP, name, wrong(self.shows(&traffic, None)).await);
    }
}

fn context(call: &str) -> CallContext {
    CallContext::new(format!("kit-live-{call}"))
}

fn told(failure: &Failure) -> String {
    format!("{}: {}", failure.code, failure.message)
}

async fn wrong(trying: impl Future<Output = Result<(), String>>) -> Vec<String> {
    trying.await.err().into_iter().collect()
}
