//! What is rehearsed: the deployment, the world that it finds, and what is assumed of both. The
//! same for every run, and looked up in by place: targets in the order of their names.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use engine::{Admission, Brief, Failure, Installed, Name, Reading, TargetState, World};

use crate::{
    fault::Fault,
    invariants::State,
    odds::{Habits, Odds},
};

/// Longer than any deployment, in milliseconds: ten years.
const EVER_MS: u64 = 10 * 365 * 24 * 60 * 60 * 1000;

/// A deployment to rehearse, and the world to rehearse it in.
#[derive(Clone, Debug)]
pub struct Scene {
    pub(crate) brief: Arc<Brief>,
    pub(crate) habits: Habits,
    pub(crate) odds: Odds,
    /// By place.
    pub(crate) names: Vec<Name>,
    pub(crate) places: HashMap<Name, usize>,
    /// By place: the place of its group.
    pub(crate) groups: Vec<usize>,
    pub(crate) group_names: Vec<Name>,
    /// By place.
    pub(crate) first: Vec<TargetState>,
    pub(crate) traffic: State,
    pub(crate) bystanders: Vec<bool>,
    /// By place: it may end without traffic and on another release.
    pub(crate) idle: Vec<bool>,
    /// What the load balancer really showed, until something is asked of it.
    pub(crate) reading: Option<Reading>,
    /// Targets that cannot be reached from the beginning on, and why.
    pub(crate) lost: BTreeMap<Name, Failure>,
}

impl Scene {
    /// The application runs everywhere, in the release before: all groups have traffic by their
    /// size, but for those that the operator lets idle, of which only the first has any.
    pub fn running(brief: impl Into<Arc<Brief>>) -> Self {
        let brief = brief.into();
        let before = brief.previous.as_ref().map(|release| release.id.clone());
        let before = before.unwrap_or_else(|| Name::from("before"));
        let mut scene = Self::empty(brief);
        for state in &mut scene.first {
            state.active = Some(before.clone());
            state.installed = vec![Installed {
                id: before.clone(),
                complete: true,
            }];
        }
        let idles = |group: &Name| scene.brief.rules.idle.contains(group);
        let serving = scene.group_names.iter().find(|group| idles(group)).cloned();
        let gets = |group: &Name| !idles(group) || Some(group) == serving.as_ref();
        let counts = |place: &usize| gets(&scene.group_names[scene.groups[*place]]);
        let all = (0..scene.names.len()).filter(counts).count().max(1) as f64;
        let mut shares = vec![0.0; scene.group_names.len()];
        for place in (0..scene.names.len()).filter(counts) {
            shares[scene.groups[place]] += 100.0 / all;
        }
        if scene.brief.rules.balancer.is_some() {
            scene.traffic.shares = shares;
            scene.traffic.admissions.fill(Admission::Ready);
        }
        scene
    }

    /// Nothing runs anywhere: the first deployment there is.
    pub fn empty(brief: impl Into<Arc<Brief>>) -> Self {
        let brief = brief.into();
        let mut targets: Vec<_> = brief.targets.iter().collect();
        targets.sort_by(|one, other| one.name.cmp(&other.name));
        let mut group_names: Vec<Name> = Vec::new();
        let mut group_places: HashMap<Name, usize> = HashMap::new();
        // In the order of the configuration.
        for target in &brief.targets {
            group_places.entry(target.group.clone()).or_insert_with(|| {
                group_names.push(target.group.clone());
                group_names.len() - 1
            });
        }
        let names: Vec<Name> = targets.iter().map(|target| target.name.clone()).collect();
        let groups: Vec<usize> = targets
            .iter()
            .map(|target| group_places[&target.group])
            .collect();
        let idle = targets
            .iter()
            .map(|target| brief.rules.idle.contains(&target.group));
        let (idle, bystanders) = (
            idle.collect(),
            names
                .iter()
                .map(|name| brief.bystanders.contains(name))
                .collect(),
        );
        Self {
            habits: Habits::default(),
            odds: Odds::default(),
            places: names.iter().cloned().zip(0..).collect(),
            first: vec![TargetState::default(); names.len()],
            traffic: State {
                shares: vec![0.0; group_names.len()],
                admissions: vec![Admission::Out; names.len()],
            },
            names,
            groups,
            group_names,
            bystanders,
            idle,
            reading: None,
            lost: BTreeMap::new(),
            brief,
        }
    }

