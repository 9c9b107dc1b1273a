//! The record of a deployment, as `runtime show --format json` prints it: which operations
//! there were, and who was to get the traffic when.

use std::{collections::BTreeMap, ops::Range};

use serde_json::Value;

/// One operation or effect.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What was done, for example `install` or `apply`; empty where nothing was.
    pub effect: String,
    /// What the strategy asked for, for example `split`; empty where it was not the strategy.
    pub call: String,
    /// Who wanted it: `strategy`, `step` or `undo`.
    pub by: String,
    /// When it began, in milliseconds since 1970.
    pub started: u64,
    /// When it ended; none where the process did not see its end.
    pub ended: Option<u64>,
    /// The code of the failure it ended with.
    pub failure: Option<String>,
    /// The shares it asked the load balancer for, by group.
    pub shares: BTreeMap<String, f64>,
}

/// A time in which nobody changed who gets the traffic.
#[derive(Clone, Debug)]
pub struct Period {
    /// In milliseconds since 1970.
    pub time: Range<u64>,
    /// What each group was to get, in percent.
    pub shares: BTreeMap<String, f64>,
}

/// Everything in a record, in order.
pub fn entries(shown: &Value) -> Vec<Entry> {
    let records = shown["records"].as_array().map_or(&[][..], Vec::as_slice);
    records.iter().map(entry).collect()
}

fn entry(record: &Value) -> Entry {
    let (intent, outcome) = (&record["intent"], &record["outcome"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let shares = intent["effect"]["traffic"]["shares"].as_object();
    let shares = shares.into_iter().flatten();
    Entry {
        effect: text(&intent["effect"]["effect"]),
        call: text(&intent["operation"]["call"]),
        by: text(&intent["origin"]["by"]),
        started: intent["started"].as_u64().unwrap_or_default(),
        ended: outcome["ended"].as_u64(),
        failure: outcome["result"]["Err"]["code"].as_str().map(str::to_owned),
        shares: shares
            .map(|(group, part)| (group.clone(), part.as_f64().unwrap_or(0.0)))
            .collect(),
    }
}

/// The times between the changes of traffic, from `begin` to `end`. What happens while a change
/// is made belongs to none of them.
pub fn periods(shown: &Value, begin: u64, end: u64) -> Vec<Period> {
    let mut periods = Vec::new();
    let mut since = begin;
    let mut shares = BTreeMap::new();
    let changes = entries(shown)
        .into_iter()
        .filter(|entry| entry.effect == "apply");
    for change in changes {
        let Some(ended) = change.ended else { continue };
        periods.push(Period {
            time: since..change.started,
            shares,
        });
        (since, shares) = (ended, change.shares);
    }
    periods.push(Period {
        time: since..end,
        shares,
    });
    periods
}
