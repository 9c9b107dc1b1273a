//! What the whole program costs, each figure beside a baseline of the same run:
//!
//!     cargo bench -p tests [-- start|memory|waiting|ssh]

#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]

mod memory;
mod ssh;
mod start;
mod waiting;

use std::time::Duration;

/// One line of the table.
struct Row {
    figure: String,
    ours: String,
    baseline: String,
    ratio: Option<f64>,
    bar: String,
    kept: bool,
}

fn main() {
    // `cargo test` runs benchmarks, too, to see that they do.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let named = |name: &str| {
        let mut names = std::env::args()
            .skip(1)
            .filter(|argument| !argument.starts_with('-'))
            .peekable();
        names.peek().is_none() || names.any(|chosen| chosen == name)
    };
    let mut rows = Vec::new();
    if named("start") {
        rows.extend(start::measure());
    }
    if named("memory") {
        rows.push(memory::measure());
    }
    if named("waiting") {
        rows.push(waiting::measure());
    }
    if named("ssh") {
        rows.extend(ssh::measure());
    }
    println!("| figure | measured | baseline | ratio | bar | |");
    println!("|---|---|---|---|---|---|");
    for Row {
        figure,
        ours,
        baseline,
        ratio,
        bar,
        kept,
    } in rows
    {
        let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let kept = if kept { "kept" } else { "missed" };
        println!("| {figure} | {ours} | {baseline} | {ratio} | {bar} | {kept} |");
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
