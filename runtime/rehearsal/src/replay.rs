//! A deployment that happened, from its record: its strategy is asked again and told what the
//! record has; and, from where something is to be otherwise, the model goes on with it.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use engine::{
    Brief, Code, Control, Deployment, Effect, Event, Failure, Halt, Intent, Interruption, Journal,
    JournalError, Observer, Origin, Outcome, Record, Timestamp, Turn, Verdict, Wanted, World, told,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    change::{Change, Instead, Unfit},
    odds::Habits,
    run::{self, Played, Strategies, block_on, conduct},
    scene::Scene,
    world::Model,
};

/// How a strategy that was asked again kept to the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "replay")]
pub enum Replayed {
    /// It asked for all that the record has, and ended as it did.
    Agrees,
    /// It asked for all that the record has so far, and goes on with this.
    GoesOn {
        /// What it asks for next.
        next: Wanted,
    },
    /// It asked for something else.
    Differs(Box<Differs>),
}

/// Where a strategy asks for something else than the record has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Differs {
    /// The record's place in the deployment.
    pub sequence: u64,
    /// What the record has.
    pub recorded: Wanted,
    /// What is asked for now.
    pub asked: Wanted,
    /// What it failed with instead of asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Why there is no other branch.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The strategy asks for something else before it comes to the change.
    Differs(Box<Differs>),
    /// There is no such record, or nothing is asked for in it.
    Unasked(u64),
    /// It went well as it was.
    WentWell(u64),
    /// It is to go well and to fail.
    Both(u64),
    /// Nobody saw what the deployment found, and so nobody knows where to begin.
    Unseen,
    /// What is to happen cannot happen there.
    Unfit(Box<Unfit>),
    /// The branch ended before.
    Unreached {
        /// The record at which something was to be otherwise.
        sequence: u64,
        /// The last one that there was.
        last: u64,
    },
}

/// A deployment that happened.
pub struct Happened<'a> {
    /// What it was pinned to.
    pub brief: Arc<Brief>,
    /// Its record, or the beginning of it.
    pub records: &'a [Record],
    /// How it ended; none where that is not all of its record.
    pub verdict: Option<&'a Verdict>,
}

