//! Going on where another process stopped: at every write and every effect, once and twice, the
//! end, the record and the verdict are those of a deployment that nobody cut off.

use futures::{FutureExt, executor::block_on};

use super::{Stage, course::all, outcomes, scripts::Script};
use crate::{
    Deployment, Effect, Intent, Operation, Origin, Point, Record, Resume, StepRule, Strategy,
    Verdict,
    testing::{Death, Silent, Write},
};

/// The strategies with steps at these points; both once and for each batch, where `each`.
fn stages(points: &[Point], each: &[bool]) -> Vec<(&'static str, Stage, Script)> {
    let with_steps = |(name, stage, script): (_, Stage, _)| {
        let mut brief = (*stage.brief).clone();
        let step = |at: &Point, each: &bool| StepRule {
            name: format!("{at:?}"),
            at: *at,
            each: *each,
            irreversible: false,
            repeat: true,
        };
        let steps = points
            .iter()
            .flat_map(|at| each.iter().map(move |each| step(at, each)));
        brief.rules.steps = steps.collect();
        (name, Stage::new(brief, stage.world), script)
    };
    all().into_iter().map(with_steps).collect()
}

/// Steps wherever there can be some.
pub(super) fn full() -> Vec<(&'static str, Stage, Script)> {
    const POINTS: [Point; 7] = [
        Point::BeforeDeploy,
        Point::BeforeActivate,
        Point::BeforeTraffic,
        Point::AfterTraffic,
        Point::AfterDeploy,
        Point::BeforeRollback,
        Point::AfterRollback,
    ];
    stages(&POINTS, &[false, true])
}

/// Short enough to cut off at every pair of points.
fn short() -> Vec<(&'static str, Stage, Script)> {
    let mut short = stages(&[Point::BeforeTraffic, Point::BeforeRollback], &[false]);
    short.retain(|(name, ..)| matches!(*name, "simple" | "blue-green"));
    for (_, _, script) in &mut short {
        script.0.retain(
            |call| !matches!(call, Operation::Split { shares } if shares[0].percent == 50.0),
        );
    }
    short
}

impl Stage {
    pub(super) fn resumption(&self) -> Resume {
        Resume {
            records: self.journal.records(),
            ..Resume::default()
        }
    }

    pub(super) fn resuming(&self, resume: Resume) -> Deployment {
        Deployment::resume(
            self.brief.clone(),
            resume,
            Box::new(self.world.clone()),
            Box::new(self.journal.clone()),
            std::sync::Arc::new(Silent),
            std::sync::Arc::new(self.asked.clone()),
        )
    }

    /// Goes on in another process; none where that one dies too.
    fn goes_on(&self, strategy: &mut dyn Strategy, resume: Resume) -> Option<Verdict> {
        let mut deployment = self.resuming(resume);
        let verdict = deployment.run(strategy).now_or_never();
        self.outlives(verdict)
    }

    /// Goes on in another process that lives to the end.
    pub(super) fn resume(&self, strategy: &mut dyn Strategy, resume: Resume) -> Verdict {
        self.world.dies(None);
        self.journal.revive();
        let verdict = block_on(self.resuming(resume).run(strategy));
        self.assert_promises(&verdict);
        verdict
    }

    /// From the beginning; none where the process dies.
    pub(super) fn starts(&self, strategy: &mut dyn Strategy) -> Option<Verdict> {
        let mut deployment = self.deployment();
        let verdict = deployment.run(strategy).now_or_never();
        self.outlives(verdict)
    }

    /// Takes it back in another process; none where that one dies too.
    fn goes_back(&self) -> Option<Verdict> {
        let verdict = crate::rollback_open(
            self.brief.clone(),
            self.journal.records(),
            Box::new(self.world.clone()),
            Box::new(self.journal.clone()),
            std::sync::Arc::new(Silent),
            crate::Failure::new(crate::Code::Interrupted, "alice asked for it"),
        )
        .now_or_never();
        self.outlives(verdict)
    }

    fn outlives(&self, verdict: Option<Verdict>) -> Option<Verdict> {
        let broken = self.world.violations();
        assert!(broken.is_empty(), "{broken:?}\n{}", self.told());
        verdict.filter(|verdict| !matches!(verdict, Verdict::Abandoned { .. }))
    }
}

/// When a process dies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kill {
    Write(Write),
    Effect(Death),
}

