//! Random faults, from seeds that repeat them: whatever happens, the end is all new, all old,
//! or stuck with the differences said, and no promise is broken on the way.

use super::{Stage, course::all};
use crate::{
    Count, Verdict,
    testing::{Fault, Kind, Write},
};

/// Enough to meet each kind of fault at each place several times.
const SEEDS: u64 = 4_000;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as usize % end
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }
}

fn fault(random: &mut Random, stage: &Stage) -> Fault {
    const KINDS: [Kind; 9] = [
        Kind::Install,
        Kind::Activate,
        Kind::Deactivate,
        Kind::Remove,
        Kind::Apply,
        Kind::AwaitHealthy,
        Kind::Wait,
        Kind::Observe,
        Kind::ReadTraffic,
    ];
    let mut fault = Fault::new(KINDS[random.below(KINDS.len())]).after(random.below(6));
    let whole = matches!(
        fault.kind,
        Kind::Apply | Kind::Wait | Kind::Observe | Kind::ReadTraffic
    );
    if !whole && !random.chance(4) {
        let targets = &stage.brief.targets;
        fault.targets = vec![targets[random.below(targets.len())].name.clone()];
    }
    fault.times = if random.chance(4) {
        usize::MAX
    } else {
        1 + random.below(3)
    };
    fault.happens = random.chance(3);
    if random.chance(3) {
        fault.failure = fault.failure.retryable();
    }
    fault
}

fn run(seed: u64) -> &'static str {
    let mut random = Random(seed);
    let mut stages = all();
    let (name, mut stage, mut script) = stages.remove(random.below(stages.len()));
    if random.chance(3) {
        let mut brief = (*stage.brief).clone();
        brief.rules.tolerate = Count::Number(1);
        stage = Stage::new(brief, stage.world);
        stage.world.minimum(1);
    }
    for _ in 0..=random.below(3) {
        let fault = fault(&mut random, &stage);
        stage.world.fault(fault);
    }
    let targets = &stage.brief.targets;
    let target = targets[random.below(targets.len())].name.clone();
    match random.below(6) {
        0 => stage.world.ill(target.as_str(), "v2", true),
        1 => stage
            .world
            .falls_ill(random.below(4), target.as_str(), "v2"),
        2 => stage.world.ill(target.as_str(), "v1", true),
        3 => stage.world.aborts(random.below(4), &stage.asked),
        _ => {}
    }
    if random.chance(4) {
        stage.journal.dies(Write::After(random.below(60)));
    }
    let before = stage.snapshot();
    let mut verdict = stage.run(&mut script);
    if matches!(verdict, Verdict::Abandoned { .. }) {
        verdict = stage.roll_back();
    }
    check(&stage, &before, &verdict, &format!("seed {seed}, {name}"));
    let end = kind(&verdict);
    if matches!(verdict, Verdict::Stuck { .. }) {
        // Once the world is whole again, it goes back to the end.
        stage.world.mend();
        let verdict = stage.roll_back();
        assert!(
            matches!(verdict, Verdict::RolledBack { .. }),
            "seed {seed}, {name}: {verdict:?}"
        );
        assert_eq!(stage.snapshot(), before, "seed {seed}, {name}, tried again");
    }
    end
}

fn kind(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded { .. } => "succeeded",
        Verdict::RolledBack { .. } => "rolled back",
        Verdict::Stuck { .. } => "stuck",
        Verdict::Refused { .. } => "refused",
        Verdict::Frozen { .. } | Verdict::Abandoned { .. } => "neither",
    }
}

type Snapshot = (
    std::collections::BTreeMap<crate::Name, crate::TargetState>,
    Vec<(crate::Name, i64)>,
);

fn check(stage: &Stage, before: &Snapshot, verdict: &Verdict, run: &str) {
    match verdict {
        Verdict::Succeeded { left_out } => {
            let (states, percents) = stage.snapshot();
            for target in &stage.brief.targets {
                let out = left_out.iter().any(|(name, _)| *name == target.name);
                let idle = stage.brief.rules.idle.contains(&target.group);
                let renewed = states[&target.name].active == Some("v2".into());
                assert!(out || idle || renewed, "{run}: {} is old", target.name);
                let part = percents
                    .iter()
                    .find(|(name, _)| *name == target.name)
                    .unwrap()
                    .1;
                assert!(
                    part == 0 || renewed || out,
                    "{run}: {} serves the old",
                    target.name
                );
            }
        }
        Verdict::RolledBack { .. } | Verdict::Refused { .. } => {
            assert_eq!(stage.snapshot(), *before, "{run}: {verdict:?}");
        }
        Verdict::Stuck { differences, .. } => {
            let told = differences.join("\n");
            let (states, percents) = stage.snapshot();
            for (name, state) in &states {
                if state.active != before.0[name].active {
                    let said =
                        told.contains(&format!("{name} runs")) || told.contains("could not be");
                    assert!(said, "{run}: {name} differs, and {told:?} does not say so");
                }
            }
            for (now, then) in percents.iter().zip(&before.1) {
                // Less than a weight step is none.
                if (now.1 - then.1).abs() > 400_000 {
                    let said =
                        told.contains(&format!("{} gets", now.0)) || told.contains("could not be");
                    assert!(
                        said,
                        "{run}: {} differs, and {told:?} does not say so",
                        now.0
                    );
                }
            }
        }
        Verdict::Frozen { .. } | Verdict::Abandoned { .. } => panic!("{run}: {verdict:?}"),
    }
    stage.assert_no_new_traffic();
}

#[test]
fn all_new_all_old_or_stuck_with_the_differences() {
    let mut ends = std::collections::BTreeMap::new();
    for seed in 0..SEEDS {
        *ends.entry(run(seed)).or_insert(0_u32) += 1;
    }
    // Each way to end was met often, so that none is checked by name only.
    for end in ["succeeded", "rolled back", "stuck", "refused"] {
        assert!(ends.get(end).is_some_and(|count| *count > 20), "{ends:?}");
    }
}
