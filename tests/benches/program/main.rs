//! What the whole program costs, each figure beside a baseline of the same run:
//!
//!     cargo bench -p tests

#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]

mod memory;
mod start;

use std::time::Duration;

/// One line of the table.
struct Row {
    figure: &'static str,
    ours: String,
    baseline: String,
    ratio: Option<f64>,
    bar: &'static str,
    kept: bool,
}

fn main() {
    // `cargo test` runs benchmarks, too, to see that they do.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut rows = start::measure();
    rows.push(memory::measure());
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
