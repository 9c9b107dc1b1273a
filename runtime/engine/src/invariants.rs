//! What holds in every deployment, judged from the world as it shows itself and not from the
//! fleet's model: so that a mistake of the guard does not excuse itself. A rehearsal judges its
//! model by it, and a deployment what it reads back. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    event::Verdict,
    phrase,
    rules::{Count, Rules},
    subject::Name,
    traffic::Admission,
};

/// Differences up to this are noise of computing with floating point, in percent.
const NOISE_PERCENT: f64 = 1e-6;

/// How far from 100 the shares of a change may add up to, in percent.
const SHARES_PERCENT: f64 = 0.02;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// The shares of the traffic add up to all of it, or nobody gets any.
    SharesAddUp,
    /// Nobody gets more traffic who is not proven healthy.
    OnlyProvenGain,
    /// No release is switched on a target that gets traffic, but where that was accepted.
    NoSwitchUnderTraffic,
    /// Only what was installed to the end is activated, and what runs is not removed.
    OnlyWholeReleases,
    /// No change takes the number of those serving below the minimum.
    MinimumServes,
    /// The end is all new or all old, or every difference is listed.
    EndsWhole,
    /// Taking back visits no state that the deployment did not come by.
    UndoComesBack,
    /// Nothing is done without the lease, and before it was written down.
    HoldsLease,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::SharesAddUp,
        Self::OnlyProvenGain,
        Self::NoSwitchUnderTraffic,
        Self::OnlyWholeReleases,
        Self::MinimumServes,
        Self::EndsWhole,
        Self::UndoComesBack,
        Self::HoldsLease,
    ];

    /// As reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SharesAddUp => "shares-add-up",
            Self::OnlyProvenGain => "only-proven-gain",
            Self::NoSwitchUnderTraffic => "no-switch-under-traffic",
            Self::OnlyWholeReleases => "only-whole-releases",
            Self::MinimumServes => "minimum-serves",
            Self::EndsWhole => "ends-whole",
            Self::UndoComesBack => "undo-comes-back",
            Self::HoldsLease => "holds-lease",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// Which.
    pub invariant: Invariant,
    /// What was seen.
    pub message: String,
}

impl Breach {
    /// A breach of the invariant, as a sentence.
    pub fn new(invariant: Invariant, message: impl Into<String>) -> Self {
        Self {
            invariant,
            message: message.into(),
        }
    }
}

/// One target in the traffic, as the world has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// What it gets of all traffic.
    pub percent: f64,
    /// It was seen to be well since a release was last activated on it, and not ill since.
    pub proven: bool,
    /// It was left out.
    pub left_out: bool,
}

impl Standing {
    /// Whether it serves.
    pub fn serves(&self) -> bool {
        self.percent > 0.0 && self.proven && !self.left_out
    }
}

/// How many must serve, where `start` served when the deployment began and `lost` of them were
/// left out since.
pub fn minimum_serving(rules: &Rules, start: usize, lost: usize) -> usize {
    let asked = match rules.minimum_serving {
        None if start == 0 => 0,
        None => return start.saturating_sub(lost + 1).max(1),
        Some(Count::Number(number)) => usize::try_from(number).unwrap_or(usize::MAX),
        // Less than a millionth of a target is noise of computing with floating point.
        Some(Count::Percent(percent)) => (start as f64 * percent / 100.0 - 1e-6).ceil() as usize,
    };
    asked.min(start)
}

/// Judges a change of the traffic. `before` and `after` are by target; `after` has the proofs
/// that held before the change. `step` is the least by which the share of one target can differ, in
/// percent: what is read back of a load balancer is rounded to its weights.
pub fn change(
    before: &[Standing],
    after: &[Standing],
    minimum: usize,
    step: f64,
    name: impl Fn(usize) -> Name,
) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let total: f64 = after.iter().map(|standing| standing.percent).sum();
    let reached = after
        .iter()
        .filter(|standing| standing.percent > 0.0)
        .count();
    let noise = SHARES_PERCENT + step * reached as f64;
    if total > NOISE_PERCENT && (total - 100.0).abs() > noise {
        breaches.push(Breach::new(
            Invariant::SharesAddUp,
            format!("the shares add up to {}", phrase::percent(total)),
        ));
    }
    let (mut had, mut has) = (0, 0);
    for (place, (before, after)) in before.iter().zip(after).enumerate() {
        had += usize::from(before.serves());
        has += usize::from(after.serves());
        if !after.proven && after.percent > before.percent + step + NOISE_PERCENT {
            breaches.push(Breach::new(
                Invariant::OnlyProvenGain,
                format!(
                    "{} went from {} to {} of the traffic without being proven healthy",
                    name(place),
                    phrase::percent(before.percent),
                    phrase::percent(after.percent)
                ),
            ));
        }
    }
    if has < minimum && has < had {
        breaches.push(Breach::new(
            Invariant::MinimumServes,
            format!("{has} of {had} go on serving, and {minimum} must"),
        ));
    }
    breaches
}

