//! The process dies at any write of the record; another one takes everything back.

use super::{Stage, course::all, outcomes};
use crate::{
    Point, StepRule, Verdict,
    testing::{Fault, Kind, Write},
};

fn stages() -> Vec<(&'static str, Stage, super::scripts::Script)> {
    let with_steps = |(name, stage, script): (_, Stage, _)| {
        let mut brief = (*stage.brief).clone();
        let step = |at| StepRule {
            name: format!("{at:?}"),
            at,
            each: false,
            irreversible: false,
            repeat: true,
        };
        brief.rules.steps = [
            Point::BeforeTraffic,
            Point::AfterTraffic,
            Point::BeforeRollback,
        ]
        .map(step)
        .to_vec();
        (name, Stage::new(brief, stage.world), script)
    };
    all().into_iter().map(with_steps).collect()
}

fn writes() -> impl Iterator<Item = Write> {
    (0..).flat_map(|number| [Write::Before(number), Write::After(number)])
}

/// Kills the deployment at every write, and rolls it back in another process.
#[test]
fn a_deployment_that_died_anywhere_goes_back() {
    for strategy in 0..stages().len() {
        for write in writes() {
            let (name, stage, mut script) = stages().remove(strategy);
            let before = stage.snapshot();
            stage.journal.dies(write);
            let verdict = stage.run(&mut script);
            if !matches!(verdict, Verdict::Abandoned { .. }) {
                break;
            }
            let closed = stage.journal.verdict().is_some();
            let begun = stage.journal.records().len();
            let verdict = stage.roll_back();
            match verdict {
                Verdict::RolledBack { .. } => {}
                // Nothing but looking, and perhaps a note of a stage.
                Verdict::Refused { .. } => assert!(begun <= 2, "{name} {write:?}"),
                other => panic!("{name} {write:?}: {other:?}"),
            }
            assert_eq!(stage.snapshot(), before, "{name} {write:?} closed {closed}");
            stage.assert_no_new_traffic();
            let records = stage.journal.records();
            assert_eq!(
                outcomes(&records).len(),
                records.len(),
                "every record has its end"
            );
        }
    }
}

/// Kills the undo at every write, and goes on with it in another process.
#[test]
fn an_undo_that_died_anywhere_goes_on() {
    for strategy in 0..stages().len() {
        for write in writes() {
            let (name, stage, mut script) = stages().remove(strategy);
            let before = stage.snapshot();
            spoil(name, &stage);
            stage.journal.dies(write);
            let verdict = stage.run(&mut script);
            if matches!(verdict, Verdict::RolledBack { .. }) {
                break;
            }
            assert!(
                matches!(verdict, Verdict::Abandoned { .. }),
                "{name} {write:?}: {verdict:?}"
            );
            let verdict = stage.roll_back();
            assert!(
                matches!(
                    verdict,
                    Verdict::RolledBack { .. } | Verdict::Refused { .. }
                ),
                "{name} {write:?}: {verdict:?}"
            );
            assert_eq!(stage.snapshot(), before, "{name} {write:?}");
            stage.assert_no_new_traffic();
        }
    }
}

/// Kills the second process, too, at every write, until one comes through.
#[test]
fn so_does_one_whose_successors_die() {
    for strategy in 0..stages().len() {
        let (name, stage, mut script) = stages().remove(strategy);
        let before = stage.snapshot();
        spoil(name, &stage);
        stage.journal.dies(Write::After(18));
        stage.run(&mut script);
        let mut deaths = 0;
        let verdict = loop {
            stage.journal.revive();
            // Each lives a little longer than the one before it.
            stage
                .journal
                .dies(Write::Before(stage.journal.writes() + 3 + deaths));
            match stage.roll_back_with_death() {
                Verdict::Abandoned { .. } => deaths += 1,
                verdict => break verdict,
            }
            assert!(deaths < 100, "{name} gets nowhere");
        };
        assert!(
            matches!(verdict, Verdict::RolledBack { .. }),
            "{name}: {verdict:?}"
        );
        assert!(deaths > 1, "{name}");
        assert_eq!(stage.snapshot(), before, "{name}");
    }
}

/// Something goes wrong late enough that much has to be taken back.
fn spoil(name: &str, stage: &Stage) {
    match name {
        "simple" => stage.world.ill("b", "v2", true),
        "canary" => stage.world.ill("c", "v2", true),
        _ => stage.world.fault(Fault::new(Kind::Wait).after(1)),
    }
}
