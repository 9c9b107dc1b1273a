//! What a report says of a rehearsal, in words and numbers: the same on the terminal and on the
//! page.

use std::sync::Arc;

use engine::Brief;
use rehearsal::{Ending, Finding, Percentiles, Summary, Whose};

use crate::display;

/// What a report is about.
pub(crate) struct Circumstances {
    /// The file of the configuration.
    pub(crate) configuration: String,
    /// Requests in a second.
    pub(crate) rate: Option<f64>,
    /// What was rehearsed.
    pub(crate) brief: Arc<Brief>,
}

impl Circumstances {
    /// So many requests are so much time of all the traffic.
    pub(crate) fn requests(&self, ms: Percentiles, rate: f64) -> Percentiles {
        let of = |ms: f64| (ms / 1_000.0 * rate).round();
        Percentiles {
            p50: of(ms.p50),
            p90: of(ms.p90),
            p99: of(ms.p99),
            max: of(ms.max),
        }
    }

    /// The command that repeats a run.
    pub(crate) fn again(&self, finding: &Finding) -> String {
        let configuration = &self.configuration;
        let seed = finding.seed;
        format!("runtime rehearse --config {configuration} --seed {seed} --runs 1")
    }
}

/// How a run ended, for people.
pub(super) fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Succeeded => "succeeded",
        Ending::LeftOut => "succeeded, but for some targets",
        Ending::RolledBack => "rolled back",
        Ending::Refused => "refused, with nothing changed",
        Ending::Stuck => "stuck",
        Ending::Frozen => "frozen",
        Ending::Unfinished => "came to no end",
    }
}

/// A kind of fault, for people.
pub(super) fn fault(kind: &str) -> &'static str {
    match kind {
        "install-fails" => "an installation fails",
        "activate-fails" => "a switch fails",
        "slow-start" => "a target comes up slowly",
        "never-up" => "a target never comes up",
        "falls-over" => "a target falls over later",
        "unreachable" => "a target is out of reach",
        "no-way-back" => "the old release does not come back",
        "bad-release" => "the release is bad from the start",
        "bad-under-load" => "the release is bad under load",
        "bad-for-some" => "the release is bad for some users",
        "balancer-refuses" => "the load balancer refuses",
        "balancer-hangs" => "the load balancer hangs",
        "balancer-late" => "the load balancer is late",
        "balancer-lies" => "the load balancer lies",
        "step-fails" => "a step fails",
        "metrics" => "metrics mislead",
        "killed" => "the program is killed",
        "lease-lost" => "the lease is taken away",
        "aborted" => "somebody aborts",
        _ => "something else",
    }
}

/// Whose fault a broken rule is.
pub(super) fn whose(by: Whose) -> &'static str {
    match by {
        Whose::Program => "the program",
        Whose::Strategy => "the strategy",
    }
}

/// What was rehearsed, in one line.
pub(super) fn title(summary: &Summary, circumstances: &Circumstances) -> String {
    let brief = &circumstances.brief;
    format!(
        "{} in {}: {} with `{}`, {} from seed {}",
        brief.application,
        brief.environment,
        display::count(brief.targets.len(), "target"),
        brief.strategy,
        runs(summary.runs),
        summary.seed,
    )
}

/// Whether anything was broken, in one line.
pub(super) fn verdict(summary: &Summary) -> String {
    if summary.findings.is_empty() {
        return format!("In {} no rule was broken.", runs(summary.runs));
    }
    format!(
        "In {} of {} a rule was broken.",
        summary.findings.len(),
        runs(summary.runs.max(1))
    )
}

/// `1 run`, `1,000 runs`.
pub(super) fn runs(count: u64) -> String {
    let noun = if count == 1 { "run" } else { "runs" };
    format!("{} {noun}", grouped(count))
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The time that half of the runs took, and so on.
pub(super) fn times(of: &Percentiles) -> [(&'static str, String); 4] {
    each(of, |ms| display::duration(ms as u64))
}

/// Parts of the requests, and their number where a rate is known.
pub(super) fn parts(
    percent: &Percentiles,
    ms: Percentiles,
    circumstances: &Circumstances,
) -> [(&'static str, String); 4] {
    let shares = each(percent, share);
    let Some(rate) = circumstances.rate else {
        return shares;
    };
    let requests = each(&circumstances.requests(ms, rate), |count| {
        grouped(count as u64)
    });
    let mut both = shares;
    for ((_, share), (_, count)) in both.iter_mut().zip(requests) {
        share.push_str(&format!(" ({count})"));
    }
    both
}

/// A part of the requests: small ones matter, too.
pub(super) fn share(percent: f64) -> String {
    match percent {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.01 => "< 0.01 %".to_owned(),
        percent if percent < 1.0 => format!("{percent:.2} %"),
        percent => display::percentage(percent),
    }
}

fn each(of: &Percentiles, told: impl Fn(f64) -> String) -> [(&'static str, String); 4] {
    [
        ("half of them up to", told(of.p50)),
        ("9 of 10 up to", told(of.p90)),
        ("99 of 100 up to", told(of.p99)),
        ("all up to", told(of.max)),
    ]
}
