//! Who gets the traffic, by place in the fleet: the form in which it is computed with. Outside
//! it is [`Traffic`], by name.

use super::Fleet;
use crate::{
    agreement::NOISE_PERCENT,
    traffic::{Admission, Reading, Traffic},
};

/// Every group's share and every target's admission.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Distribution {
    /// Percent of all traffic, by group.
    pub(crate) shares: Vec<f64>,
    /// By target.
    pub(crate) admissions: Vec<Admission>,
}

impl Distribution {
    /// Nobody gets anything.
    pub(crate) fn empty(groups: usize, targets: usize) -> Self {
        Self {
            shares: vec![0.0; groups],
            admissions: vec![Admission::Out; targets],
        }
    }

    pub(crate) fn total(&self) -> f64 {
        self.shares.iter().sum()
    }
}

impl Fleet {
    /// The distribution by name.
    pub(crate) fn to_traffic(&self, distribution: &Distribution) -> Traffic {
        let shares = self.groups.iter().zip(&distribution.shares);
        let targets = self.brief.targets.iter().zip(&distribution.admissions);
        Traffic {
            shares: shares
                .map(|(group, share)| (group.name.clone(), *share))
                .collect(),
            admissions: targets
                .map(|(target, admission)| (target.name.clone(), *admission))
                .collect(),
        }
    }

    /// The traffic by place. What names no target or group of the fleet is passed over.
    pub(crate) fn of_traffic(&self, traffic: &Traffic) -> Distribution {
        let shares = self
            .groups
            .iter()
            .map(|group| traffic.share(group.name.as_str()))
            .collect();
        let admissions = match self.aligned(traffic) {
            Some(admissions) => admissions,
            None => {
                let targets = self.brief.targets.iter();
                targets
                    .map(|target| traffic.admission(target.name.as_str()))
                    .collect()
            }
        };
        Distribution { shares, admissions }
    }

    /// The quick way where names and targets are in the same order, as they often are.
    fn aligned(&self, traffic: &Traffic) -> Option<Vec<Admission>> {
        if traffic.admissions.len() != self.brief.targets.len() {
            return None;
        }
        let pairs = self.brief.targets.iter().zip(&traffic.admissions);
        pairs
            .map(|(target, (name, admission))| (target.name == *name).then_some(*admission))
            .collect()
    }

    /// What the load balancer shows. Its weights are whole numbers, so the shares are scaled to
    /// add up to 100 where anyone gets anything.
    pub(crate) fn of_reading(&self, reading: &Reading) -> Distribution {
        let mut distribution = Distribution::empty(self.groups.len(), self.states.len());
        for member in &reading.members {
            if let Some(place) = self.place(member.target.as_str()) {
                distribution.admissions[place] = member.admission;
                if member.admission == Admission::Ready {
                    distribution.shares[self.states[place].group] += member.percent.max(0.0);
                }
            }
        }
        let total = distribution.total();
        if total > 0.0 && (total - 100.0).abs() > NOISE_PERCENT / 100.0 {
            for share in &mut distribution.shares {
                *share *= 100.0 / total;
            }
        }
        distribution
    }
}
