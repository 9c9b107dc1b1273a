//! Going on with a deployment where another process stopped: the strategy runs again and is
//! told from the record, the effect under way is done again, and before anything further the
//! world is held against the model and proofs of health are made anew.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use super::{Deployment, Stop, effects::Done};
use crate::{
    drift,
    effect::{Call, Effect, Report},
    event::{Event, Observer},
    executor::{Control, Executor, World},
    failure::{Code, Failure},
    fleet::{Mode, summary},
    guard::{self, Change},
    halt::Halt,
    journal::{Intent, Journal, Origin, Record, Turn},
    operation::{Answer, Operation},
    recorder::{Abandoned, Draft, Recorder},
    replay::{Replay, Resume, StepWord, Told},
    rules::Brief,
    subject::Name,
};

impl Deployment {
    /// Prepares going on with a deployment that was cut off, or is frozen, stuck or undone in
    /// part, in a process that need not be the one which began it. The journal goes on where the
    /// records end; nothing is asked or written yet.
    ///
    /// What follows is the same as for a new one: [`Deployment::begin`], the strategy with the
    /// very bytes and settings that it began with, [`Deployment::finish`]. Where the
    /// deployment had turned back (or was freezing), `begin` fails with the cause, and
    /// `finish` goes on with that. Where going on needs a person, [`crate::Operations::over`]
    /// becomes true and `finish` gives [`crate::Verdict::Halted`]; nothing was touched then.
    pub fn resume(
        brief: impl Into<Arc<Brief>>,
        resume: Resume,
        executor: Box<dyn Executor>,
        journal: Box<dyn Journal>,
        observer: Arc<dyn Observer>,
        control: Arc<dyn Control>,
    ) -> Self {
        let recorder = Recorder::new(journal, observer, super::open::next(&resume.records));
        let mut deployment = Self::with(brief.into(), executor, recorder, control);
        if !resume.records.is_empty() {
            deployment.replay = Some(Box::new(Replay::new(resume)));
        }
        deployment
    }

    /// Prepares telling a deployment again from its record, or from the beginning of it: nothing
    /// is asked of the executor or written before the record ends, and who acts there goes on as
    /// if they had acted all the while. The journal is asked for the record after the last.
    ///
    /// What follows is the same as for a new one. Where the strategy asks for something else than
    /// the record has, [`crate::Operations::over`] becomes true and `finish` gives
    /// [`crate::Verdict::Halted`]. Of a record that turned back, the way back is gone on with:
    /// the strategy is asked only where no more is given than [`crate::told`].
    pub fn replay(
        brief: impl Into<Arc<Brief>>,
        records: Vec<Record>,
        executor: Box<dyn Executor>,
        journal: Box<dyn Journal>,
        observer: Arc<dyn Observer>,
        control: Arc<dyn Control>,
    ) -> Self {
        let recorder = Recorder::new(journal, observer, super::open::next(&records));
        let mut deployment = Self::with(brief.into(), executor, recorder, control);
        if !records.is_empty() {
            deployment.replay = Some(Box::new(Replay::seamless(records)));
        }
        deployment
    }

    /// Stops with everything as it is.
    pub(super) fn halt(&mut self, halt: Halt) -> Abandoned {
        let failure = Failure::new(Code::Conflict, halt.to_string());
        self.halted = Some(halt);
        self.recorder.stop(failure)
    }

    /// To be called before anything is done or written: passes over what nobody asks for in the
    /// record, and where the record ends, makes sure of the world. Whether the model may have
    /// changed by that.
    pub(super) async fn arrive(&mut self) -> Result<bool, Stop> {
        let mut changed = false;
        loop {
            let Some(replay) = &mut self.replay else {
                return Ok(changed);
            };
            if let Some(record) = replay.aside() {
                changed = true;
                self.pass_over(record).await?;
            } else if replay.is_done() {
                match replay.seamless {
                    true => self.replay = None,
                    false => self.catch_up().await?,
                }
                return Ok(true);
            } else {
                return Ok(changed);
            }
        }
    }

