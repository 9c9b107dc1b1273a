//! How many runs a rehearsal makes in a second of a processor, invariants on, beside a bare
//! strategy that makes as many calls and gets its answers for nothing:
//!
//!     cargo bench -p rehearsal

#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]

#[path = "../tests/strategies/stage.rs"]
mod stage;

use std::{
    fs,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Instant,
};

use async_trait::async_trait;
use engine::{Answer, Count, Failure, Operation, Operations, Share, Timestamp};
use rehearsal::{Plan, Scene};
use serde_json::{Value, json};
use stage::{Stage, targets};

/// Answers everything at once.
struct Yes(Vec<Share>);

#[async_trait]
impl Operations for Yes {
    async fn perform(&mut self, operation: Operation) -> Result<Answer, Failure> {
        Ok(match operation {
            Operation::ReadTraffic => Answer::Traffic(self.0.clone()),
            Operation::Now => Answer::Time(Timestamp(0)),
            _ => Answer::Done,
        })
    }

    fn over(&self) -> bool {
        false
    }
}

/// The time that this thread had a processor, in seconds: others build on this machine.
fn on_processor() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds: f64 = text.split(' ').next().unwrap().parse().unwrap();
    nanoseconds / 1e9
}

/// Strategies that ran to their end in a second, with nothing behind them.
fn bare(stage: &Stage, scene: &Scene, runs: u64) -> f64 {
    let all = scene.brief().targets.len() as f64;
    let share = |group: &str| {
        let members = scene
            .brief()
            .targets
            .iter()
            .filter(|target| target.group == group);
        Share {
            group: group.into(),
            percent: members.count() as f64 * 100.0 / all,
        }
    };
    let shares = vec![share("canary"), share("stable")];
    let strategies = stage.strategies(scene);
    let found = scene.found();
    let began = on_processor();
    for _ in 0..runs {
        let mut strategy = strategies(&found).unwrap();
        let mut operations = Yes(shares.clone());
        let mut running = pin!(strategy.run(&mut operations));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(ended) = running.as_mut().poll(&mut context) {
                ended.unwrap();
                break;
            }
        }
    }
    runs as f64 / (on_processor() - began)
}

/// A canary of five stages over so many targets.
fn canary(count: usize, batch: &Value) -> (Stage, Scene) {
    let settings = json!({ "stages": [5, 10, 25, 50, 75], "soak": "5m", "batch": batch });
    let stage = Stage::bundled("canary", settings);
    let first = 1.max(count / 100);
    let mut brief = stage.brief(targets(&[("canary", first), ("stable", count - first)]));
    brief.rules.minimum_serving = Some(Count::Percent(50.0));
    (stage, Scene::running(brief))
}

fn main() {
    // `cargo test` runs benchmarks, too, to see that they do.
    let whole = std::env::args().any(|argument| argument == "--bench");
    println!("| figure | ours | baseline | ratio | bar | |");
    println!("|---|---|---|---|---|---|");
    let row = |figure: &str, ours: f64, baseline: f64, bar: f64, unit: &str| {
        let ratio = ours / baseline;
        let kept = if ours >= bar { "kept" } else { "missed" };
        println!(
            "| {figure} | {ours:.1}{unit} | {baseline:.1}{unit} | {ratio:.2} | at least {bar}{unit} | {kept} |"
        );
    };
    for (count, batch, runs, bar) in [
        (4, json!(1), 20_000, 5_000.0),
        (1_000, json!("10%"), 300, 50.0),
    ] {
        let runs = if whole { runs } else { 5 };
        let (stage, scene) = canary(count, &batch);
        let strategies = stage.strategies(&scene);
        let baseline = bare(&stage, &scene, runs);
        let rehearsed = |jobs: usize| {
            let began = (Instant::now(), on_processor());
            let plan = Plan {
                runs,
                seed: 1,
                jobs,
            };
            let summary = rehearsal::rehearse(&scene, &strategies, plan);
            assert_eq!(summary.findings, [], "what is measured is right");
            let wall = began.0.elapsed().as_secs_f64();
            (runs as f64 / (on_processor() - began.1), runs as f64 / wall)
        };
        let (one, wall) = rehearsed(1);
        row(
            &format!("canary over {count} targets, runs on one processor"),
            one,
            baseline,
            bar,
            "/s",
        );
        let (_, both) = rehearsed(2);
        let figure = format!("canary over {count} targets, two threads for one");
        row(&figure, both / wall, 2.0, 1.8, " times");
    }
}