impl Happened<'_> {
    /// Asks its strategy again, and tells it what the record has.
    pub fn replay(&self, strategies: &dyn Strategies) -> Replayed {
        let told = told(self.records);
        let asked = Arc::new(Mutex::new(None));
        let model = Model::usual(&Arc::new(self.scene()), &[], self.began());
        let mut deployment = Deployment::replay(
            Arc::clone(&self.brief),
            told.to_vec(),
            Box::new(model),
            Box::new(Shut(Arc::clone(&asked))),
            Arc::new(Nobody),
            Arc::new(Nobody),
        );
        let verdict = block_on(conduct(&mut deployment, strategies, &mut Vec::new()));
        if let Verdict::Halted {
            halt:
                Halt::Differs {
                    sequence,
                    recorded,
                    asked,
                },
        } = verdict
        {
            return differs(sequence, recorded, asked, None);
        }
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).take();
        let beyond = &self.records[told.len()..];
        let next = beyond.iter().find(|record| !unasked(&record.intent));
        self.judge(next, asked)
    }

    /// Holds what is asked for past what was told against what the record has there.
    fn judge(&self, next: Option<&Record>, asked: Option<Asked>) -> Replayed {
        let last = self.records.last();
        let end = last.map_or(1, |record| record.intent.sequence + 1);
        let Some(next) = next else {
            return match asked {
                None => Replayed::Agrees,
                // It never began.
                Some(_) if last.is_none() && self.verdict.is_some() => Replayed::Agrees,
                // Taken back by somebody before it changed anything.
                Some(_) if self.verdict.is_some_and(by_somebody) => Replayed::Agrees,
                Some(asked) if self.verdict.is_some() => asked.differs(end, Wanted::End),
                Some(asked) => Replayed::GoesOn { next: asked.wanted },
            };
        };
        let Intent {
            sequence, origin, ..
        } = &next.intent;
        let recorded = wanted(&next.intent);
        match (origin, asked) {
            (Origin::Turn(way), Some(asked)) if asked.turn == Some(*way) => Replayed::Agrees,
            // Somebody took it back, or asked to stop it after its last call.
            (Origin::Turn(Turn::Back), asked)
                if from_outside(next)
                    && asked.as_ref().is_none_or(|asked| asked.turn.is_none()) =>
            {
                Replayed::Agrees
            }
            (_, None) => differs(*sequence, recorded, Wanted::End, None),
            (_, Some(asked)) if asked.wanted == recorded && asked.turn.is_none() => {
                Replayed::Agrees
            }
            (_, Some(asked)) => asked.differs(*sequence, recorded),
        }
    }

    /// What would have come of it had something been otherwise: up to there the record answers,
    /// from there on the model. The branch's record begins with the deployment's.
    pub fn branch(
        &self,
        strategies: &dyn Strategies,
        habits: &Habits,
        changes: &[Change],
        listener: Option<Arc<dyn Observer>>,
    ) -> Result<Played, Refusal> {
        let place = self.place(changes)?;
        let before = Happened {
            brief: Arc::clone(&self.brief),
            records: &self.records[..place],
            verdict: None,
        };
        if let Replayed::Differs(differs) = before.replay(strategies) {
            return Err(Refusal::Differs(differs));
        }
        if self.world().is_none() {
            return Err(Refusal::Unseen);
        }
        let scene = Arc::new(self.scene().with_habits(habits.clone()));
        let model = Model::usual(&scene, &scene.out_of_reach(), self.began());
        model.lock().tell(before.records, changes);
        model.lock().expected = Some(self.records[place].intent.clone());
        let run = run::carry_on(&scene, strategies, &model, listener);
        let mut inner = model.lock();
        if let Some((sequence, recorded, asked)) = inner.parted.take() {
            return Err(Refusal::Differs(Box::new(Differs {
                sequence,
                recorded,
                asked,
                failure: None,
            })));
        }
        if let Some(unfit) = inner.unfit.take() {
            return Err(Refusal::Unfit(Box::new(unfit)));
        }
        match (inner.changes.first(), run.records.last()) {
            (Some(change), Some(last)) => Err(Refusal::Unreached {
                sequence: change.sequence,
                last: last.intent.sequence,
            }),
            _ => Ok(run),
        }
    }

    /// Where the record is left: at the first of the changes.
    fn place(&self, changes: &[Change]) -> Result<usize, Refusal> {
        let first = changes.iter().map(|change| change.sequence).min();
        let first = first.ok_or(Refusal::Unasked(0))?;
        let well = |change: &&Change| change.instead == Instead::Succeeds;
        for change in changes.iter().filter(well) {
            let same = |other: &Change| other.sequence == change.sequence;
            if changes.iter().any(|other| same(other) && !well(&other)) {
                return Err(Refusal::Both(change.sequence));
            }
        }
        let at = |record: &Record| record.intent.sequence == first;
        let asked = |intent: &Intent| {
            let held = matches!(intent.effect, Some(Effect::Hold { .. }));
            !matches!(intent.origin, Origin::Turn(_)) && (held || !unasked(intent))
        };
        let place = self.records.iter().position(at);
        let place = place.filter(|place| asked(&self.records[*place].intent));
        let place = place.ok_or(Refusal::Unasked(first))?;
        let succeeds = |change: &Change| change.sequence == first && well(&change);
        let outcome = &self.records[place].outcome;
        if outcome.as_ref().is_some_and(went_well) && changes.iter().any(succeeds) {
            return Err(Refusal::WentWell(first));
        }
        Ok(place)
    }

    /// What the deployment found when it began.
    fn scene(&self) -> Scene {
        let nothing = World::default();
        Scene::finding(Arc::clone(&self.brief), self.world().unwrap_or(&nothing))
    }

    fn world(&self) -> Option<&World> {
        let first = self.records.first()?.outcome.as_ref()?;
        first.report.as_ref()?.world.as_ref()
    }

    fn began(&self) -> u64 {
        (self.records.first()).map_or(0, |record| record.intent.started.0)
    }
}

