//! Deployments that go well.

use super::{
    Stage,
    scripts::{
        Careless, Script, activate, blue_green, canary, healthy, install, rolling, simple, split,
    },
};
use crate::{
    Brief, Deployment, Effect, Event, Observer, Operation, Timestamp, Verdict,
    testing::{MemoryWorld, brief},
};

pub(super) fn web() -> Brief {
    brief(&[("a", "web"), ("b", "web"), ("c", "web")])
}

pub(super) fn colours() -> Brief {
    let mut brief = brief(&[
        ("b1", "blue"),
        ("b2", "blue"),
        ("g1", "green"),
        ("g2", "green"),
    ]);
    brief.rules.idle = ["blue".into(), "green".into()].into();
    brief
}

pub(super) fn birds() -> Brief {
    brief(&[
        ("a", "canary"),
        ("b", "stable"),
        ("c", "stable"),
        ("d", "stable"),
    ])
}

/// The four strategies, each with a fleet that it fits.
pub(super) fn all() -> Vec<(&'static str, Stage, Script)> {
    let mut down = web();
    down.rules.downtime = true;
    let blue = MemoryWorld::new(&colours()).running("v1", &[("blue", 100.0)]);
    let shares = [("canary", 25.0), ("stable", 75.0)];
    let world = |brief: &Brief| MemoryWorld::new(brief).running("v1", &[("web", 100.0)]);
    let flock = MemoryWorld::new(&birds()).running("v1", &shares);
    vec![
        (
            "simple",
            Stage::new(down.clone(), world(&down)),
            Script(simple(&["a", "b", "c"])),
        ),
        (
            "rolling",
            Stage::new(web(), world(&web())),
            Script(rolling(&["a", "b", "c"])),
        ),
        (
            "blue-green",
            Stage::new(colours(), blue),
            Script(blue_green(&["g1", "g2"])),
        ),
        (
            "canary",
            Stage::new(birds(), flock),
            Script(canary("a", &["b", "c", "d"])),
        ),
    ]
}

#[test]
fn every_strategy_brings_the_release_everywhere() {
    for (name, stage, mut script) in all() {
        let verdict = stage.run(&mut script);
        assert_eq!(
            verdict,
            Verdict::Succeeded {
                left_out: Vec::new()
            },
            "{name}"
        );
        for (target, percent) in stage.world.percents() {
            let active = stage.world.states()[&target].active.clone();
            assert!(
                percent == 0.0 || active == Some("v2".into()),
                "{name}: {target} has {active:?}"
            );
        }
        assert!(stage.undone().is_empty());
        assert_eq!(stage.journal.verdict().unwrap()["verdict"], "succeeded");
        assert!(
            stage
                .journal
                .records()
                .iter()
                .all(|record| record.outcome.is_some())
        );
    }
}

#[test]
fn a_first_deployment_has_no_minimum_and_lets_the_proven_in() {
    let stage = Stage::new(web(), MemoryWorld::new(&web()));
    let all = &["a", "b", "c"];
    let mut script = Script(vec![
        install(all),
        activate(all),
        healthy(all),
        split(&[("web", 100.0)]),
    ]);
    assert_eq!(
        stage.run(&mut script),
        Verdict::Succeeded {
            left_out: Vec::new()
        }
    );
    let third = 100.0 / 3.0;
    assert!(
        stage
            .world
            .percents()
            .values()
            .all(|percent| (percent - third).abs() < 1e-9)
    );
}

#[test]
fn nothing_is_applied_that_holds_already() {
    let stage = Stage::new(
        web(),
        MemoryWorld::new(&web()).running("v2", &[("web", 100.0)]),
    );
    let mut script = Script(vec![split(&[("web", 100.0)])]);
    assert_eq!(
        stage.run(&mut script),
        Verdict::Succeeded {
            left_out: Vec::new()
        }
    );
    assert_eq!(stage.world.deeds(), Vec::new());
}

