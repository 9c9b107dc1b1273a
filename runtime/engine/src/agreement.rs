//! Whether what a load balancer says it does is what was asked of it, as far as it can tell.
//! Pure: whoever reads back asks again and again until it agrees, or time is up.

use std::collections::HashMap;

use crate::{
    phrase,
    subject::Target,
    traffic::{Admission, BalancerTraits, MemberState, Reading, Traffic},
};

/// Weight steps of a driver that does not name them with `weight-steps=N`: whole percents.
const WEIGHT_STEPS_DEFAULT: u64 = 100;

/// Differences up to this are noise of computing with floating point, in percent.
pub(crate) const NOISE_PERCENT: f64 = 0.01;

/// How many differences one sentence tells.
const DIFFERENCES_TOLD: usize = 3;

/// The greatest difference between two shares that one weight step of the driver explains.
pub(crate) fn tolerance(traits: &BalancerTraits) -> f64 {
    let steps = traits.number("weight-steps").filter(|steps| *steps > 0);
    100.0 / steps.unwrap_or(WEIGHT_STEPS_DEFAULT) as f64 + NOISE_PERCENT
}

/// Whether the reading shows the traffic that is wanted.
///
/// Each target gets what it should within one weight step of the driver (`weight-steps=N`), 0 is
/// exactly 0, and nobody else gets anything. A target that should get traffic is ready; one that
/// should not is not, where the driver `drains`.
///
/// Fails with what differs, as a sentence.
pub fn agreement(
    wanted: &Traffic,
    reading: &Reading,
    traits: &BalancerTraits,
    targets: &[Target],
) -> Result<(), String> {
    let tolerance = tolerance(traits);
    let drains = traits.has("drains");
    let mut shown: HashMap<&str, &MemberState> =
        reading.members.iter().map(|member| (member.target.as_str(), member)).collect();
    let percents = wanted.percents(targets);
    let mut differences = Vec::new();
    for target in targets {
        let name = target.name.as_str();
        let percent = percents.get(name).copied().unwrap_or(0.0);
        let member = shown.remove(name);
        let got = member.map_or(0.0, |member| member.percent);
        let admission = member.map_or(Admission::Out, |member| member.admission);
        if !near(percent, got, tolerance) {
            differences.push(format!(
                "{name} gets {} where {} is wanted",
                phrase::percent(got),
                phrase::percent(percent)
            ));
        } else if percent > 0.0 && admission != Admission::Ready {
            differences.push(format!("{name} is not ready"));
        } else if drains
            && wanted.admission(name) != Admission::Ready
            && admission == Admission::Ready
        {
            differences.push(format!("{name} is still ready"));
        }
    }
    let strangers = shown.values().filter(|member| member.percent > 0.0);
    differences.extend(strangers.map(|member| {
        format!(
            "{}, which is no target here, gets {}",
            member.target,
            phrase::percent(member.percent)
        )
    }));
    if differences.is_empty() { Ok(()) } else { Err(told(&differences)) }
}

/// Whether two shares are the same, where nothing is exactly nothing.
pub(crate) fn near(wanted: f64, got: f64, tolerance: f64) -> bool {
    if wanted == 0.0 || got == 0.0 {
        return wanted == got;
    }
    (wanted - got).abs() <= tolerance
}

fn told(differences: &[String]) -> String {
    let mut text = differences[..differences.len().min(DIFFERENCES_TOLD)].join("; ");
    if differences.len() > DIFFERENCES_TOLD {
        text.push_str(&format!("; and {} more", differences.len() - DIFFERENCES_TOLD));
    }
    text
}