/// One state of the traffic: each group's share, each target's admission.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Percent of all traffic, by group.
    pub shares: Vec<f64>,
    /// By target.
    pub admissions: Vec<Admission>,
}

impl State {
    /// Whether this is `visited`, but for members that are kept out of it.
    fn comes_back_to(&self, visited: &Self) -> bool {
        let shares = self.shares.iter().zip(&visited.shares);
        let admissions = self.admissions.iter().zip(&visited.admissions);
        shares.fold(true, |same, (now, then)| {
            same && (now - then).abs() < NOISE_PERCENT
        }) && admissions.fold(true, |same, (now, then)| {
            same && (now == then || *now == Admission::Out)
        })
    }
}

/// Judges a state that taking back goes to, given all that the deployment came by.
pub fn undo(state: &State, visited: &[State]) -> Option<Breach> {
    let known = visited.iter().any(|visited| state.comes_back_to(visited));
    (!known).then(|| {
        Breach::new(
            Invariant::UndoComesBack,
            "taking back sends the traffic where the deployment never sent it",
        )
    })
}

/// What stands on one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Place<'a> {
    /// The target.
    pub name: &'a Name,
    /// The release that runs.
    pub active: Option<&'a Name>,
    /// Whether the deployment's release lies there, whole or not.
    pub lies: bool,
    /// What the balancer shows it to get of all traffic.
    pub percent: f64,
    /// It may end without traffic and on another release, or the deployment is not about it.
    pub excused: bool,
}

/// Judges the end: `first` is what stood when the deployment began, `last` what stands now, in
/// the same order. Shares within `tolerance` percent are the same.
pub fn end(
    release: &Name,
    verdict: &Verdict,
    balanced: bool,
    tolerance: f64,
    first: &[Place<'_>],
    last: &[Place<'_>],
) -> Vec<Breach> {
    let broken = |message: String| Breach::new(Invariant::EndsWhole, message);
    let mut breaches = Vec::new();
    let pairs = first.iter().zip(last);
    match verdict {
        Verdict::Succeeded { left_out } => {
            for now in last {
                let out = left_out.iter().any(|(name, _)| name == now.name);
                let renewed = now.active == Some(release);
                if !renewed && !out && !now.excused {
                    breaches.push(broken(format!("it succeeded, and {} is old", now.name)));
                }
                let serves = balanced && now.percent > 0.0;
                if serves && !renewed && !out && !now.excused {
                    let message = format!("it succeeded, and {} serves the old", now.name);
                    breaches.push(broken(message));
                }
            }
        }
        Verdict::RolledBack { .. } | Verdict::Refused { .. } => {
            for (then, now) in pairs {
                let differs = differs(then, now, tolerance);
                breaches
                    .extend(differs.map(|what| broken(format!("it was taken back, and {what}"))));
            }
        }
        Verdict::Stuck { differences, .. } => {
            let told = differences.join("\n");
            for (then, now) in pairs {
                let Some(what) = differs(then, now, tolerance) else {
                    continue;
                };
                // What could not be read is said, and not what is there.
                let unread = ["could not be read", "could not be asked"];
                let said = told.contains(now.name.as_str())
                    || unread.iter().any(|words| told.contains(words));
                if !said {
                    breaches.push(broken(format!("{what}, and nobody says so")));
                }
            }
        }
        // What stands where is all listed by reading it; who left or was abandoned has no say.
        Verdict::Frozen { .. }
        | Verdict::Halted { .. }
        | Verdict::Left
        | Verdict::Abandoned { .. } => {}
    }
    breaches
}

fn differs(then: &Place<'_>, now: &Place<'_>, tolerance: f64) -> Option<String> {
    let name = now.name;
    let told = |release: Option<&Name>| release.map_or("nothing".to_owned(), Name::to_string);
    if then.active != now.active {
        let (now, then) = (told(now.active), told(then.active));
        return Some(format!("{name} runs {now}, where {then} ran before"));
    }
    if then.lies != now.lies {
        let what = if now.lies { "lies" } else { "no longer lies" };
        return Some(format!("the release {what} on {name}"));
    }
    let near = if then.percent == 0.0 || now.percent == 0.0 {
        then.percent == now.percent
    } else {
        (then.percent - now.percent).abs() <= tolerance
    };
    (!near).then(|| {
        let (now, then) = (phrase::percent(now.percent), phrase::percent(then.percent));
        format!("{name} gets {now} of the traffic, where it got {then} before")
    })
}