    async fn pass_over(&mut self, record: Record) -> Result<(), Stop> {
        let checks = record.intent.origin == Origin::Host
            && matches!(record.intent.effect, Some(Effect::AwaitHealthy { .. }));
        if let (Origin::Turn(Turn::Forth), Some(outcome)) = (record.intent.origin, &record.outcome)
        {
            let value = outcome.report.as_ref().map(|report| &report.value);
            let step = value.and_then(|value| value["happened"].as_u64());
            self.happened(step);
            return Ok(());
        }
        if record.outcome.is_none() {
            let done = self.redo(record, Mode::Strict, false).await?;
            return done.result.map(|_| ()).map_err(Stop::Failed);
        }
        self.excuse(&record.intent)?;
        let failure = record
            .outcome
            .as_ref()
            .map(|outcome| outcome.result.clone());
        let step = match record.intent.effect {
            Some(Effect::Step { step, .. }) => Some(step),
            _ => None,
        };
        self.follow_record(record).await?;
        // It was tried again, or is to be.
        step.iter().for_each(|step| self.points.forget(*step));
        match failure {
            Some(Err(failure)) if checks => Err(Stop::Failed(failure)),
            _ => Ok(()),
        }
    }

    /// A step that failed and may not be repeated keeps a frozen deployment from going forth
    /// until a person has said what became of it.
    fn excuse(&mut self, intent: &Intent) -> Result<(), Abandoned> {
        let Some(Effect::Step { step, .. }) = intent.effect else {
            return Ok(());
        };
        let rule = &self.fleet.rules().steps[step];
        let Some(replay) = self.replay.as_mut().filter(|_| !rule.repeat) else {
            return Ok(());
        };
        if replay.thaws && replay.step.is_none() {
            let step = rule.name.clone();
            let sequence = intent.sequence;
            return Err(self.halt(Halt::Unrepeatable { sequence, step }));
        }
        if replay.step == Some(StepWord::Happened) {
            replay.happened = Some(step);
        }
        Ok(())
    }

    fn happened(&mut self, step: Option<u64>) {
        let step = step.and_then(|step| usize::try_from(step).ok());
        if let Some(step) = step {
            self.points.began(step);
            self.points.succeeded(step);
        }
    }

    fn resumed(&self, drift: &[String]) {
        let records = self.recorder.written();
        self.tell(&Event::Resumed { records, drift });
    }

    /// Past the record: nothing is told from here on.
    async fn catch_up(&mut self) -> Result<(), Stop> {
        if self.found.is_none() {
            self.replay = None;
            return Ok(());
        }
        let (world, drift) = self.read_back(None).await?;
        let Some(replay) = self.replay.take() else {
            return Ok(());
        };
        if !replay.resumed {
            self.resumed(&drift);
        }
        if replay.thaws {
            let value = json!({ "happened": replay.happened });
            self.turn(Turn::Forth, Ok(Answer::Done), value).await?;
            self.happened(replay.happened.map(|step| step as u64));
        }
        let before = self.fleet.serving_unproven();
        let draft = Draft::of(Origin::Host, Some(Effect::Observe));
        let report = Report {
            world: Some(world),
            ..Report::default()
        };
        let now = self.now();
        let settled = self.follow(&Effect::Observe, &report, Mode::Strict);
        self.recorder
            .note(draft, settled.result, Some(report), now)
            .await?;
        let releases = self.fleet.stale(&before);
        if releases.is_empty() {
            return Ok(());
        }
        let timeout_ms = self.fleet.rules().health.timeout_ms;
        let effect = Effect::AwaitHealthy {
            releases,
            timeout_ms,
        };
        let draft = Draft::of(Origin::Host, Some(effect));
        let done = self.execute(draft, Mode::Strict, false).await?;
        done.result.map(|_| ()).map_err(Stop::Failed)
    }

    /// What stands where, and what of it somebody changed; stops where that was not accepted.
    async fn read_back(
        &mut self,
        open: Option<&Effect>,
    ) -> Result<(World, Vec<String>), Abandoned> {
        let world = match self.executor.observe().await {
            Ok(world) => world,
            Err(failure) => return Err(self.halt(Halt::Unreadable { failure })),
        };
        let differences = drift::between(&self.fleet, &world, open);
        let accepts = self
            .replay
            .as_ref()
            .is_none_or(|replay| replay.accept_drift);
        if differences.is_empty() || accepts {
            return Ok((world, differences));
        }
        Err(self.halt(Halt::Drift { differences }))
    }

    /// What the record says of what is wanted; none where it is for this process to do.
    pub(super) async fn recall(
        &mut self,
        draft: &Draft,
        mode: Mode,
        undoing: bool,
    ) -> Result<Option<Done>, Abandoned> {
        let Some(replay) = &mut self.replay else {
            return Ok(None);
        };
        match replay.tell(draft) {
            Told::Beyond => Ok(None),
            Told::Differs(halt) => Err(self.halt(*halt)),
            Told::Record(record) if record.outcome.is_some() => {
                Ok(Some(self.retell(*record, mode)))
            }
            Told::Record(record) => self.redo(*record, mode, undoing).await.map(Some),
        }
    }

