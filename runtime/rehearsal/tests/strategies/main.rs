//! The strategies that come with the program, rehearsed thousands of times over: whatever goes
//! wrong, nothing that must hold is broken.

mod stage;

use rehearsal::{Ending, Plan, Scene, Summary};
use serde_json::{Value, json};
use stage::{Stage, targets};

const PLAN: Plan = Plan {
    runs: 3_000,
    seed: 1,
};

fn rehearsed(stage: &Stage, scene: Scene) -> Summary {
    let strategies = stage.strategies(&scene);
    let summary = rehearsal::rehearse(&scene, &strategies, &[&strategies], PLAN);
    let shown: Vec<String> = (summary.findings.iter().take(8))
        .map(|finding| {
            let faults: Vec<String> = finding.faults.iter().map(ToString::to_string).collect();
            let broken: Vec<String> = finding.broken.iter().map(ToString::to_string).collect();
            format!(
                "seed {}: {}\n    with {}",
                finding.seed,
                broken.join("; "),
                faults.join("; ")
            )
        })
        .collect();
    assert!(
        summary.findings.is_empty(),
        "{} of {}:\n{}\n{:?}",
        summary.findings.len(),
        summary.runs,
        shown.join("\n"),
        summary.endings,
    );
    assert_eq!(summary.calm.ending, Ending::Succeeded, "{:?}", summary.calm);
    assert_eq!(summary.runs, PLAN.runs);
    summary
}

fn strategy(name: &str, settings: Value, groups: &[(&str, usize)]) -> Summary {
    let stage = Stage::bundled(name, settings);
    let brief = stage.brief(targets(groups));
    rehearsed(&stage, Scene::running(brief))
}

#[test]
fn canary() {
    let settings = json!({ "stages": [5, 10, 25, 50, 75], "soak": "5m" });
    let summary = strategy("canary", settings, &[("canary", 1), ("stable", 3)]);
    for ending in [Ending::Succeeded, Ending::RolledBack, Ending::Stuck] {
        assert!(
            summary
                .endings
                .get(&ending)
                .is_some_and(|count| *count > 20),
            "{:?}",
            summary.endings
        );
    }
}

#[test]
fn rolling() {
    strategy(
        "rolling",
        json!({ "batch": 1, "pause": "30s" }),
        &[("web", 4)],
    );
}

#[test]
fn blue_green() {
    let settings = json!({ "stages": [10, 50], "soak": "5m", "keep-old": "10m" });
    strategy("blue-green", settings, &[("blue", 2), ("green", 2)]);
}

#[test]
fn simple() {
    strategy("simple", json!({}), &[("web", 3)]);
}
