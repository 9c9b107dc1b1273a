//! How many runs a rehearsal makes in a second of a processor, invariants on, beside a bare
//! strategy that makes as many calls and gets its answers for nothing:
//!
//!     cargo bench -p rehearsal

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
    time::{Duration, Instant},
};

use async_trait::async_trait;
use engine::{Answer, Count, Failure, Operation, Operations, Share, Timestamp};
use figures::{Bar, Figure};
use rehearsal::{Plan, Scene, Strategies};
use serde_json::{Value, json};
use stage::{Stage, targets};

/// The parts of the traffic that the canary gets, in percent, one stage after the other.
const STAGES: [u32; 5] = [5, 10, 25, 50, 75];

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
    let settings = json!({ "stages": STAGES, "soak": "5m", "batch": batch });
    let stage = Stage::bundled("canary", settings);
    let first = 1.max(count / 100);
    let mut brief = stage.brief(targets(&[("canary", first), ("stable", count - first)]));
    brief.rules.minimum_serving = Some(Count::Percent(50.0));
    (stage, Scene::running(brief))
}

fn main() {
    let mut figures = Vec::new();
    let mut costs = Vec::new();
    for (count, batch, runs, bar) in [
        (4, json!(1), 20_000, 5_000.0),
        (1_000, json!("10%"), 300, 50.0),
    ] {
        let runs = if figures::wanted() { runs } else { 5 };
        let ((stage, scene), (other, _)) = (canary(count, &batch), canary(count, &batch));
        let strategies = stage.strategies(&scene);
        let rehearsed = |others: &[&dyn Strategies]| {
            let began = (Instant::now(), on_processor());
            let plan = Plan { runs, seed: 1 };
            let summary = rehearsal::rehearse(&scene, &strategies, others, plan);
            assert_eq!(summary.findings, [], "what is measured is right");
            let wall = began.0.elapsed().as_secs_f64();
            (runs as f64 / (on_processor() - began.1), runs as f64 / wall)
        };
        let bare = bare(&stage, &scene, runs);
        let (one, alone) = rehearsed(&[]);
        let (_, both) = rehearsed(&[&other.strategies(&scene)]);
        figures.push(Figure {
            name: format!("runs of a canary over {count} targets, one processor"),
            measured: format!("{one:.0}/s"),
            baseline: format!("bare strategy: {bare:.0}/s"),
            ratio: Some(one / bare),
            bar: Some(at_least(one, bar, "/s")),
        });
        figures.push(Figure {
            name: "the same on two threads".to_owned(),
            measured: format!("{both:.0}/s"),
            baseline: format!("one thread: {alone:.0}/s"),
            ratio: Some(both / alone),
            bar: Some(at_least(both / alone, 1.8, "x")),
        });
        costs.push(Duration::from_secs_f64(
            1.0 / (one * count as f64 * STAGES.len() as f64),
        ));
    }
    figures.push(Figure::times(
        "a target in one stage, of 1,000",
        costs[1],
        ("of 4", costs[0]),
        1.0,
    ));
    figures::print(&figures);
}

fn at_least(measured: f64, bar: f64, unit: &str) -> Bar {
    Bar {
        text: format!(">= {bar}{unit}"),
        kept: measured >= bar,
    }
}
