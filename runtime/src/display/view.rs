//! What a watcher sees of a deployment: each target's release, state and part of the traffic,
//! the stage, and what is being waited for. Follows the events; decides nothing.

use std::collections::BTreeMap;

use engine::{Brief, Effect, Event, Name, Report, Target, Timestamp, Traffic, World};

/// One target, as a watcher sees it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) target: Name,
    /// Its group.
    pub(crate) group: Name,
    /// The id of the release that runs.
    pub(crate) active: Option<Name>,
    /// What is going on there.
    pub(crate) state: State,
    /// Percent of all traffic.
    pub(crate) percent: f64,
}

/// What is going on on a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing.
    Idle,
    /// A release is put there.
    Installing,
    /// A release becomes the active one.
    Activating,
    /// It is being checked.
    Checking,
    /// It finishes the requests it has.
    Draining,
    /// It passed its checks.
    Healthy,
    /// Something failed.
    Failed,
    /// Passed over.
    LeftOut,
}

impl State {
    /// One word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Idle => "",
            Self::Installing => "installing",
            Self::Activating => "activating",
            Self::Checking => "checking",
            Self::Draining => "draining",
            Self::Healthy => "healthy",
            Self::Failed => "failed",
            Self::LeftOut => "left out",
        }
    }
}

/// The whole picture.
#[derive(Clone, Debug)]
pub(crate) struct View {
    targets: Vec<Target>,
    /// In the order of the configuration.
    pub(crate) rows: Vec<Row>,
    /// The strategy's stage.
    pub(crate) stage: Option<String>,
    /// When the wait that is under way ends.
    pub(crate) until: Option<Timestamp>,
    /// What is being taken back.
    pub(crate) undoing: bool,
    by_name: BTreeMap<Name, usize>,
}

impl View {
    /// Before anything happened.
    pub(crate) fn new(brief: &Brief) -> Self {
        let row = |target: &Target| Row {
            target: target.name.clone(),
            group: target.group.clone(),
            active: None,
            state: State::Idle,
            percent: 0.0,
        };
        let by_name = brief.targets.iter().enumerate();
        Self {
            rows: brief.targets.iter().map(row).collect(),
            by_name: by_name
                .map(|(index, target)| (target.name.clone(), index))
                .collect(),
            targets: brief.targets.clone(),
            stage: None,
            until: None,
            undoing: false,
        }
    }

    fn found(&mut self, world: &World) {
        for (name, state) in &world.targets {
            self.with(name, |row| row.active.clone_from(&state.active));
        }
        for member in world.reading.iter().flat_map(|reading| &reading.members) {
            self.with(&member.target, |row| row.percent = member.percent);
        }
        for name in world.unreachable.keys() {
            self.set(name, State::Failed);
        }
    }

    /// Follows one event.
    pub(crate) fn follow(&mut self, event: &Event<'_>) {
        match event {
            Event::Started(intent) => {
                if let Some(effect) = &intent.effect {
                    self.begin(effect);
                }
            }
            Event::Ended(intent, outcome) => {
                self.until = None;
                if let (Some(effect), Some(report)) = (&intent.effect, &outcome.report) {
                    self.end(effect, report);
                }
            }
            Event::Stage(stage) => self.stage = Some((*stage).to_owned()),
            Event::Traffic(traffic) => self.traffic(traffic),
            Event::Health { target, proven } => {
                self.set(
                    target,
                    if *proven {
                        State::Healthy
                    } else {
                        State::Failed
                    },
                );
            }
            Event::Waiting { until, .. } => self.until = *until,
            Event::LeftOut { target, .. } => self.set(target, State::LeftOut),
            Event::Undoing { .. } => {
                self.undoing = true;
                self.stage = None;
            }
            _ => {}
        }
    }

    fn begin(&mut self, effect: &Effect) {
        let (names, state): (Vec<&Name>, _) = match effect {
            Effect::Install { targets, .. } => (targets.iter().collect(), State::Installing),
            Effect::Activate { releases } => (releases.keys().collect(), State::Activating),
            Effect::Deactivate { targets } => (targets.iter().collect(), State::Activating),
            Effect::Apply { drained, .. } => (drained.iter().collect(), State::Draining),
            Effect::AwaitHealthy { releases, .. } => (releases.keys().collect(), State::Checking),
            _ => return,
        };
        for name in names {
            self.set(name, state);
        }
    }

    fn end(&mut self, effect: &Effect, report: &Report) {
        let well = |name: &Name| report.failure.is_none() && !report.failed.contains_key(name);
        match effect {
            Effect::Observe => report.world.iter().for_each(|world| self.found(world)),
            Effect::Install { targets, .. } => {
                for name in targets.iter().filter(|name| well(name)) {
                    self.set(name, State::Idle);
                }
            }
            Effect::Activate { releases } => {
                for (name, release) in releases.iter().filter(|(name, _)| well(name)) {
                    self.with(name, |row| row.active = Some(release.clone()));
                    self.set(name, State::Idle);
                }
            }
            Effect::Deactivate { targets } => {
                for name in targets.iter().filter(|name| well(name)) {
                    self.with(name, |row| row.active = None);
                    self.set(name, State::Idle);
                }
            }
            Effect::AwaitHealthy { releases, .. } => {
                for name in releases.keys().filter(|name| well(name)) {
                    self.set(name, State::Healthy);
                }
            }
            Effect::Apply { drained, .. } => {
                for name in drained {
                    self.set(name, State::Idle);
                }
            }
            _ => {}
        }
        for name in report.failed.keys() {
            self.set(name, State::Failed);
        }
    }

    fn traffic(&mut self, traffic: &Traffic) {
        for (name, percent) in traffic.percents(&self.targets) {
            self.with(&name, |row| row.percent = percent);
        }
    }

    fn set(&mut self, name: &Name, state: State) {
        self.with(name, |row| row.state = state);
    }

    fn with(&mut self, name: &Name, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self
            .by_name
            .get(name)
            .and_then(|index| self.rows.get_mut(*index))
        {
            change(row);
        }
    }
}