impl Kill {
    /// Of the process that lives now.
    pub(super) fn meet(self, stage: &Stage) {
        let (writes, asked) = (stage.journal.writes(), stage.world.asked());
        stage.journal.revive();
        stage.world.dies(None);
        match self {
            Self::Write(Write::Before(at)) => stage.journal.dies(Write::Before(writes + at)),
            Self::Write(Write::After(at)) => stage.journal.dies(Write::After(writes + at)),
            Self::Effect(Death::Before(at)) => stage.world.dies(Some(Death::Before(asked + at))),
            Self::Effect(Death::Halfway(at)) => stage.world.dies(Some(Death::Halfway(asked + at))),
            Self::Effect(Death::After(at)) => stage.world.dies(Some(Death::After(asked + at))),
        }
    }
}

/// Every kill that a process can meet, as long as `dies` says that it met it.
pub(super) fn each_kill(mut dies: impl FnMut(Kill) -> bool) {
    let kinds: [fn(usize) -> Kill; 5] = [
        |at| Kill::Write(Write::Before(at)),
        |at| Kill::Write(Write::After(at)),
        |at| Kill::Effect(Death::Before(at)),
        |at| Kill::Effect(Death::Halfway(at)),
        |at| Kill::Effect(Death::After(at)),
    ];
    for kind in kinds {
        let met = (0..).take_while(|at| dies(kind(*at))).count();
        assert!(met > 0, "nothing was cut off");
    }
}

/// The record without what going on adds: attempts, times, and reading and proving again.
fn essence(stage: &Stage) -> Vec<(Intent, Option<Result<crate::Answer, crate::Failure>>)> {
    let records = stage.journal.records().into_iter();
    let checks = |record: &Record| {
        let Intent { origin, effect, .. } = &record.intent;
        record.intent.sequence > 1
            && *origin == Origin::Host
            && matches!(effect, Some(Effect::Observe | Effect::AwaitHealthy { .. }))
    };
    records
        .filter(|record| !checks(record))
        .map(
            |Record {
                 mut intent,
                 outcome,
             }| {
                intent.sequence = 0;
                intent.attempt = 0;
                intent.started = crate::Timestamp(0);
                if let Some(Effect::Wait { since, until }) = &mut intent.effect {
                    (*since, *until) = (crate::Timestamp(0), None);
                }
                if let Origin::Undo(_) = intent.origin {
                    intent.origin = Origin::Undo(0);
                }
                (intent, outcome.map(|outcome| outcome.result))
            },
        )
        .collect()
}

fn assert_whole(stage: &Stage, run: &str) {
    let records = stage.journal.records();
    assert_eq!(outcomes(&records).len(), records.len(), "{run}");
    assert!(stage.journal.verdict().is_some(), "{run}");
}

/// Something goes wrong late, the same way each time.
fn spoil(name: &str, stage: &Stage) {
    match name {
        "simple" => stage.world.ill("b", "v2", true),
        "canary" | "rolling" => stage.world.ill("c", "v2", true),
        _ => stage.world.falls_ill(1, "g1", "v2"),
    }
}