#[test]
fn a_change_names_who_loses_and_who_gains_traffic() {
    let (_, stage, mut script) = all().remove(2);
    stage.run(&mut script);
    let applied: Vec<(usize, usize)> = stage
        .world
        .deeds()
        .iter()
        .filter_map(|deed| match &deed.effect {
            Effect::Apply {
                drained, joining, ..
            } => Some((drained.len(), joining.len())),
            _ => None,
        })
        .collect();
    assert_eq!(applied, [(0, 2), (0, 0), (2, 0)]);
}

#[test]
fn waits_watch_the_targets_of_the_release_that_have_traffic() {
    let (_, stage, mut script) = all().remove(3);
    stage.run(&mut script);
    let waits: Vec<usize> = stage
        .world
        .deeds()
        .iter()
        .filter(|deed| matches!(deed.effect, Effect::Wait { .. }))
        .map(|deed| deed.call.monitored.len())
        .collect();
    assert_eq!(waits, [1, 1, 1]);
}

#[test]
fn without_a_load_balancer_activation_is_traffic() {
    let mut brief = web();
    brief.rules.balancer = None;
    let stage = Stage::new(brief.clone(), MemoryWorld::new(&brief));
    let mut script = Script(simple(&["a", "b", "c"]));
    assert_eq!(
        stage.run(&mut script),
        Verdict::Succeeded {
            left_out: Vec::new()
        }
    );

    let stage = Stage::new(brief.clone(), MemoryWorld::new(&brief).running("v1", &[]));
    let verdict = stage.run(&mut Script(simple(&["a", "b", "c"])));
    assert!(matches!(verdict, Verdict::RolledBack { .. }), "{verdict:?}");
    assert!(
        stage
            .world
            .states()
            .values()
            .all(|state| state.active == Some("v1".into()))
    );
}

#[test]
fn whoever_listens_hears_of_it_in_order() {
    #[derive(Default)]
    struct Listener(std::sync::Mutex<Vec<String>>);
    impl Observer for Listener {
        fn event(&self, _at: Timestamp, event: &Event<'_>) {
            let word = match event {
                Event::Started(intent) => format!("started {}", intent.sequence),
                Event::Ended(intent, _) => format!("ended {}", intent.sequence),
                Event::Stage(stage) => format!("stage {stage}"),
                Event::Traffic(traffic) => format!("web {:?}", traffic.admission("a")),
                Event::Health { target, proven } => format!("{target} {proven}"),
                Event::Waiting { until, .. } => format!("waiting {}", until.is_some()),
                Event::LeftOut { target, .. } => format!("without {target}"),
                Event::Interrupted(interruption) => format!("stop, says {}", interruption.by),
                Event::Resumed { records, .. } => format!("resumed {records}"),
                Event::Heeded(signal) => format!("heeded {}", signal.by),
                Event::Undoing { .. } => "undoing".to_owned(),
                Event::Closed(verdict) => format!("{verdict:?}")[..10].to_owned(),
            };
            self.0.lock().unwrap().push(word);
        }
    }
    let stage = Stage::new(
        web(),
        MemoryWorld::new(&web()).running("v1", &[("web", 100.0)]),
    );
    stage.world.aborts(0, &stage.asked);
    let listener = std::sync::Arc::new(Listener::default());
    let mut deployment = Deployment::new(
        web(),
        Box::new(stage.world.clone()),
        Box::new(stage.journal.clone()),
        listener.clone(),
        std::sync::Arc::new(stage.asked.clone()),
    );
    let mut calls = vec![Operation::Begin {
        stage: "one".into(),
    }];
    calls.extend(rolling(&["a", "b", "c"]).into_iter().take(6));
    futures::executor::block_on(deployment.run(&mut Careless::new(calls)));
    let heard = listener.0.lock().unwrap().join(", ");
    assert_eq!(
        heard,
        "started 1, ended 1, started 2, ended 2, stage one, started 3, ended 3, started 4, \
         ended 4, web Draining, started 5, ended 5, started 6, ended 6, a true, started 7, \
         ended 7, web Ready, started 8, waiting true, ended 8, stop, says alice, undoing, \
         started 10, ended 10, web Draining, started 11, ended 11, started 12, ended 12, a true, \
         started 13, ended 13, web Ready, started 14, ended 14, started 15, ended 15, RolledBack"
    );
}