/// Whether nobody asks for it when the strategy is asked again: somebody paused the deployment, or
/// another process went on with it and looked first at what there is.
fn unasked(intent: &Intent) -> bool {
    match &intent.effect {
        Some(Effect::Hold { .. } | Effect::AwaitHealthy { .. }) => intent.origin == Origin::Host,
        Some(Effect::Observe) => intent.sequence > 1,
        _ => false,
    }
}

/// Whether it did all that it was to do: also nobody was left out, or could not be asked.
fn went_well(outcome: &Outcome) -> bool {
    let whole = |report: &engine::Report| {
        let all = |world: &World| world.unreachable.is_empty();
        report.failed.is_empty() && report.world.as_ref().is_none_or(all)
    };
    outcome.result.is_ok() && outcome.report.as_ref().is_none_or(whole)
}

/// Whether the deployment did not turn back by itself.
fn from_outside(turn: &Record) -> bool {
    let result = turn.outcome.as_ref().map(|outcome| &outcome.result);
    matches!(result, Some(Err(failure)) if failure.code == Code::Interrupted)
}

fn by_somebody(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Refused { cause } if cause.code == Code::Interrupted)
}

/// What a record is of.
pub(crate) fn wanted(intent: &Intent) -> Wanted {
    match (&intent.operation, &intent.effect) {
        (Some(operation), _) => Wanted::Call(operation.clone()),
        (None, Some(effect)) => Wanted::Effect(effect.clone()),
        (None, None) => Wanted::End,
    }
}

fn differs(sequence: u64, recorded: Wanted, asked: Wanted, failure: Option<Failure>) -> Replayed {
    Replayed::Differs(Box::new(Differs {
        sequence,
        recorded,
        asked,
        failure,
    }))
}

/// What is asked for where the record ends.
struct Asked {
    wanted: Wanted,
    turn: Option<Turn>,
    failure: Option<Failure>,
}

impl Asked {
    fn of(intent: &Intent, outcome: Option<&Outcome>) -> Self {
        let turn = match intent.origin {
            Origin::Turn(way) => Some(way),
            _ => None,
        };
        let failure = outcome.and_then(|outcome| outcome.result.clone().err());
        Self {
            wanted: wanted(intent),
            turn,
            failure: failure.filter(|_| turn.is_some()),
        }
    }

    fn differs(self, sequence: u64, recorded: Wanted) -> Replayed {
        differs(sequence, recorded, self.wanted, self.failure)
    }
}

/// A journal that takes nothing, and keeps what it was first asked to take.
struct Shut(Arc<Mutex<Option<Asked>>>);

impl Shut {
    fn refuse(&self, intent: &Intent, outcome: Option<&Outcome>) -> Result<(), JournalError> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get_or_insert_with(|| Asked::of(intent, outcome));
        Err(JournalError::Left)
    }
}

#[async_trait]
impl Journal for Shut {
    async fn begin(&mut self, intent: &Intent) -> Result<(), JournalError> {
        self.refuse(intent, None)
    }

    async fn end(&mut self, _: u64, _: &Outcome) -> Result<(), JournalError> {
        Err(JournalError::Left)
    }

    async fn note(&mut self, intent: &Intent, outcome: &Outcome) -> Result<(), JournalError> {
        self.refuse(intent, Some(outcome))
    }

    async fn close(&mut self, _: &Value, _: Timestamp) -> Result<(), JournalError> {
        Ok(())
    }
}

/// Listens to nothing, and says nothing.
struct Nobody;

impl Observer for Nobody {
    fn event(&self, _: Timestamp, _: &Event<'_>) {}
}

impl Control for Nobody {
    fn interruption(&self) -> Option<Interruption> {
        None
    }
}