    /// What was really found, on the targets and at the load balancer.
    pub fn finding(brief: impl Into<Arc<Brief>>, world: &World) -> Self {
        let mut scene = Self::empty(brief);
        for (name, state) in &world.targets {
            if let Some(place) = scene.places.get(name) {
                scene.first[*place] = state.clone();
            }
        }
        scene.lost = world.unreachable.clone();
        if let (Some(reading), true) = (&world.reading, scene.balanced()) {
            scene.traffic = scene.state_of(reading);
            scene.reading.clone_from(&world.reading);
        }
        scene
    }

    /// The same with the traffic split so between groups at the beginning, in percent; a group
    /// that is not named has none.
    #[must_use]
    pub fn with_traffic(mut self, shares: &BTreeMap<Name, f64>) -> Self {
        if self.balanced() {
            let share = |group: &Name| shares.get(group).copied().unwrap_or(0.0);
            self.traffic.shares = self.group_names.iter().map(share).collect();
        }
        self
    }

    /// The same with other assumptions of how long things take.
    #[must_use]
    pub fn with_habits(mut self, habits: Habits) -> Self {
        self.habits = habits;
        self
    }

    /// The same with other assumptions of what goes wrong.
    #[must_use]
    pub fn with_odds(mut self, odds: Odds) -> Self {
        self.odds = odds;
        self
    }

    /// What could not be reached stays so.
    pub(crate) fn out_of_reach(&self) -> Vec<Fault> {
        let away = |target: &Name| Fault::Unreachable {
            target: target.clone(),
            from_ms: 0,
            for_ms: EVER_MS,
        };
        self.lost.keys().map(away).collect()
    }

    /// What is deployed.
    pub fn brief(&self) -> &Arc<Brief> {
        &self.brief
    }

    pub(crate) fn balanced(&self) -> bool {
        self.brief.rules.balancer.is_some()
    }

    /// Whether a release may be switched on a target that gets traffic.
    pub(crate) fn interrupts(&self) -> bool {
        let rules = &self.brief.rules;
        !rules.downtime
            && rules
                .platform
                .iter()
                .all(|name| name != "uninterrupted-activate")
    }

    /// What each target gets of all traffic, by place.
    pub(crate) fn percents(&self, state: &State) -> Vec<f64> {
        let mut ready = vec![0_u32; state.shares.len()];
        for (group, admission) in self.groups.iter().zip(&state.admissions) {
            ready[*group] += u32::from(*admission == Admission::Ready);
        }
        let each = self.groups.iter().zip(&state.admissions);
        each.map(|(group, admission)| match admission {
            Admission::Ready => state.shares[*group] / f64::from(ready[*group]),
            _ => 0.0,
        })
        .collect()
    }

    /// The places of these; names that are none of its targets are passed over.
    pub(crate) fn find<'a>(&self, names: impl Iterator<Item = &'a Name>) -> Vec<usize> {
        let mut places = Vec::new();
        let mut next = 0;
        for name in names {
            // They come in order, and often all of them do.
            let place = match self.names.get(next) {
                Some(expected) if expected == name => Some(next),
                _ => self.places.get(name).copied(),
            };
            if let Some(place) = place {
                places.push(place);
                next = place + 1;
            }
        }
        places
    }

    /// The same with names of its own: who shares them counts their users, and threads that count
    /// in one place wait for each other.
    pub(crate) fn apart(&self) -> Self {
        let copied = |name: &Name| Name::from(name.as_str());
        let written = serde_json::to_value(&*self.brief);
        let Ok(brief) = written.and_then(serde_json::from_value::<Brief>) else {
            return self.clone();
        };
        let mut apart = Self::empty(Arc::new(brief));
        apart.habits = self.habits.clone();
        apart.odds = self.odds.clone();
        apart.traffic = self.traffic.clone();
        apart.reading.clone_from(&self.reading);
        apart.lost.clone_from(&self.lost);
        for (state, of) in apart.first.iter_mut().zip(&self.first) {
            let installed = |each: &Installed| Installed {
                id: copied(&each.id),
                complete: each.complete,
            };
            state.active = of.active.as_ref().map(copied);
            state.installed = of.installed.iter().map(installed).collect();
        }
        apart
    }

    /// How many targets get traffic when the deployment begins.
    pub(crate) fn serving(&self) -> usize {
        let runs = self
            .first
            .iter()
            .filter(|state| state.active.is_some())
            .count();
        if !self.balanced() {
            return runs;
        }
        let percents = self.percents(&self.traffic);
        percents.iter().filter(|percent| **percent > 0.0).count()
    }

    /// What a deployment finds when every target can be reached.
    pub fn found(&self) -> World {
        let states = self.names.iter().cloned().zip(self.first.iter().cloned());
        World {
            targets: states.collect(),
            unreachable: BTreeMap::new(),
            reading: None,
        }
    }
}
