//! Names and numbers as they stand in messages for people.

use std::collections::BTreeSet;

use crate::subject::Name;

/// How many names one message tells.
const NAMES_TOLD: usize = 6;

/// `web01`, `web01 and web02`, `web01, web02 and 7 more`.
pub(crate) fn names<'a>(names: impl IntoIterator<Item = &'a Name>) -> String {
    let all: BTreeSet<&str> = names.into_iter().map(Name::as_str).collect();
    let all: Vec<&str> = all.into_iter().collect();
    match all.as_slice() {
        [] => "no target".to_owned(),
        [one] => (*one).to_owned(),
        [front @ .., last] if all.len() <= NAMES_TOLD => {
            format!("{} and {last}", front.join(", "))
        }
        _ => format!(
            "{} and {} more",
            all[..NAMES_TOLD].join(", "),
            all.len() - NAMES_TOLD
        ),
    }
}

/// `25 %`, `33.33 %`.
pub(crate) fn percent(percent: f64) -> String {
    format!("{} %", (percent * 100.0).round() / 100.0)
}

/// `1 target`, `2 targets`.
pub(crate) fn targets(count: usize) -> String {
    if count == 1 {
        "1 target".to_owned()
    } else {
        format!("{count} targets")
    }
}
