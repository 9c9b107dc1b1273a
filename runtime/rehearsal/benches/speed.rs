//! How many runs a rehearsal makes in a second, beside a bare component that calls the host as
//! often:
//!
//!     cargo bench -p rehearsal
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

#[path = "../tests/strategies/stage.rs"]
mod stage;

use std::time::Instant;

use rehearsal::{Plan, Scene};
use serde_json::json;
use stage::{Stage, targets};

fn main() {
    // `cargo test` runs benchmarks, too, to see that they do.
    let whole = std::env::args().any(|argument| argument == "--bench");
    for (rest, batch, runs) in [(3, json!(1), 20_000), (990, json!("10%"), 300)] {
        let canary = 1.max(rest / 99);
        let stage = Stage::bundled(
            "canary",
            json!({ "stages": [5, 10, 25, 50, 75], "soak": "5m", "batch": batch }),
        );
        let scene = Scene::running(stage.brief(targets(&[("canary", canary), ("stable", rest)])));
        let strategies = stage.strategies(&scene);
        for jobs in [1, 2] {
            let runs = if whole { runs } else { 10 };
            let plan = Plan { runs, seed: 1, jobs };
            let began = Instant::now();
            let summary = rehearsal::rehearse(&scene, &strategies, plan);
            let took = began.elapsed().as_secs_f64();
            let calls: u64 = summary.calm.calls;
            println!(
                "{} targets, {jobs} jobs: {:.0} runs/s, {calls} calls, {:?} findings {}",
                canary + rest,
                runs as f64 / took,
                summary.endings,
                summary.findings.len()
            );
        }
    }
}
