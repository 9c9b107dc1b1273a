//! Random faults, from seeds that repeat them: whatever happens, the end is all new, all old,
//! or stuck with the differences said, and no promise is broken on the way.

use futures::executor::block_on;

use super::{
    Stage,
    course::all,
    scripts::{Careless, Script},
};
use crate::{
    Count, Halt, Name, Operation, Point, Share, StepRule, Strategy, Verdict,
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
    const KINDS: [Kind; 11] = [
        Kind::Install,
        Kind::Activate,
        Kind::Deactivate,
        Kind::Remove,
        Kind::Apply,
        Kind::AwaitHealthy,
        Kind::Wait,
        Kind::Observe,
        Kind::ReadTraffic,
        Kind::Step,
        Kind::UndoStep,
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
    let (name, mut stage, script) = stages.remove(random.below(stages.len()));
    let mut brief = (*stage.brief).clone();
    if random.chance(3) {
        brief.rules.tolerate = Count::Number(1);
        stage.world.minimum(1);
    }
    if random.chance(2) {
        let points = [
            Point::BeforeDeploy,
            Point::BeforeTraffic,
            Point::AfterTraffic,
        ];
        brief.rules.steps = points.map(|at| step(at, random.chance(2))).to_vec();
    }
    stage = Stage::new(brief, stage.world);
    let calls = if random.chance(3) {
        nonsense(&mut random, &stage)
    } else {
        script.0
    };
    for _ in 0..=random.below(3) {
        let fault = fault(&mut random, &stage);
        stage.world.fault(fault);
    }
    let target = pick(&mut random, &stage);
    match random.below(6) {
        0 => stage.world.ill(target.as_str(), "v2", true),
        1 => stage
            .world
            .falls_ill(random.below(4), target.as_str(), "v2"),
        2 => stage.world.ill(target.as_str(), "v1", true),
        3 => stage.world.aborts(random.below(4), &stage.asked),
        _ => {}
    }
    if random.chance(3) {
        stage.journal.dies(Write::After(random.below(60)));
    }
    let before = stage.snapshot();
    let run = format!("seed {seed}, {name}");
    let verdict = carry_through(&mut random, &stage, &calls, &run);
    stage.journal.revive();
    check(&stage, &before, &verdict, &run);
    let end = kind(&verdict);
    if matches!(verdict, Verdict::Stuck { .. }) {
        try_again(&stage, &run);
        assert_eq!(stage.snapshot(), before, "{run}, tried again");
    }
    end
}

/// From the beginning to an end, however often the process dies.
fn carry_through(random: &mut Random, stage: &Stage, calls: &[Operation], run: &str) -> Verdict {
    let careless = random.chance(2);
    let mut verdict = stage.run(&mut *strategy(calls, careless));
    let forth = random.chance(2);
    while matches!(verdict, Verdict::Abandoned { .. } | Verdict::Halted { .. }) {
        let halted = matches!(verdict, Verdict::Halted { .. });
        stage.journal.revive();
        if random.chance(2) {
            let write = stage.journal.writes() + random.below(30);
            stage.journal.dies(Write::Before(write));
        }
        verdict = if forth && !halted {
            let mut deployment = stage.resuming(stage.resumption());
            let verdict = block_on(deployment.run(&mut *strategy(calls, careless)));
            stage.assert_promises(&verdict);
            verdict
        } else {
            stage.roll_back_with_death()
        };
        let same = !matches!(
            &verdict,
            Verdict::Halted {
                halt: Halt::Differs { .. }
            }
        );
        assert!(same, "{run}: {verdict:?}\n{}", stage.told());
    }
    verdict
}

/// Once the world is whole again, it goes back to the end.
fn try_again(stage: &Stage, run: &str) {
    stage.world.mend();
    let mut verdict = stage.roll_back();
    if let Verdict::Stuck { differences, .. } = &verdict {
        // Targets that were not well when they were drained are well now, and would be
        // missed: so it says, and a person can decide.
        let told = differences.join("\n");
        assert!(
            told.contains("take it from them by hand"),
            "{run}: {told}\n{}",
            stage.told()
        );
        stage.world.drain_by_hand("v2");
        verdict = stage.roll_back();
    }
    assert!(
        matches!(verdict, Verdict::RolledBack { .. }),
        "{run}: {verdict:?}\n{}",
        stage.told()
    );
}

fn strategy(calls: &[Operation], careless: bool) -> Box<dyn Strategy> {
    if careless {
        Box::new(Careless::new(calls.to_vec()))
    } else {
        Box::new(Script(calls.to_vec()))
    }
}

fn step(at: Point, each: bool) -> StepRule {
    StepRule {
        name: format!("{at:?}"),
        at,
        each,
        irreversible: false,
        repeat: true,
    }
}

fn pick(random: &mut Random, stage: &Stage) -> Name {
    let targets = &stage.brief.targets;
    targets[random.below(targets.len())].name.clone()
}

/// A strategy that does not know what it does.
fn nonsense(random: &mut Random, stage: &Stage) -> Vec<Operation> {
    let groups: Vec<Name> = stage
        .brief
        .targets
        .iter()
        .map(|target| target.group.clone())
        .collect();
    let mut calls = Vec::new();
    for _ in 0..random.below(40) {
        let targets: Vec<Name> = (0..=random.below(3)).map(|_| pick(random, stage)).collect();
        let targets: std::collections::BTreeSet<Name> = targets.into_iter().collect();
        let targets: Vec<Name> = targets.into_iter().collect();
        calls.push(match random.below(8) {
            0 => Operation::Install { targets },
            1 => Operation::Activate { targets },
            2 => Operation::AwaitHealthy {
                targets,
                timeout_ms: None,
            },
            3 => Operation::Drain {
                targets,
                timeout_ms: None,
            },
            4 => Operation::Restore { targets },
            5 => Operation::Wait {
                duration_ms: Some(1),
            },
            _ => {
                let (one, other) = (
                    &groups[random.below(groups.len())],
                    &groups[random.below(groups.len())],
                );
                let percent = [0.0, 10.0, 50.0, 100.0][random.below(4)];
                let share = |group: &Name, percent| Share {
                    group: group.clone(),
                    percent,
                };
                let shares = if one == other {
                    vec![share(one, 100.0)]
                } else {
                    vec![share(one, percent), share(other, 100.0 - percent)]
                };
                Operation::Split { shares }
            }
        });
    }
    calls
}

fn kind(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded { .. } => "succeeded",
        Verdict::RolledBack { .. } => "rolled back",
        Verdict::Stuck { .. } => "stuck",
        Verdict::Refused { .. } => "refused",
        Verdict::Frozen { .. }
        | Verdict::Halted { .. }
        | Verdict::Left
        | Verdict::Abandoned { .. } => "neither",
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
        Verdict::Frozen { .. }
        | Verdict::Halted { .. }
        | Verdict::Left
        | Verdict::Abandoned { .. } => {
            panic!("{run}: {verdict:?}")
        }
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

/// A fleet, and what is asked of it; nothing goes wrong but what always does.
fn steady(random: &mut Random) -> (Stage, Vec<Operation>, bool) {
    let mut stages = all();
    let (_, stage, script) = stages.remove(random.below(stages.len()));
    let mut brief = (*stage.brief).clone();
    if random.chance(2) {
        brief.rules.tolerate = Count::Number(1);
        stage.world.minimum(1);
    }
    brief.rules.automatic_rollback = !random.chance(4);
    let points = [
        Point::BeforeDeploy,
        Point::BeforeActivate,
        Point::BeforeTraffic,
        Point::AfterTraffic,
        Point::AfterDeploy,
        Point::BeforeRollback,
    ];
    let steps = points.iter().filter(|_| random.chance(2));
    let steps: Vec<Point> = steps.copied().collect();
    brief.rules.steps = steps.iter().map(|at| step(*at, random.chance(2))).collect();
    let stage = Stage::new(brief, stage.world);
    let calls = match random.below(3) {
        0 => script.0,
        1 => nonsense(random, &stage),
        // Some of it forgotten.
        _ => script.0.into_iter().filter(|_| !random.chance(8)).collect(),
    };
    let target = pick(random, &stage);
    let careless = random.chance(2);
    match random.below(4) {
        0 => stage.world.ill(target.as_str(), "v2", true),
        1 => stage
            .world
            .fault(Fault::new(Kind::Install).always().on(&[target.as_str()])),
        // It leaves in doubt what runs there: whoever goes on reads that back.
        2 if !careless => stage
            .world
            .fault(Fault::new(Kind::Activate).always().on(&[target.as_str()])),
        _ => {}
    }
    (stage, calls, careless)
}

/// Cut off at random and gone on with, up to four times over: the same verdict, world and calls.
#[test]
fn cut_off_or_not_it_ends_the_same() {
    let mut cuts = 0;
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let (whole, calls, careless) = steady(&mut random);
        let uncut = whole.run(&mut *strategy(&calls, careless));
        let (stage, ..) = steady(&mut Random(seed));
        let mut times = random.below(4);
        let mut next = |stage: &Stage| {
            stage.journal.revive();
            if let Some(left) = times.checked_sub(1) {
                times = left;
                let write = stage.journal.writes() + random.below(whole.journal.writes());
                stage.journal.dies(if random.chance(2) {
                    Write::Before(write)
                } else {
                    Write::After(write)
                });
            }
        };
        next(&stage);
        let mut verdict = stage.run(&mut *strategy(&calls, careless));
        while matches!(verdict, Verdict::Abandoned { .. }) {
            cuts += 1;
            next(&stage);
            let mut deployment = stage.resuming(stage.resumption());
            verdict = block_on(deployment.run(&mut *strategy(&calls, careless)));
            stage.assert_promises(&verdict);
        }
        if let Verdict::Stuck { cause: uncut, .. } = &uncut {
            // Reading back tells who goes on what is in doubt to whoever was not cut off.
            let (Verdict::Stuck { cause, .. } | Verdict::RolledBack { cause }) = &verdict else {
                panic!("seed {seed}: {verdict:?}\n{}", stage.told())
            };
            assert_eq!(cause, uncut, "seed {seed}");
            continue;
        }
        assert_eq!(verdict, uncut, "seed {seed}\n{}", stage.told());
        assert_eq!(stage.snapshot(), whole.snapshot(), "seed {seed}");
        stage.assert_no_new_traffic();
    }
    assert!(cuts > SEEDS / 2, "{cuts}");
}
