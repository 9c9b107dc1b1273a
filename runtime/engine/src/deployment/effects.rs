//! Does one effect: written down before and after, and followed by the model.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Deployment, Stop};
use crate::{
    effect::{Call, Effect, Report},
    event::Event,
    failure::Failure,
    fleet::{Fleet, Mode, Settled},
    journal::{Intent, Origin, Outcome},
    operation::Answer,
    points::Points,
    recorder::{Abandoned, Draft},
    signal::{Signal, Wish},
    subject::Name,
};

/// How an effect went.
pub(super) struct Done {
    pub(super) result: Result<Answer, Failure>,
    /// Targets on which it failed.
    pub(super) failed: BTreeSet<Name>,
}

impl Done {
    pub(super) fn cut_off() -> Self {
        Self {
            result: Err(super::open::cut_off()),
            failed: BTreeSet::new(),
        }
    }
}

impl Deployment {
    pub(super) async fn execute(
        &mut self,
        draft: Draft,
        mode: Mode,
        undoing: bool,
    ) -> Result<Done, Abandoned> {
        if let Some(done) = self.recall(&draft, mode, undoing).await? {
            return Ok(done);
        }
        let intent = self.recorder.begin(draft, self.executor.now()).await?;
        let intent = Arc::new(intent);
        self.under_way = Some(intent.clone());
        let report = match &intent.effect {
            Some(effect) => self.act(&intent, effect, undoing).await,
            None => Report::default(),
        };
        self.conclude_effect(intent, report, mode).await
    }

    /// Lets the model follow what was done, and writes its outcome down.
    pub(super) async fn conclude_effect(
        &mut self,
        intent: Arc<Intent>,
        report: Report,
        mode: Mode,
    ) -> Result<Done, Abandoned> {
        self.remember(&report);
        let changes = matches!(intent.effect, Some(Effect::Apply { .. }));
        let before = changes.then(|| self.fleet.standings());
        let mut settled = match &intent.effect {
            Some(effect) => self.follow(effect, &report, mode),
            None => Settled::nothing(),
        };
        if let (Ok(_), Some(before)) = (&settled.result, before)
            && let Err(failure) = self.fleet.judge(&report, &before)
        {
            settled.result = Err(failure);
        }
        let outcome = Outcome {
            result: settled.result.clone(),
            report: Some(report),
            ended: self.executor.now(),
        };
        let ended = self.recorder.end(&intent, &outcome).await;
        self.under_way = None;
        if ended.is_ok() {
            let signals = outcome.report.iter().flat_map(|report| &report.signals);
            signals.for_each(|signal| self.tell(&Event::Heeded(signal)));
            self.report(&intent, &settled);
        }
        self.trail.add(Arc::unwrap_or_clone(intent), Some(&outcome));
        ended?;
        let report = outcome.report.unwrap_or_default();
        Ok(Done {
            result: settled.result,
            failed: report.failed.into_keys().collect(),
        })
    }

    /// What is known of the world, from the world itself.
    pub(super) async fn observe(&mut self) -> Result<(), Stop> {
        let draft = Draft::of(Origin::Host, Some(Effect::Observe));
        let done = self.execute(draft, Mode::Strict, false).await?;
        done.result.map(|_| ()).map_err(Stop::Failed)
    }

    /// Keeps what people outside said that holds for what comes.
    pub(super) fn remember(&mut self, report: &Report) {
        let full = |signal: &&Signal| signal.wish == Wish::Promote { full: true };
        if let Some(signal) = report.signals.iter().find(full) {
            self.promoted = Some(signal.clone());
        }
    }

    pub(super) async fn act(&mut self, intent: &Intent, effect: &Effect, undoing: bool) -> Report {
        let mut monitored = BTreeMap::new();
        let waiting = match effect {
            Effect::Observe => {
                return match self.executor.observe().await {
                    Ok(world) => Report {
                        world: Some(world),
                        ..Report::default()
                    },
                    Err(failure) => Report::failed(failure),
                };
            }
            Effect::Wait { until, .. } | Effect::Approval { until, .. } => Some(*until),
            Effect::Watch { until, .. } => Some(Some(*until)),
            Effect::Hold { pause } => {
                self.tell(&Event::Heeded(pause));
                Some(None)
            }
            _ => None,
        };
        if let Some(until) = waiting {
            monitored = self.fleet.monitored();
            self.tell(&Event::Waiting { effect, until });
        }
        let call = Call {
            sequence: intent.sequence,
            attempt: intent.attempt,
            monitored,
            undoing,
        };
        self.executor.execute(effect, &call).await
    }

    /// Lets the model follow what was done, now or in a record.
    pub(super) fn follow(&mut self, effect: &Effect, report: &Report, mode: Mode) -> Settled {
        if let (Effect::Observe, Some(world)) = (effect, &report.world) {
            if self.found.is_none() {
                self.fleet = Fleet::new(self.fleet.shared_brief(), world);
                self.points = Points::new(&self.fleet);
                self.found = Some(world.clone());
                return Settled::nothing();
            }
            self.seen = Some(world.clone());
        }
        self.fleet.settle(effect, report, mode)
    }

    fn report(&self, intent: &Intent, settled: &Settled) {
        // That nothing is proven of a release which was just activated is no news.
        let checked = matches!(
            intent.effect,
            Some(
                Effect::AwaitHealthy { .. }
                    | Effect::Wait { .. }
                    | Effect::Watch { .. }
                    | Effect::Approval { .. }
                    | Effect::Hold { .. }
            )
        );
        for (place, proven) in settled
            .health
            .iter()
            .filter(|(_, proven)| *proven || checked)
        {
            let target = self.fleet.name(*place);
            self.tell(&Event::Health {
                target,
                proven: *proven,
            });
        }
        for place in &settled.left_out {
            if let Some(failure) = &self.fleet.state(*place).left_out {
                self.tell(&Event::LeftOut {
                    target: self.fleet.name(*place),
                    failure,
                });
            }
        }
        if let (Some(Effect::Apply { traffic, .. }), Ok(_)) = (&intent.effect, &settled.result) {
            self.tell(&Event::Traffic(traffic));
        }
    }
}
