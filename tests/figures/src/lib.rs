//! The one table that every benchmark prints its figures in: `tests/bench` puts the lines of all
//! of them together.

#![forbid(unsafe_code)]

use std::time::Duration;

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// What came out.
    pub measured: String,
    /// What it is held against: its name, and what came out there in the same run.
    pub baseline: String,
    /// The first by the second.
    pub ratio: Option<f64>,
    /// What it must be.
    pub bar: Option<Bar>,
}

/// What a figure must be.
#[derive(Clone, Debug)]
pub struct Bar {
    /// As the table has it.
    pub text: String,
    /// Whether the figure is so.
    pub kept: bool,
}

impl Figure {
    /// A time against that of something else, which it may exceed so many times.
    pub fn times(
        name: impl Into<String>,
        ours: Duration,
        baseline: (&str, Duration),
        most: f64,
    ) -> Self {
        let ratio = ours.as_secs_f64() / baseline.1.as_secs_f64();
        Self {
            name: name.into(),
            measured: time(ours),
            baseline: format!("{}: {}", baseline.0, time(baseline.1)),
            ratio: Some(ratio),
            bar: Some(Bar {
                text: format!("<= {most}x"),
                kept: ratio <= most,
            }),
        }
    }

    /// A figure that has nothing to be held against but its bar.
    pub fn alone(name: impl Into<String>, measured: String, bar: &str, kept: bool) -> Self {
        Self {
            name: name.into(),
            measured,
            baseline: String::new(),
            ratio: None,
            bar: Some(Bar {
                text: bar.to_owned(),
                kept,
            }),
        }
    }
}

/// Whether this process is to measure: `cargo test` runs benchmarks, too, to see that they do.
pub fn wanted() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Prints the table.
#[expect(clippy::print_stdout, reason = "the table is what it is for")]
pub fn print(figures: &[Figure]) {
    println!("| figure | measured | baseline | ratio | bar | |");
    println!("|---|---|---|---|---|---|");
    for Figure {
        name,
        measured,
        baseline,
        ratio,
        bar,
    } in figures
    {
        let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let (bar, kept) = match bar {
            Some(bar) if bar.kept => (bar.text.as_str(), "kept"),
            Some(bar) => (bar.text.as_str(), "missed"),
            None => ("", ""),
        };
        println!("| {name} | {measured} | {baseline} | {ratio} | {bar} | {kept} |");
    }
}

/// The one in the middle.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A time in the unit that suits it.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1e-3 {
        format!("{:.1} µs", seconds * 1e6)
    } else {
        format!("{:.1} ms", seconds * 1e3)
    }
}
