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

/// The greatest difference between two shares that one weight step of the driver explains, in
/// percent.
pub fn tolerance(traits: &BalancerTraits) -> f64 {
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
    let differences = disagreements(wanted, reading, traits, targets);
    if differences.is_empty() {
        Ok(())
    } else {
        Err(told(&differences))
    }
}

/// Everything that differs, each a sentence.
pub(crate) fn disagreements(
    wanted: &Traffic,
    reading: &Reading,
    traits: &BalancerTraits,
    targets: &[Target],
) -> Vec<String> {
    let tolerance = tolerance(traits);
    let drains = traits.has("drains");
    let mut shown: HashMap<&str, &MemberState> = reading
        .members
        .iter()
        .map(|member| (member.target.as_str(), member))
        .collect();
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
    differences
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
        text.push_str(&format!(
            "; and {} more",
            differences.len() - DIFFERENCES_TOLD
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{brief, rules};

    fn check(
        shares: &[(&str, f64)],
        out: &[&str],
        shown: &[(&str, f64, Admission)],
        traits: &[&str],
    ) -> Result<(), String> {
        let targets = brief(&[("a", "x"), ("b", "x"), ("c", "y")]).targets;
        let admission = |name: &str| {
            if out.contains(&name) {
                Admission::Draining
            } else {
                Admission::Ready
            }
        };
        let wanted = Traffic {
            shares: shares
                .iter()
                .map(|(group, share)| ((*group).into(), *share))
                .collect(),
            admissions: ["a", "b", "c"]
                .map(|name| (name.into(), admission(name)))
                .into(),
        };
        let members = shown
            .iter()
            .map(|(target, percent, admission)| MemberState {
                target: (*target).into(),
                percent: *percent,
                admission: *admission,
                up: None,
                active: None,
            });
        let reading = Reading {
            members: members.collect(),
            ..Reading::default()
        };
        let mut offered = rules().balancer.unwrap();
        offered.names = traits.iter().map(|name| (*name).to_owned()).collect();
        agreement(&wanted, &reading, &offered, &targets)
    }

    const READY: Admission = Admission::Ready;
    const OUT: Admission = Admission::Out;

    #[test]
    fn one_weight_step_is_close_enough() {
        let shares = &[("x", 90.0), ("y", 10.0)];
        let shown = |c: f64| [("a", 45.0, READY), ("b", 45.0, READY), ("c", c, READY)];
        assert_eq!(check(shares, &[], &shown(10.0), &[]), Ok(()));
        assert_eq!(check(shares, &[], &shown(10.9), &[]), Ok(()));
        assert!(check(shares, &[], &shown(11.1), &[]).is_err());
        assert_eq!(
            check(shares, &[], &shown(10.3), &["weight-steps=256"]),
            Ok(())
        );
        let said = check(shares, &[], &shown(10.9), &["weight-steps=256"]).unwrap_err();
        assert_eq!(said, "c gets 10.9 % where 10 % is wanted");
    }

    #[test]
    fn nothing_is_exactly_nothing() {
        let shares = &[("x", 100.0)];
        let shown = |c: f64| [("a", 50.0, READY), ("b", 50.0, READY), ("c", c, READY)];
        assert_eq!(check(shares, &[], &shown(0.0), &[]), Ok(()));
        assert!(check(shares, &[], &shown(0.001), &[]).is_err());
        assert!(check(&[("x", 99.9), ("y", 0.1)], &[], &shown(0.0), &[]).is_err());
    }

    #[test]
    fn whoever_is_not_shown_gets_nothing() {
        let shares = &[("x", 100.0)];
        let shown = [("a", 50.0, READY), ("b", 50.0, READY)];
        assert_eq!(check(shares, &[], &shown, &["drains"]), Ok(()));
        assert!(check(shares, &[], &shown[..1], &["drains"]).is_err());
    }

    #[test]
    fn admissions_agree_as_far_as_the_driver_tells() {
        let shares = &[("x", 100.0)];
        let shown = |b: Admission| [("a", 100.0, READY), ("b", 0.0, b), ("c", 0.0, OUT)];
        for told in [Admission::Draining, OUT] {
            assert_eq!(check(shares, &["b"], &shown(told), &["drains"]), Ok(()));
        }
        assert_eq!(check(shares, &["b"], &shown(READY), &[]), Ok(()));
        let said = check(shares, &["b"], &shown(READY), &["drains"]).unwrap_err();
        assert_eq!(said, "b is still ready");
        let idle = [("a", 50.0, OUT), ("b", 50.0, READY)];
        assert_eq!(
            check(shares, &[], &idle, &[]).unwrap_err(),
            "a is not ready"
        );
    }

    #[test]
    fn a_stranger_with_traffic_is_told_of() {
        let shown = [("a", 50.0, READY), ("b", 50.0, READY), ("z", 20.0, READY)];
        let said = check(&[("x", 100.0)], &[], &shown, &[]).unwrap_err();
        assert_eq!(said, "z, which is no target here, gets 20 %");
    }
}
