//! What strategies would each write for themselves: groups, shares in proportion, and rolling
//! through groups in batches without ever taking the last member from under a share.

mod soaks;

use std::collections::BTreeSet;

use serde::Deserialize;

pub use self::soaks::Soaks;
use crate::{
    Count, Deployment, Duration, Failure, Result, Target,
    rollout::{self, Share},
};

/// How far apart two shares may be, in percent, and still be the same.
const SAME: f64 = 0.01;

/// What the host says in a deployment's `details`.
#[derive(Deserialize)]
struct Facts {
    #[serde(default = "yes")]
    balancer: bool,
    #[serde(default)]
    analysis: bool,
    /// Targets that the deployment passes over, whatever is asked of them.
    #[serde(default)]
    bystanders: Vec<String>,
}

fn yes() -> bool {
    true
}

/// The targets of one name in the configuration's `group`.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// Its name.
    pub name: &'a str,
    /// In the order of the configuration.
    pub members: Vec<&'a Target>,
}

/// The targets of a deployment by group, and who gets how much of the traffic.
#[derive(Clone, Debug)]
pub struct Fleet<'a> {
    deployment: &'a Deployment,
    groups: Vec<Group<'a>>,
    /// In percent, in the order of the groups.
    shares: Vec<f64>,
    /// Targets that can take their part of their group's share.
    ready: BTreeSet<&'a str>,
    /// Targets that were waited for to be well.
    proven: BTreeSet<&'a str>,
    balancer: bool,
    analysis: bool,
    bystanders: Vec<String>,
}

impl<'a> Fleet<'a> {
    /// Sorts the targets, and reads the load balancer where there is one.
    pub fn read(deployment: &'a Deployment) -> Result<Self> {
        let facts: Facts = serde_json::from_str(&deployment.details)?;
        let mut groups: Vec<Group<'a>> = Vec::new();
        for target in &deployment.targets {
            match groups.iter_mut().find(|group| group.name == target.group) {
                Some(group) => group.members.push(target),
                None => groups.push(Group {
                    name: &target.group,
                    members: vec![target],
                }),
            }
        }
        let running = deployment
            .active
            .iter()
            .filter(|(_, release)| release.is_some());
        let ready = running.map(|(target, _)| target.as_str()).collect();
        let current = if facts.balancer {
            rollout::current()?
        } else {
            Vec::new()
        };
        let mut fleet = Self {
            deployment,
            groups,
            shares: Vec::new(),
            ready,
            proven: BTreeSet::new(),
            balancer: facts.balancer,
            analysis: facts.analysis,
            bystanders: facts.bystanders,
        };
        fleet.remember(&current);
        Ok(fleet)
    }

    /// Every group, in the order of the configuration.
    pub fn groups(&self) -> &[Group<'a>] {
        &self.groups
    }

