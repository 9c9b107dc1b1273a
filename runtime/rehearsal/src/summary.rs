//! What a rehearsal comes to: how often it ended in which way, how long it took, what it cost the
//! users, and every run in which something did not hold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    fault::Fault,
    rehearse::Plan,
    rule::Broken,
    run::{Ending, Run},
    scene::Scene,
};

/// What is kept of every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sample {
    /// Repeats it.
    pub seed: u64,
    /// How it ended.
    pub ending: Ending,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Whether something was wrong with the release itself.
    pub bad_release: bool,
    /// The part of the requests that the release answered, in percent.
    pub met_percent: f64,
    /// The part of them that failed, in percent.
    pub failed_percent: f64,
    /// The same as times of all the traffic.
    pub met_ms: f64,
    /// The same of requests that failed.
    pub failed_ms: f64,
    /// The fewest targets that served.
    pub least_serving: usize,
    /// The kinds of its faults.
    pub faults: Vec<String>,
}

impl Sample {
    pub(crate) fn of(run: &Run) -> Self {
        let mut faults: Vec<String> = run
            .faults
            .iter()
            .map(|fault| fault.kind().to_owned())
            .collect();
        faults.dedup();
        Self {
            seed: run.seed,
            ending: run.ending,
            took_ms: run.took_ms,
            bad_release: run.bad_release,
            met_percent: run.met_percent,
            failed_percent: run.failed_percent,
            met_ms: run.met_ms,
            failed_ms: run.failed_ms,
            least_serving: run.least_serving,
            faults,
        }
    }
}

impl Sample {
    /// Whether it had a bad release that did not stay.
    pub fn taken_back(&self) -> bool {
        self.bad_release && !matches!(self.ending, Ending::Succeeded | Ending::LeftOut)
    }
}

/// A run in which something did not hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// Repeats it, with all that went wrong in it.
    pub seed: u64,
    /// How that one ended.
    pub ending: Ending,
    /// What did not hold, with no more than these faults.
    pub broken: Vec<Broken>,
    /// The shortest list of faults with which it still does not.
    pub faults: Vec<Fault>,
    /// How many there were at first.
    pub of: usize,
}

/// Values below which so many percent of all lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// All but one of a hundred.
    pub p99: f64,
    /// All.
    pub max: f64,
}

impl Percentiles {
    /// Of these; zeroes where there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = (values.len() as f64 * part).ceil() as usize;
            values.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
        };
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: at(1.0),
        }
    }
}

/// What a rehearsal comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// The seed of the first run.
    pub seed: u64,
    /// How many were to be made.
    pub planned: u64,
    /// How many were made: fewer where the strategy came to no end.
    pub runs: u64,
    /// The run in which nothing goes wrong.
    pub calm: Run,
    /// How often it ended in which way.
    pub endings: BTreeMap<Ending, u64>,
    /// The same by what went wrong.
    pub by_fault: BTreeMap<String, BTreeMap<Ending, u64>>,
    /// How long it took, in milliseconds.
    pub took_ms: Percentiles,
    /// How many targets served at the beginning.
    pub serving: usize,
    /// The fewest that served at any time of any run.
    pub least_serving: usize,
    /// In runs in which a bad release did not stay: the part of the requests that it answered
    /// before it was taken back, in percent.
    pub met_percent: Percentiles,
    /// In all runs: the part of the requests that failed, in percent.
    pub failed_percent: Percentiles,
    /// The same as times of all the traffic, in milliseconds: times the rate they are requests.
    pub met_ms: Percentiles,
    /// The same of requests that failed.
    pub failed_ms: Percentiles,
    /// How many runs had a bad release.
    pub bad_releases: u64,
    /// How many of these it stayed in, unnoticed.
    pub unnoticed: u64,
    /// Every run in which something did not hold.
    pub findings: Vec<Finding>,
    /// Every run.
    pub samples: Vec<Sample>,
}

impl Summary {
    pub(crate) fn new(
        scene: &Scene,
        plan: Plan,
        calm: Run,
        samples: Vec<Sample>,
        mut findings: Vec<Finding>,
    ) -> Self {
        let (mut endings, mut by_fault) = (BTreeMap::new(), BTreeMap::new());
        for sample in &samples {
            *endings.entry(sample.ending).or_default() += 1;
            for kind in &sample.faults {
                let kind: &mut BTreeMap<_, _> = by_fault.entry(kind.clone()).or_default();
                *kind.entry(sample.ending).or_default() += 1;
            }
        }
        let bad = || samples.iter().filter(|sample| sample.bad_release);
        let taken_back = || samples.iter().filter(|sample| sample.taken_back());
        let serving = scene.serving();
        let least = samples.iter().map(|sample| sample.least_serving).min();
        if !calm.broken.is_empty() && findings.is_empty() {
            findings.push(Finding {
                seed: calm.seed,
                ending: calm.ending,
                broken: calm.broken.clone(),
                faults: Vec::new(),
                of: 0,
            });
        }
        Self {
            seed: plan.seed,
            planned: plan.runs,
            runs: samples.len() as u64,
            endings,
            by_fault,
            took_ms: Percentiles::of(samples.iter().map(|sample| sample.took_ms as f64)),
            serving,
            least_serving: least.unwrap_or(serving).min(calm.least_serving),
            met_percent: Percentiles::of(taken_back().map(|sample| sample.met_percent)),
            failed_percent: Percentiles::of(samples.iter().map(|sample| sample.failed_percent)),
            met_ms: Percentiles::of(taken_back().map(|sample| sample.met_ms)),
            failed_ms: Percentiles::of(samples.iter().map(|sample| sample.failed_ms)),
            bad_releases: bad().count() as u64,
            unnoticed: (bad().count() - taken_back().count()) as u64,
            calm,
            findings,
            samples,
        }
    }
}
