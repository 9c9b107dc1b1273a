//! Whole deployments against a world in memory.

mod bystanders;
mod control;
mod course;
mod crashes;
mod halts;
mod misbehaviour;
mod points;
mod random;
mod records;
mod refusals;
mod replays;
mod resumes;
mod scripts;
mod tolerance;
mod undo;

use std::sync::Arc;

use futures::executor::block_on;

use crate::{
    Admission, Brief, Code, Control, Deployment, Effect, Failure, Name, Observer, Record, Strategy,
    TargetState, Traffic, Verdict, rollback_open,
    testing::{Asked, Deed, MemoryJournal, MemoryWorld, Silent},
};

/// A deployment and everything around it.
struct Stage {
    brief: Arc<Brief>,
    world: MemoryWorld,
    journal: MemoryJournal,
    asked: Asked,
}

impl Stage {
    fn new(brief: Brief, world: MemoryWorld) -> Self {
        let (journal, asked) = (MemoryJournal::new(), Asked::default());
        Self {
            brief: Arc::new(brief),
            world,
            journal,
            asked,
        }
    }

    fn deployment(&self) -> Deployment {
        let observer: Arc<dyn Observer> = Arc::new(Silent);
        let control: Arc<dyn Control> = Arc::new(self.asked.clone());
        Deployment::new(
            self.brief.clone(),
            Box::new(self.world.clone()),
            Box::new(self.journal.clone()),
            observer,
            control,
        )
    }

    fn run(&self, strategy: &mut dyn Strategy) -> Verdict {
        let verdict = block_on(self.deployment().run(strategy));
        self.assert_promises(&verdict);
        verdict
    }

    /// Takes an open deployment back, in another process.
    fn roll_back(&self) -> Verdict {
        self.journal.revive();
        self.roll_back_with_death()
    }

    /// The same, in one that may die as well.
    fn roll_back_with_death(&self) -> Verdict {
        let verdict = block_on(rollback_open(
            self.brief.clone(),
            self.journal.records(),
            Box::new(self.world.clone()),
            Box::new(self.journal.clone()),
            Arc::new(Silent),
            Failure::new(Code::Interrupted, "alice asked for it"),
        ));
        self.assert_promises(&verdict);
        verdict
    }

    /// Fails with the record where a promise was broken.
    fn assert_promises(&self, verdict: &Verdict) {
        let broken = self.world.violations();
        assert!(
            broken.is_empty(),
            "{broken:?}\n{verdict:?}\n{}",
            self.told()
        );
    }

    /// The record, for whoever looks for the reason of a failure.
    fn told(&self) -> String {
        let tell = |record: &Record| {
            let Record { intent, outcome } = record;
            let result = outcome.as_ref().map(|outcome| {
                outcome
                    .result
                    .as_ref()
                    .map_err(|failure| failure.message.as_str())
            });
            format!(
                "{} {:?} {:?} -> {result:?}",
                intent.sequence, intent.origin, intent.effect
            )
        };
        let told: Vec<String> = self.journal.records().iter().map(tell).collect();
        told.join("\n")
    }

    /// What there is of the world to compare.
    fn snapshot(
        &self,
    ) -> (
        std::collections::BTreeMap<Name, TargetState>,
        Vec<(Name, i64)>,
    ) {
        let percents = self.world.percents().into_iter();
        // Millionths of a percent are noise.
        let percents = percents.map(|(name, percent)| (name, (percent * 1e6).round() as i64));
        (self.world.states(), percents.collect())
    }

    /// What was done to take things back.
    fn undone(&self) -> Vec<Effect> {
        let deeds = self.world.deeds().into_iter();
        deeds
            .filter(|deed| deed.call.undoing)
            .map(|deed| deed.effect)
            .collect()
    }

    /// Every state of the traffic on the way back was there before, but for targets that are
    /// kept out of it.
    fn assert_no_new_traffic(&self) {
        let mut visited = vec![self.first_traffic()];
        for Deed { effect, call } in self.world.deeds() {
            let Effect::Apply { traffic, .. } = effect else {
                continue;
            };
            if call.undoing {
                assert!(
                    visited.iter().any(|before| without(before, &traffic)),
                    "{traffic:?} is new; before there were {visited:?}"
                );
            } else {
                visited.push(traffic);
            }
        }
    }

    fn first_traffic(&self) -> Traffic {
        self.world.visited().remove(0)
    }
}

/// Whether `after` is `before` with some more targets out.
fn without(before: &Traffic, after: &Traffic) -> bool {
    let shares = after
        .shares
        .iter()
        .all(|(group, share)| (before.share(group.as_str()) - share).abs() < 1e-6);
    let admissions = after.admissions.iter().all(|(target, admission)| {
        *admission == before.admission(target.as_str()) || *admission == Admission::Out
    });
    shares && admissions
}

fn rule(failure: &Failure) -> &str {
    failure.details["rule"].as_str().unwrap_or_default()
}

fn outcomes(records: &[Record]) -> Vec<Result<(), String>> {
    let outcomes = records.iter().filter_map(|record| record.outcome.as_ref());
    outcomes
        .map(|outcome| {
            outcome
                .result
                .as_ref()
                .map(|_| ())
                .map_err(|failure| failure.message.clone())
        })
        .collect()
}