pub(super) type Stages = fn() -> Vec<(&'static str, Stage, Script)>;

/// Each script as it goes well and as it fails.
pub(super) fn courses(stages: Stages) -> Vec<(String, bool, usize)> {
    let names = stages();
    let each = names.iter().enumerate();
    each.flat_map(|(at, (name, ..))| {
        [false, true].map(|fails| (format!("{name}, fails: {fails}"), fails, at))
    })
    .collect()
}

pub(super) fn course(stages: Stages, at: usize, fails: bool) -> (Stage, Script) {
    let (name, stage, script) = stages().remove(at);
    if fails {
        spoil(name, &stage);
    }
    (stage, script)
}

fn equal(stage: &Stage, verdict: &Verdict, whole: &Stage, uncut: &Verdict, run: &str) {
    assert_eq!(verdict, uncut, "{run}\n{}", stage.told());
    assert_eq!(stage.snapshot(), whole.snapshot(), "{run}");
    assert_whole(stage, run);
    stage.assert_no_new_traffic();
}

#[test]
fn what_was_cut_off_anywhere_goes_on_to_the_same_end() {
    for (name, fails, at) in courses(full) {
        let (whole, mut script) = course(full, at, fails);
        let uncut = whole.run(&mut script);
        each_kill(|kill| {
            let (stage, mut script) = course(full, at, fails);
            kill.meet(&stage);
            if stage.starts(&mut script).is_some() {
                return false;
            }
            let run = format!("{name}, {kill:?}");
            let verdict = stage.resume(&mut script, stage.resumption());
            equal(&stage, &verdict, &whole, &uncut, &run);
            if !fails {
                assert_eq!(essence(&stage), essence(&whole), "{run}");
            }
            true
        });
    }
}

/// Asked to leave, a process ends what is under way and begins nothing: not on its way back,
/// either.
#[test]
fn what_was_left_anywhere_goes_on_to_the_same_end() {
    for (name, fails, at) in courses(full) {
        let (whole, mut script) = course(full, at, fails);
        let uncut = whole.run(&mut script);
        let mut left = 0;
        for after in 0.. {
            let (stage, mut script) = course(full, at, fails);
            stage.journal.leaves(after);
            if stage.run(&mut script) != Verdict::Left {
                break;
            }
            left += 1;
            let run = format!("{name}, left after {after}");
            let records = stage.journal.records();
            assert_eq!(outcomes(&records).len(), records.len(), "{run}");
            assert_eq!(stage.journal.verdict(), None, "{run}");
            let verdict = stage.resume(&mut script, stage.resumption());
            equal(&stage, &verdict, &whole, &uncut, &run);
            if !fails {
                assert_eq!(essence(&stage), essence(&whole), "{run}");
            }
        }
        assert!(left > 0, "{name} was never left");
    }
}

/// Both processes die: the first at every point, the second at every point after that.
#[test]
fn so_does_what_was_cut_off_twice() {
    for (name, fails, at) in courses(short) {
        let (whole, mut script) = course(short, at, fails);
        let uncut = whole.run(&mut script);
        each_kill(|first| {
            let mut cut = false;
            each_second_kill(|second| {
                let (stage, mut script) = course(short, at, fails);
                first.meet(&stage);
                if stage.starts(&mut script).is_some() {
                    return false;
                }
                cut = true;
                let run = format!("{name}, {first:?}, {second:?}");
                let resume = stage.resumption();
                second.meet(&stage);
                if let Some(verdict) = stage.goes_on(&mut script, resume) {
                    equal(&stage, &verdict, &whole, &uncut, &run);
                    return false;
                }
                let verdict = stage.resume(&mut script, stage.resumption());
                equal(&stage, &verdict, &whole, &uncut, &run);
                if !fails {
                    assert_eq!(essence(&stage), essence(&whole), "{run}");
                }
                true
            });
            cut
        });
    }
}

/// Cut off anywhere, then taken back by a process that dies anywhere, then by one that lives.
#[test]
fn what_was_cut_off_anywhere_goes_back_however_often() {
    for (name, fails, at) in courses(short) {
        each_kill(|first| {
            let mut cut = false;
            each_second_kill(|second| {
                let (stage, mut script) = course(short, at, fails);
                let before = stage.snapshot();
                first.meet(&stage);
                if stage.starts(&mut script).is_some() {
                    return false;
                }
                cut = true;
                let run = format!("{name}, {first:?}, {second:?}");
                second.meet(&stage);
                let survived = stage.goes_back();
                let died = survived.is_none();
                stage.world.dies(None);
                let verdict = survived.unwrap_or_else(|| stage.roll_back());
                let back = matches!(
                    verdict,
                    Verdict::RolledBack { .. } | Verdict::Refused { .. }
                );
                assert!(back, "{run}: {verdict:?}\n{}", stage.told());
                assert_eq!(stage.snapshot(), before, "{run}");
                assert_whole(&stage, &run);
                stage.assert_no_new_traffic();
                died
            });
            cut
        });
    }
}

/// The second process is killed at fewer kinds of moment: what it does in one is what it does in
/// the other.
fn each_second_kill(mut dies: impl FnMut(Kill) -> bool) {
    let kinds: [fn(usize) -> Kill; 3] = [
        |at| Kill::Write(Write::Before(at)),
        |at| Kill::Write(Write::After(at)),
        |at| Kill::Effect(Death::After(at)),
    ];
    for kind in kinds {
        for at in 0.. {
            if !dies(kind(at)) {
                break;
            }
        }
    }
}
