//! Effects that break what must hold, done to the model behind the guard's back: each is caught
//! by the invariant that it breaks.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    Admission, Call, Effect, Executor, Intent, Journal, Origin, Timestamp, Traffic, Undo, Verdict,
    invariants::Invariant,
};

use super::*;
use crate::{ledger::Clerk, run::block_on, world::Model};

struct Planted {
    model: Model,
    next: u64,
}

impl Planted {
    fn new() -> Self {
        let model = Model::new(&scene(), &[], 1, 0);
        Self { model, next: 1 }
    }

    fn call(sequence: u64, undoing: bool) -> Call {
        Call {
            sequence,
            attempt: 1,
            monitored: BTreeMap::new(),
            undoing,
        }
    }

    /// Does it with a record of its own.
    fn does(mut self, effect: Effect, undoing: bool) -> Self {
        let sequence = self.next;
        self.next += 1;
        let intent = Intent {
            sequence,
            origin: Origin::Host,
            operation: None,
            effect: Some(effect.clone()),
            undo: Undo::Nothing,
            attempt: 1,
            started: Timestamp(0),
        };
        block_on(Clerk(self.model.clone()).begin(&intent)).unwrap();
        block_on(self.model.execute(&effect, &Self::call(sequence, undoing)));
        self
    }

    fn broke(&self) -> Vec<Invariant> {
        let inner = self.model.lock();
        inner
            .breaches
            .iter()
            .map(|breach| breach.invariant)
            .collect()
    }
}

fn apply(shares: &[(&str, f64)], out: &[&str]) -> Effect {
    let admission = |target: &str| match out.contains(&target) {
        true => Admission::Out,
        false => Admission::Ready,
    };
    Effect::Apply {
        traffic: Traffic {
            shares: shares
                .iter()
                .map(|(group, share)| (name(group), *share))
                .collect(),
            admissions: ["a", "b", "c", "d"]
                .map(|target| (name(target), admission(target)))
                .into(),
        },
        drained: BTreeSet::new(),
        joining: BTreeSet::new(),
        drain_ms: 0,
    }
}

fn activate(target: &str, release: &str) -> Effect {
    Effect::Activate {
        releases: BTreeMap::from([(name(target), name(release))]),
    }
}

fn lay(target: &str) -> Effect {
    Effect::Install {
        targets: BTreeSet::from([name(target)]),
        release: name("v2"),
    }
}

const EVEN: &[(&str, f64)] = &[("canary", 25.0), ("stable", 75.0)];
const STABLE: &[(&str, f64)] = &[("stable", 100.0)];

#[test]
fn what_is_right_breaks_nothing() {
    let right = Planted::new()
        .does(lay("a"), false)
        .does(apply(STABLE, &[]), false)
        .does(activate("a", "v2"), false);
    assert_eq!(right.broke(), []);
}

#[test]
fn shares_that_do_not_add_up() {
    let planted = Planted::new().does(apply(&[("canary", 25.0), ("stable", 65.0)], &[]), false);
    assert_eq!(planted.broke(), [Invariant::SharesAddUp]);
}

#[test]
fn traffic_to_what_is_not_proven() {
    let planted = Planted::new()
        .does(lay("a"), false)
        .does(apply(STABLE, &[]), false)
        .does(activate("a", "v2"), false)
        .does(apply(EVEN, &[]), false);
    assert_eq!(planted.broke(), [Invariant::OnlyProvenGain]);
}

#[test]
fn a_switch_under_traffic() {
    let planted = Planted::new()
        .does(lay("a"), false)
        .does(activate("a", "v2"), false);
    assert_eq!(planted.broke(), [Invariant::NoSwitchUnderTraffic]);
}

#[test]
fn a_release_that_does_not_lie_there() {
    let planted = Planted::new()
        .does(apply(STABLE, &[]), false)
        .does(activate("a", "v2"), false);
    assert_eq!(planted.broke(), [Invariant::OnlyWholeReleases]);
    let removed = Effect::Remove {
        targets: BTreeSet::from([name("b")]),
        release: name("v1"),
    };
    assert_eq!(
        Planted::new().does(removed, false).broke(),
        [Invariant::OnlyWholeReleases]
    );
}

#[test]
fn too_few_who_serve() {
    let planted = Planted::new().does(apply(EVEN, &["b", "c"]), false);
    assert_eq!(planted.broke(), [Invariant::MinimumServes]);
}

#[test]
fn a_way_back_that_leads_elsewhere() {
    let shares = &[("canary", 40.0), ("stable", 60.0)];
    let planted = Planted::new().does(apply(shares, &[]), true);
    assert_eq!(planted.broke(), [Invariant::UndoComesBack]);
    let planted = Planted::new()
        .does(lay("a"), false)
        .does(apply(STABLE, &[]), false)
        .does(activate("a", "v2"), true);
    assert_eq!(planted.broke(), [Invariant::UndoComesBack]);
}

#[test]
fn an_effect_without_the_lease() {
    let mut planted = Planted::new();
    block_on(planted.model.execute(&lay("a"), &Planted::call(1, false)));
    assert_eq!(planted.broke(), [Invariant::HoldsLease]);
}

#[test]
fn an_end_that_is_neither_new_nor_old() {
    let verdicts = [
        Verdict::Succeeded {
            left_out: Vec::new(),
        },
        Verdict::RolledBack {
            cause: Failure::new(engine::Code::Internal, "it"),
        },
        Verdict::Stuck {
            cause: Failure::new(engine::Code::Internal, "it"),
            differences: Vec::new(),
        },
    ];
    for verdict in verdicts {
        let planted = Planted::new()
            .does(apply(STABLE, &[]), false)
            .does(lay("a"), false)
            .does(activate("a", "v2"), false);
        planted.model.lock().end(&verdict);
        let broke = planted.broke();
        assert!(!broke.is_empty(), "{verdict:?}");
        assert!(
            broke.iter().all(|broken| *broken == Invariant::EndsWhole),
            "{verdict:?}: {broke:?}"
        );
    }
}
