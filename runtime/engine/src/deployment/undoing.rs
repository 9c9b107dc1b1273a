//! Takes everything back, newest first, reads the world, and only then says that it is as it
//! was.

use std::collections::{BTreeMap, BTreeSet};

use super::{Deployment, Stop, concerned};
use crate::{
    effect::Effect,
    event::{Event, Verdict},
    failure::Failure,
    fleet::Mode,
    journal::{Origin, Undo},
    recorder::{Abandoned, Draft},
    rules::Point,
    trail::{Item, What},
    undo::{Next, Walk},
};

/// How often something that may succeed the next time is tried in one go of taking it back.
const ATTEMPTS_MAX: u32 = 3;

/// What stands in the way, as sentences: by item, and whether it is a target's health, which
/// nothing done later mends.
type Troubles = BTreeMap<(u64, bool), String>;

impl Deployment {
    /// Takes everything back, and says what is not as it was.
    pub(super) async fn undo(&mut self, cause: Failure) -> Result<Verdict, Abandoned> {
        self.turn_back(&cause).await?;
        self.tell(&Event::Undoing { cause: &cause });
        let mut differences = self.rollback_steps(Point::BeforeRollback).await?;
        let troubles = self.walk().await?;
        match self.look().await? {
            Ok(found) => differences.extend(found),
            Err(failure) => differences.push(format!(
                "the world could not be read back, so it is not certain that all is as it was: \
                 {failure}"
            )),
        }
        differences.extend(troubles.into_values());
        if differences.is_empty() {
            differences.extend(self.rollback_steps(Point::AfterRollback).await?);
        }
        if differences.is_empty() {
            return Ok(Verdict::RolledBack { cause });
        }
        let id = &self.fleet.brief().id;
        differences.push(format!(
            "once this is mended, `runtime rollback {id}` tries again"
        ));
        Ok(Verdict::Stuck { cause, differences })
    }

    /// What failed of the steps at that point. They do not keep anything from being taken back.
    async fn rollback_steps(&mut self, point: Point) -> Result<Vec<String>, Abandoned> {
        let mut differences = Vec::new();
        for due in self.points.at(&self.fleet, point) {
            match self.run_step(due).await {
                Ok(()) => {}
                Err(Stop::Failed(failure)) => differences.push(failure.message),
                Err(Stop::Abandoned(failure)) => return Err(Abandoned(failure)),
            }
        }
        Ok(differences)
    }

    /// Goes through everything there is to take back until nothing more can be. Something that
    /// the guard does not allow yet may be possible once older things are back.
    async fn walk(&mut self) -> Result<Troubles, Abandoned> {
        let items = self.trail.items();
        let mut walk = Walk::new(&items, &self.fleet);
        let mut troubles = Troubles::new();
        loop {
            let (mut blocked, mut progress) = (false, false);
            for (place, item) in items.iter().enumerate() {
                if self.passed(&items[place..]) {
                    troubles.remove(&(item.sequence, false));
                    continue;
                }
                let end = self.take_back(item, &mut walk, &mut troubles).await?;
                progress |= end.progress;
                blocked |= end.blocked;
            }
            if !blocked || !progress {
                self.restore_traffic(&items, &mut walk, &mut troubles)
                    .await?;
                return Ok(troubles);
            }
        }
    }

    /// Whether a traffic state is only on the way: with nothing left to do between it and the
    /// next older one, that one is gone to at once.
    fn passed(&self, items: &[Item]) -> bool {
        let Some((
            Item {
                what: What::Traffic(_),
                ..
            },
            older,
        )) = items.split_first()
        else {
            return false;
        };
        for item in older {
            match &item.what {
                What::Traffic(_) => return true,
                What::Active(releases) if !crate::undo::all_back(&self.fleet, releases) => {
                    return false;
                }
                _ => {}
            }
        }
        false
    }

