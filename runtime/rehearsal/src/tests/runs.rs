//! Whole rehearsals: the same seed is the same run, and what a strategy does wrong is found, with
//! the shortest list of faults that shows it.

use engine::{Answer, Observer, Timestamp};

use super::*;
use crate::{Ending, Plan, Summary, Whose, rehearse, repeat, shrink::shrink};

struct Nobody;

impl Observer for Nobody {
    fn event(&self, _: Timestamp, _: &engine::Event<'_>) {}
}

fn rehearsed(strategies: &dyn crate::Strategies, runs: u64, jobs: usize) -> Summary {
    let others = vec![strategies; jobs - 1];
    rehearse(&scene(), strategies, &others, Plan { runs, seed: 7 })
}

/// The rules that were broken, and the longest list of faults that was needed for it.
fn found(strategies: &dyn crate::Strategies) -> (Vec<String>, usize) {
    let summary = rehearsed(strategies, 60, 1);
    let mut rules: Vec<String> = (summary.findings.iter())
        .flat_map(|finding| &finding.broken)
        .inspect(|broken| assert_eq!(broken.by, Whose::Strategy, "{broken:?}"))
        .map(|broken| broken.rule.clone())
        .collect();
    rules.sort();
    rules.dedup();
    let faults = summary.findings.iter().map(|finding| finding.faults.len());
    (rules, faults.max().unwrap_or(0))
}

#[test]
fn a_canary_as_it_should_be_breaks_nothing() {
    let summary = rehearsed(&script(canary()), 2_000, 2);
    assert_eq!(summary.findings, [], "{:?}", summary.endings);
    for ending in [
        Ending::Succeeded,
        Ending::RolledBack,
        Ending::Stuck,
        Ending::Refused,
    ] {
        assert!(
            summary
                .endings
                .get(&ending)
                .is_some_and(|count| *count > 10),
            "{:?}",
            summary.endings
        );
    }
    assert!(summary.bad_releases > 100 && summary.unnoticed > 10);
    assert!(summary.met_percent.p50 <= summary.met_percent.p90);
    assert!(summary.least_serving <= 3);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let strategies = script(canary());
    let (one, two) = (
        rehearsed(&strategies, 300, 1),
        rehearsed(&strategies, 300, 2),
    );
    assert_eq!(one, two);
    for sample in one.samples.iter().take(50) {
        let run = repeat(&scene(), &strategies, sample.seed, Arc::new(Nobody)).run;
        assert_eq!(run.ending, sample.ending);
        assert_eq!(run.took_ms, sample.took_ms);
        assert_eq!(
            (run.met_ms, run.failed_ms),
            (sample.met_ms, sample.failed_ms)
        );
    }
    assert_ne!(one.samples[0], one.samples[1]);
}

#[test]
fn only_the_faults_that_matter_are_left() {
    let all: Vec<Fault> = (0..9).map(|at| Fault::LeaseLost { at }).collect();
    let matter = [all[2].clone(), all[7].clone()];
    let again = |faults: &[Fault]| {
        let breaks = matter.iter().all(|fault| faults.contains(fault));
        let mut run = with(&[]);
        run.faults = faults.to_vec();
        if breaks {
            run.broken.push(crate::Broken::strategy("it", "broke"));
        }
        run
    };
    let least = shrink(again(&all), again);
    assert_eq!(least.faults, matter);
}

#[test]
fn a_strategy_that_goes_on_after_a_failure() {
    let (rules, faults) = found(&careless(canary()));
    assert!(rules.contains(&"failure-ignored".to_owned()), "{rules:?}");
    assert_eq!(faults, 1);
}

#[test]
fn a_strategy_that_does_not_wait_for_health() {
    let calls = canary().into_iter().filter(|call| *call != healthy(&["a"]));
    assert_eq!(
        found(&script(calls.collect())),
        (vec!["unproven".to_owned()], 0)
    );
}

#[test]
fn a_strategy_that_forgets_a_target() {
    let mut calls = canary();
    calls.drain(calls.len() - 5..calls.len() - 1);
    assert_eq!(found(&script(calls)), (vec!["incomplete".to_owned()], 0));
}

/// Waits no more from a certain hour on.
struct Hasty;

#[async_trait]
impl Strategy for Hasty {
    async fn run(&mut self, operations: &mut dyn Operations) -> Result<(), Failure> {
        let now = match operations.perform(Operation::Now).await? {
            Answer::Time(Timestamp(now)) => now,
            answer => panic!("{answer:?}"),
        };
        let late = now / 3_600_000 % 24 >= 12;
        for call in canary() {
            if !(late && call == soak()) {
                operations.perform(call).await?;
            }
        }
        Ok(())
    }
}

#[test]
fn a_strategy_that_branches_on_the_clock() {
    let hasty = |_: &World| -> Made { Ok(Box::new(Hasty)) };
    assert_eq!(found(&hasty), (vec!["branches-on-the-clock".to_owned()], 0));
}

/// Keeps what it is told of, and how it ended.
#[derive(Default)]
struct Keeper(std::sync::Mutex<(Vec<engine::Intent>, Option<engine::Verdict>)>);

impl Observer for Keeper {
    fn event(&self, _: Timestamp, event: &engine::Event<'_>) {
        let mut kept = self.0.lock().unwrap();
        match event {
            engine::Event::Ended(intent, _) => kept.0.push(engine::Intent::clone(intent)),
            engine::Event::Closed(verdict) => kept.1 = Some(engine::Verdict::clone(verdict)),
            _ => {}
        }
    }
}

/// A world in which half of it is as nobody would make it up.
fn odd() -> World {
    let state = |active: &str, lying: &[&str]| engine::TargetState {
        active: Some(active.into()),
        installed: (lying.iter())
            .map(|id| engine::Installed {
                id: (*id).into(),
                complete: true,
            })
            .collect(),
    };
    let member = |name: &str, percent: f64| engine::MemberState {
        target: name.into(),
        percent,
        admission: engine::Admission::Ready,
        up: Some(true),
        active: None,
    };
    World {
        targets: [
            (name("a"), state("v1", &["v1", "v2"])),
            (name("b"), state("v0", &["v0"])),
            (name("c"), state("v1", &["v1"])),
            (name("d"), state("v1", &["v1"])),
        ]
        .into(),
        unreachable: Default::default(),
        reading: Some(engine::Reading {
            members: [
                ("a", 5.0),
                ("b", 30.0),
                ("c", 30.0),
                ("d", 30.0),
                ("x", 5.0),
            ]
            .map(|(name, percent)| member(name, percent))
            .to_vec(),
            revision: Some("7".to_owned()),
            details: Value::Null,
        }),
    }
}

#[test]
fn what_is_foreseen_begins_with_what_was_found() {
    let world = odd();
    let found = std::sync::Mutex::new(None);
    let strategies = |seen: &World| -> Result<Box<dyn Strategy>, Failure> {
        *found.lock().unwrap() = Some(seen.clone());
        script(canary())(seen)
    };
    let keeper = Arc::new(Keeper::default());
    let run = crate::foresee(
        &Scene::finding(brief(), &world),
        &strategies,
        keeper.clone(),
    );
    assert_eq!(run.ending, Ending::Succeeded, "{:?}", run.cause);
    assert_eq!(found.lock().unwrap().as_ref(), Some(&world));
    let kept = keeper.0.lock().unwrap();
    assert!(matches!(kept.1, Some(engine::Verdict::Succeeded { .. })));
    // Whoever gets traffic without being a target no longer does.
    let last = kept.0.iter().rev().find_map(|intent| match &intent.effect {
        Some(engine::Effect::Apply { traffic, .. }) => Some(traffic.clone()),
        _ => None,
    });
    assert!(!last.unwrap().admissions.contains_key("x"));
    let sequences: Vec<u64> = kept.0.iter().map(|intent| intent.sequence).collect();
    let all: Vec<u64> = (1..).take(sequences.len()).collect();
    assert_eq!(sequences, all, "each record is heard, in its order");
    drop(kept);

    // The same again is the same, and takes as long as usual.
    let again = crate::foresee(
        &Scene::finding(brief(), &world),
        &strategies,
        keeper.clone(),
    );
    assert_eq!(again, run);
}

#[test]
fn who_was_not_reached_is_not_reached_in_what_is_foreseen() {
    let mut world = odd();
    let failure = Failure::new(engine::Code::Unavailable, "its cable is out");
    world.targets.remove("d");
    world.unreachable.insert(name("d"), failure);
    let keeper = Arc::new(Keeper::default());
    let scene = Scene::finding(brief(), &world);
    let run = crate::foresee(&scene, &script(canary()), keeper.clone());
    assert_eq!(run.ending, Ending::Refused);
    assert!(run.cause.unwrap().contains("its cable is out"));
}
