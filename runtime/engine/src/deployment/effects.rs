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
    journal::{Intent, Origin, Outcome, Undo},
    operation::Answer,
    points::Points,
    recorder::{Abandoned, Draft},
    subject::Name,
};

/// How an effect went.
pub(super) struct Done {
    pub(super) result: Result<Answer, Failure>,
    /// Targets on which it failed.
    pub(super) failed: BTreeSet<Name>,
}

impl Deployment {
    pub(super) async fn execute(
        &mut self,
        draft: Draft,
        mode: Mode,
        undoing: bool,
    ) -> Result<Done, Abandoned> {
        let intent = self.recorder.begin(draft, self.executor.now()).await?;
        let intent = Arc::new(intent);
        self.under_way = Some(intent.clone());
        let report = match &intent.effect {
            Some(effect) => self.act(&intent, effect, undoing).await,
            None => Report::default(),
        };
        let settled = match &intent.effect {
            Some(effect) => self.follow(effect, &report, mode),
            None => Settled::nothing(),
        };
        let outcome = Outcome {
            result: settled.result.clone(),
            report: Some(report),
            ended: self.executor.now(),
        };
        let ended = self.recorder.end(&intent, &outcome).await;
        self.under_way = None;
        if ended.is_ok() {
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
        let draft = Draft {
            origin: Origin::Host,
            operation: None,
            effect: Some(Effect::Observe),
            undo: Undo::Nothing,
            attempt: 1,
        };
        let done = self.execute(draft, Mode::Strict, false).await?;
        done.result.map(|_| ()).map_err(Stop::Failed)
    }

    async fn act(&mut self, intent: &Intent, effect: &Effect, undoing: bool) -> Report {
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
            Effect::Wait { until } | Effect::Approval { until, .. } => Some(*until),
            Effect::Watch { until, .. } => Some(Some(*until)),
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