    async fn take_back(
        &mut self,
        item: &Item,
        walk: &mut Walk,
        troubles: &mut Troubles,
    ) -> Result<End, Abandoned> {
        let mut end = End::default();
        let mut attempt = 1;
        loop {
            match walk.next(item, &self.fleet, &self.trail) {
                Next::Done => {
                    troubles.remove(&(item.sequence, false));
                    return Ok(end);
                }
                Next::GivenUp => {
                    if !troubles.contains_key(&(item.sequence, true)) {
                        let key = (item.sequence, false);
                        troubles.entry(key).or_insert_with(|| self.given_up(item));
                    }
                    return Ok(end);
                }
                Next::Blocked(refusal) => {
                    end.blocked = true;
                    troubles
                        .entry((item.sequence, false))
                        .or_insert(refusal.message);
                    return Ok(end);
                }
                Next::Do(effect) => match self.try_back(item, effect, walk, attempt).await? {
                    Tried::Done => {
                        end.progress = true;
                        attempt = 1;
                    }
                    Tried::Again => attempt += 1,
                    Tried::Failed(trouble) => {
                        trouble.keep(item, troubles);
                        attempt = 1;
                    }
                },
            }
        }
    }

    /// Does one effect of an undo.
    async fn try_back(
        &mut self,
        item: &Item,
        effect: Effect,
        walk: &mut Walk,
        attempt: u32,
    ) -> Result<Tried, Abandoned> {
        let draft = Draft {
            origin: Origin::Undo(item.sequence),
            operation: None,
            effect: Some(effect.clone()),
            undo: Undo::Nothing,
            attempt,
        };
        let done = self.execute(draft, Mode::Strict, true).await?;
        let Err(failure) = done.result else {
            return Ok(Tried::Done);
        };
        // A wait for health has waited as long as it may.
        let waits = matches!(effect, Effect::AwaitHealthy { .. });
        if failure.retryable && !waits && attempt < ATTEMPTS_MAX {
            return Ok(Tried::Again);
        }
        let known: BTreeSet<_> = concerned(&effect).into_iter().cloned().collect();
        let failed = done.failed.intersection(&known).cloned().collect();
        walk.failed(item, &effect, failed);
        Ok(Tried::Failed(Trouble {
            health: waits,
            message: failure.message,
        }))
    }

    /// The traffic as it was at first, where the way back did not end there.
    async fn restore_traffic(
        &mut self,
        items: &[Item],
        walk: &mut Walk,
        troubles: &mut Troubles,
    ) -> Result<(), Abandoned> {
        let changes = |item: &&Item| matches!(item.what, What::Traffic(_) | What::Active(_));
        let Some(oldest) = items.iter().rev().find(changes) else {
            return Ok(());
        };
        if !self.fleet.balanced() {
            return Ok(());
        }
        let mut attempt = 1;
        loop {
            match walk.traffic(&self.fleet, self.fleet.initial().clone()) {
                Next::Do(effect) => match self.try_back(oldest, effect, walk, attempt).await? {
                    Tried::Done => attempt = 1,
                    Tried::Again => attempt += 1,
                    Tried::Failed(trouble) => {
                        trouble.keep(oldest, troubles);
                        attempt = 1;
                    }
                },
                Next::Blocked(refusal) => {
                    troubles
                        .entry((oldest.sequence, false))
                        .or_insert(refusal.message);
                    return Ok(());
                }
                Next::Done | Next::GivenUp => return Ok(()),
            }
        }
    }

    fn given_up(&self, item: &Item) -> String {
        match &item.what {
            What::Irreversible(done) => {
                let name = &self.fleet.rules().steps[done.step].name;
                format!("the step \"{name}\" cannot be taken back, and was left as it is")
            }
            What::Traffic(_) => "the traffic could not be put back".to_owned(),
            What::Active(_) => "what ran before could not be brought back".to_owned(),
            What::Installed(_) => "the release could not be removed".to_owned(),
            What::Step(done) => {
                let name = &self.fleet.rules().steps[done.step].name;
                format!("the step \"{name}\" could not be taken back")
            }
        }
    }
}

/// How one effect of an undo went.
enum Tried {
    Done,
    /// Not, but it may the next time.
    Again,
    Failed(Trouble),
}

/// Why one effect of an undo failed for good.
struct Trouble {
    health: bool,
    message: String,
}

impl Trouble {
    fn keep(self, item: &Item, troubles: &mut Troubles) {
        troubles.insert((item.sequence, self.health), self.message);
    }
}

/// How taking one thing back ended.
#[derive(Default)]
struct End {
    progress: bool,
    blocked: bool,
}
