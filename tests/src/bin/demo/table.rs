//! The traffic, stage by stage: what was asked of the proxy, and what the clients got.

use std::{collections::BTreeMap, fmt::Write, ops::Range};

use serde_json::Value;
use tests::{
    Counted,
    record::{Period, periods},
};

/// A stage with fewer requests than this shows nothing.
const REQUESTS_MIN: usize = 20;

/// The table.
pub(crate) fn of(counted: &Counted, shown: &Value, time: Range<u64>) -> String {
    let versions: Vec<_> = counted.versions().into_iter().map(str::to_owned).collect();
    let mut text = format!(
        "{:<28} {:>8} {:>9} {:>7}",
        "traffic asked for", "seconds", "requests", "failed"
    );
    for version in &versions {
        let _ = write!(text, " {:>11}", format!("saw {version}"));
    }
    text.push('\n');
    for Period { time, shares } in periods(shown, time.start, time.end) {
        let seen = counted.between(time.clone());
        if seen.requests() < REQUESTS_MIN {
            continue;
        }
        let seconds = (time.end - time.start) as f64 / 1000.0;
        let failed = seen.failures().len();
        let _ = write!(
            text,
            "{:<28} {seconds:>8.1} {:>9} {failed:>7}",
            tell(&shares),
            seen.requests()
        );
        for version in &versions {
            let _ = write!(text, " {:>10.1}%", seen.share(version));
        }
        text.push('\n');
    }
    text
}

fn tell(shares: &BTreeMap<String, f64>) -> String {
    if shares.is_empty() {
        return "as it was".to_owned();
    }
    let part = |(group, percent): (&String, &f64)| format!("{group} {percent:.0}%");
    shares.iter().map(part).collect::<Vec<_>>().join(", ")
}