    /// The group of that name.
    pub fn group(&self, name: &str) -> Result<&Group<'a>> {
        self.groups
            .iter()
            .find(|group| group.name == name)
            .ok_or_else(|| {
                let names: Vec<&str> = self.groups.iter().map(|group| group.name).collect();
                Failure::invalid(format!(
                    "no target is in group `{name}`; the groups are: {}",
                    names.join(", ")
                ))
            })
    }

    /// The names of all groups but one.
    pub fn others(&self, name: &str) -> Vec<&'a str> {
        self.groups
            .iter()
            .map(|group| group.name)
            .filter(|each| *each != name)
            .collect()
    }

    /// The members of these groups.
    pub fn members(&self, groups: &[&str]) -> Vec<&'a Target> {
        let chosen = self
            .groups
            .iter()
            .filter(|group| groups.contains(&group.name));
        chosen
            .flat_map(|group| group.members.iter().copied())
            .collect()
    }

    /// Every target.
    pub fn targets(&self) -> &'a [Target] {
        &self.deployment.targets
    }

    /// Whether the application runs nowhere yet.
    pub fn is_first(&self) -> bool {
        self.deployment
            .active
            .iter()
            .all(|(_, release)| release.is_none())
    }

    /// Whether this goes back to an older release, where nothing need be soaked.
    pub fn is_rollback(&self) -> bool {
        self.deployment.purpose == "rollback"
    }

    /// Whether the target runs the deployment's release already.
    pub fn runs_release(&self, target: &Target) -> bool {
        self.deployment.active.iter().any(|(name, release)| {
            *name == target.name && release.as_ref() == Some(&self.deployment.release.id)
        })
    }

    /// Whether the deployment passes the target over.
    pub fn is_bystander(&self, target: &Target) -> bool {
        self.bystanders.contains(&target.name)
    }

    /// Whether there is a load balancer.
    pub fn is_balanced(&self) -> bool {
        self.balancer
    }

    /// What the group gets of all traffic, in percent.
    pub fn share(&self, group: &str) -> f64 {
        let place = self.groups.iter().position(|each| each.name == group);
        place.map_or(0.0, |place| self.shares[place])
    }

    /// `percent` for the groups named, in proportion to their members, and 0 for all others.
    pub fn proportional(&self, percent: f64, groups: &[&str]) -> Vec<Share> {
        let members = count(self.members(groups).len());
        let part = |group: &Group| {
            let named = groups.contains(&group.name);
            if named {
                percent * count(group.members.len()) / members
            } else {
                0.0
            }
        };
        let share = |group: &Group| Share {
            group: group.name.to_owned(),
            percent: part(group),
        };
        self.groups.iter().map(share).collect()
    }

    /// `percent` for one group, and the rest for all others in proportion to their members.
    pub fn with_share(&self, group: &str, percent: f64) -> Vec<Share> {
        let mut shares = self.proportional(100.0 - percent, &self.others(group));
        for share in shares.iter_mut().filter(|share| share.group == group) {
            share.percent = percent;
        }
        shares
    }

    /// All traffic for everyone, in proportion to the groups' members.
    pub fn evenly(&self) -> Vec<Share> {
        let names: Vec<&str> = self.groups.iter().map(|group| group.name).collect();
        self.proportional(100.0, &names)
    }

    /// Splits the traffic so, unless it is.
    pub fn split(&mut self, shares: &[Share]) -> Result<()> {
        let same = |share: &Share| {
            let now = self.share(&share.group);
            (now - share.percent).abs() <= SAME && (now > 0.0) == (share.percent > 0.0)
        };
        if shares.iter().all(same) {
            return Ok(());
        }
        let idle = self.idle(shares);
        if !idle.is_empty() {
            rollout::await_healthy(&idle)?;
        }
        rollout::split(shares)?;
        self.remember(shares);
        Ok(())
    }

    /// Targets that got nothing so far, are to get something, and run what was there before:
    /// nobody knows whether they are well.
    fn idle(&self, shares: &[Share]) -> Vec<&'a Target> {
        let waking = |target: &&Target| {
            let wanted = shares
                .iter()
                .any(|share| share.group == target.group && share.percent > 0.0);
            wanted && self.share(&target.group) <= 0.0
        };
        let known = |target: &&Target| self.proven.contains(target.name.as_str());
        let targets = self.targets().iter().filter(waking);
        targets
            .filter(|target| self.is_ready(target) && !known(target))
            .collect()
    }

    fn remember(&mut self, shares: &[Share]) {
        let percent = |group: &Group| {
            let share = shares.iter().find(|share| share.group == group.name);
            share.map_or(0.0, |share| share.percent)
        };
        self.shares = self.groups.iter().map(percent).collect();
    }

    fn is_ready(&self, target: &Target) -> bool {
        self.ready.contains(target.name.as_str())
    }

    /// Makes the release the one that runs on these, and waits until they are well. They must
    /// get no traffic.
    pub fn switch(&mut self, targets: &[&'a Target]) -> Result<()> {
        rollout::activate(targets)?;
        self.prove(targets)
    }

    /// Waits until these are well.
    pub fn prove(&mut self, targets: &[&'a Target]) -> Result<()> {
        rollout::await_healthy(targets)?;
        self.proven
            .extend(targets.iter().map(|target| target.name.as_str()));
        Ok(())
    }

    /// Targets on which nothing runs yet.
    pub fn absent(&self) -> Vec<&'a Target> {
        self.targets()
            .iter()
            .filter(|target| !self.is_ready(target))
            .collect()
    }

    /// Splits the traffic in proportion to the groups' members where none of it goes anywhere.
    pub fn serve(&mut self) -> Result<()> {
        if self.balancer && self.shares.iter().all(|share| *share <= 0.0) {
            return self.split(&self.evenly());
        }
        Ok(())
    }

    /// Watches the candidates for that long: by the operator's analysis where there is one.
    /// Answers whether they passed; false where the analysis could not tell.
    pub fn soak(
        &self,
        duration: Duration,
        candidate: &[&Target],
        baseline: &[&Target],
    ) -> Result<bool> {
        if duration.is_zero() || self.is_rollback() {
            return Ok(true);
        }
        if self.analysis {
            return Ok(rollout::watch(candidate, baseline, duration)?.kind == "passed");
        }
        rollout::wait(Some(duration))?;
        Ok(true)
    }

    /// Puts the release on every target at once and lets all of them serve, as where it runs
    /// nowhere yet.
    pub fn first(&mut self) -> Result<()> {
        let all: Vec<&Target> = self.targets().iter().collect();
        rollout::begin("install");
        rollout::install(&all)?;
        rollout::begin("activate");
        self.switch(&all)?;
        if self.balancer {
            rollout::begin("traffic");
            self.split(&self.evenly())?;
        }
        Ok(())
    }

    /// Gives the release to these targets, batch by batch: takes the traffic from the batch,
    /// switches it, and gives the traffic back; at the end, `finally` splits it.
    ///
    /// Bystanders are in no batch. Where a batch has every ready member of a group, the group's
    /// share goes to the others meanwhile. `after` is called with each batch and whether it was the last.
    pub fn roll(
        &mut self,
        targets: &[&'a Target],
        batch: Count,
        finally: Option<&[Share]>,
        mut after: impl FnMut(&Self, &[&'a Target], bool) -> Result<()>,
    ) -> Result<()> {
        let mut pending = self.in_order(targets);
        pending.retain(|target| !self.is_bystander(target));
        let batches: Vec<&[&'a Target]> = pending.chunks(batch.of(pending.len())).collect();
        for (number, members) in batches.iter().enumerate() {
            let last = number + 1 == batches.len();
            if batches.len() > 1 {
                rollout::begin(&format!("batch {} of {}", number + 1, batches.len()));
            }
            self.roll_batch(members, finally.filter(|_| last))?;
            after(self, members, last)?;
        }
        match finally {
            Some(shares) if self.balancer => self.split(shares),
            _ => Ok(()),
        }
    }

    /// Group by group, in the order in which they come, and in each those first that do not
    /// serve yet: then it has one more before it lends one.
    fn in_order(&self, targets: &[&'a Target]) -> Vec<&'a Target> {
        let mut sorted: Vec<&Target> = Vec::new();
        for target in targets {
            if sorted.iter().any(|each| each.group == target.group) {
                continue;
            }
            for ready in [false, true] {
                let members = targets.iter().filter(|each| each.group == target.group);
                sorted.extend(members.filter(|each| self.is_ready(each) == ready));
            }
        }
        sorted
    }

    fn roll_batch(&mut self, batch: &[&'a Target], back: Option<&[Share]>) -> Result<()> {
        if !self.balancer {
            return self.switch(batch);
        }
        let before = self.named_shares();
        let emptied = self.emptied_by(batch);
        if !emptied.is_empty() {
            let without = self.shares_without(&emptied)?;
            self.split(&without)?;
        }
        let gets_traffic =
            |target: &Target| self.share(&target.group) > 0.0 && self.is_ready(target);
        let drained: Vec<&Target> = batch
            .iter()
            .copied()
            .filter(|target| gets_traffic(target))
            .collect();
        if !drained.is_empty() {
            rollout::drain(&drained)?;
        }
        self.switch(batch)?;
        let mut restored = drained;
        restored.extend(
            batch
                .iter()
                .copied()
                .filter(|target| !self.is_ready(target)),
        );
        if !restored.is_empty() {
            rollout::restore(&restored)?;
        }
        self.ready
            .extend(batch.iter().map(|target| target.name.as_str()));
        if emptied.is_empty() {
            Ok(())
        } else {
            self.split(back.unwrap_or(&before))
        }
    }

    /// The groups with a share whose ready members are all in the batch.
    fn emptied_by(&self, batch: &[&Target]) -> Vec<&'a str> {
        let stays = |target: &&&Target| {
            self.is_ready(target) && !batch.iter().any(|other| other.name == target.name)
        };
        let emptied = self.groups.iter().filter(|group| {
            self.share(group.name) > 0.0 && !group.members.iter().any(|target| stays(&target))
        });
        emptied.map(|group| group.name).collect()
    }

    fn named_shares(&self) -> Vec<Share> {
        let share = |group: &Group| Share {
            group: group.name.to_owned(),
            percent: self.share(group.name),
        };
        self.groups.iter().map(share).collect()
    }

    /// The shares as they are, but 0 for the groups named, and more for the others.
    fn shares_without(&self, emptied: &[&str]) -> Result<Vec<Share>> {
        let stays = |share: &Share| !emptied.contains(&share.group.as_str());
        let mut shares = self.named_shares();
        let left: f64 = shares
            .iter()
            .filter(|share| stays(share))
            .map(|share| share.percent)
            .sum();
        if left <= 0.0 {
            return Err(Failure::invalid(
                "the batch has every target that gets traffic, so nothing would be left to \
                 serve; make `batch` smaller, or accept a downtime with the strategy `simple`",
            ));
        }
        for share in &mut shares {
            share.percent = if stays(share) {
                share.percent * 100.0 / left
            } else {
                0.0
            };
        }
        Ok(shares)
    }
}

/// A count of targets as a factor.
#[expect(
    clippy::cast_precision_loss,
    reason = "there are far fewer than 2^52 targets"
)]
fn count(targets: usize) -> f64 {
    targets as f64
}