    /// The answer that the record has to a call for which nothing was done.
    pub(super) fn recall_note(&mut self, operation: &Operation) -> Option<Result<Answer, Failure>> {
        let record = self.replay.as_mut()?.note(operation)?;
        Some(self.retell(record, Mode::Strict).result)
    }

    fn retell(&mut self, record: Record, mode: Mode) -> Done {
        let Record { intent, outcome } = record;
        let Some(outcome) = outcome else {
            return Done::cut_off();
        };
        let unanswered = Report::failed(super::open::cut_off());
        let report = outcome.report.as_ref().unwrap_or(&unanswered);
        self.interruptions.heard(&outcome);
        self.remember(report);
        if let Some(effect) = &intent.effect {
            self.follow(effect, report, mode);
        }
        let failed = report.failed.keys().cloned().collect();
        self.trail.add(intent, Some(&outcome));
        Done {
            result: outcome.result,
            failed,
        }
    }

    /// Does what was under way again, as the same record.
    async fn redo(&mut self, record: Record, mode: Mode, undoing: bool) -> Result<Done, Abandoned> {
        let intent = record.intent;
        let happened = self.person_says(&intent)?;
        if self.found.is_some() {
            let (world, drift) = self.read_back(intent.effect.as_ref()).await?;
            if !drift.is_empty() {
                self.fleet.refresh(&world);
            }
            self.resumed(&drift);
            if let Some(replay) = &mut self.replay {
                replay.resumed = true;
            }
        }
        let now = self.now();
        let intent = Arc::new(self.recorder.take_up(intent, now).await?);
        self.under_way = Some(intent.clone());
        let report = if happened {
            Report {
                value: json!({ "happened": true }),
                ..Report::default()
            }
        } else {
            match (self.unfit(&intent).await, &intent.effect) {
                (Some(report), _) => report,
                (None, Some(effect)) => self.act(&intent, effect, undoing).await,
                (None, None) => Report::default(),
            }
        };
        self.conclude_effect(intent, report, mode).await
    }

    /// Whether a person says of the step under way that it happened; stops where it may not be
    /// repeated and nobody said anything.
    fn person_says(&mut self, intent: &Intent) -> Result<bool, Abandoned> {
        let Some(Effect::Step { step, .. }) = intent.effect else {
            return Ok(false);
        };
        let rule = &self.fleet.rules().steps[step];
        if rule.repeat {
            return Ok(false);
        }
        match self.replay.as_ref().and_then(|replay| replay.step) {
            Some(word) => Ok(word == StepWord::Happened),
            None => {
                let step = rule.name.clone();
                let sequence = intent.sequence;
                Err(self.halt(Halt::Unrepeatable { sequence, step }))
            }
        }
    }

    /// Why what was under way must not be done again: what it relies on holds no longer.
    async fn unfit(&mut self, intent: &Intent) -> Option<Report> {
        match &intent.effect {
            Some(Effect::Apply { traffic, .. }) => {
                let wanted = self.fleet.of_traffic(traffic);
                let releases = self.fleet.relied_on(&wanted);
                if !releases.is_empty() {
                    let report = self.check_again(intent, releases).await;
                    if report.failure.is_some() {
                        return Some(report);
                    }
                }
                let allowed = match intent.origin {
                    // Who is left out goes, however many are left.
                    Origin::Host => guard::unproven(&self.fleet, &wanted),
                    _ => guard::change(&self.fleet, &wanted, Change::Split),
                };
                allowed.err().map(Report::failed)
            }
            Some(Effect::Activate { releases }) => {
                let places = releases.keys();
                let places: Vec<usize> = places
                    .filter_map(|name| self.fleet.place(name.as_str()))
                    .collect();
                let refusal = guard::under_traffic(&self.fleet, &places).err()?;
                Some(Report::failed(refusal))
            }
            _ => None,
        }
    }

    async fn check_again(&mut self, intent: &Intent, releases: BTreeMap<Name, Name>) -> Report {
        let effect = Effect::AwaitHealthy {
            releases,
            timeout_ms: self.fleet.rules().health.timeout_ms,
        };
        let call = Call {
            sequence: intent.sequence,
            attempt: intent.attempt,
            monitored: BTreeMap::new(),
            undoing: false,
        };
        let mut report = self.executor.execute(&effect, &call).await;
        for failure in report.failed.values_mut() {
            failure.code = Code::Unhealthy;
        }
        if report.failure.is_none() && !report.failed.is_empty() {
            report.failure = Some(summary("no longer healthy", &report.failed));
        }
        report
    }
}
