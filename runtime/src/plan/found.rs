//! What stands in the real world: found by looks that only read, and held against what a
//! deployment finds when it begins.

use std::collections::BTreeMap;

use engine::{
    Admission, Brief, Call, Failure, MemberState, Name, Reading, TargetState, World, tolerance,
};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use store::{Deployment, State};

use crate::{
    assemble::System,
    display,
    live::{self, Subject, Unproved},
    past::Past,
    report::{Problem, Reason},
    site::Site,
    system,
};

/// So many targets are asked side by side whether they are well.
const SIDE_BY_SIDE: usize = 64;

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Found {
    /// In the order of the configuration.
    pub(crate) targets: Vec<FoundTarget>,
    /// Whom the load balancer has besides, and what they get of the traffic.
    pub(crate) strangers: BTreeMap<Name, f64>,
    /// The deployment that changed something last.
    pub(crate) last: Option<Last>,
}

/// One target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct FoundTarget {
    pub(crate) name: Name,
    pub(crate) group: Name,
    pub(crate) address: Option<String>,
    /// The deployment passes it over.
    pub(crate) bystander: bool,
    /// The id of the release that runs.
    pub(crate) release: Option<Name>,
    /// Whether the release that goes out lies there already, to its end.
    pub(crate) installed: bool,
    /// Of all traffic; none where there is no load balancer.
    pub(crate) percent: Option<f64>,
    pub(crate) admission: Option<Admission>,
    /// Whether every health check passed, once; none where nothing runs, or nobody could look.
    pub(crate) healthy: Option<bool>,
    /// What a health check saw that did not pass, or why one could not be made.
    pub(crate) says: Option<String>,
    /// Why it could not be asked.
    pub(crate) unreachable: Option<String>,
}

/// A deployment of the past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Last {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) release: String,
    pub(crate) strategy: String,
    pub(crate) state: String,
    pub(crate) started: String,
}

impl Last {
    pub(super) fn new(deployment: &Deployment) -> Self {
        Self {
            id: deployment.id.clone(),
            version: deployment.version.clone(),
            release: deployment.release.clone(),
            strategy: deployment.strategy.clone(),
            state: deployment.state.to_string(),
            started: system::readable(deployment.started),
        }
    }
}

impl Found {
    /// Looks at the targets, the load balancer and the store.
    pub(super) async fn look(
        site: &Site,
        system: &System,
        brief: &Brief,
    ) -> Result<(World, Self), Problem> {
        let subject = system.looking(brief);
        let (targets, unreachable) = live::look_at_targets(&subject, system.platforms()).await;
        let reading = match system.driver() {
            Some(driver) => {
                let context = subject.aside("look", &"load-balancer".into(), live::BALANCER_CALL);
                let read = driver.read(system.targets(), &context).await;
                Some(read.map_err(unread)?)
            }
            None => None,
        };
        let world = World {
            targets,
            unreachable,
            reading,
        };
        let health = health(system, &subject, &world).await;
        let past = Past::of(site).await?;
        let last = last(&past, None).map(Last::new);
        Ok((world.clone(), Self::new(brief, &world, health, last)))
    }

    fn new(
        brief: &Brief,
        world: &World,
        mut health: BTreeMap<Name, Result<(), Unproved>>,
        last: Option<Last>,
    ) -> Self {
        let reading = world.reading.as_ref();
        let targets = brief.targets.iter().map(|target| {
            let state = world.targets.get(&target.name);
            let member = reading.map(|reading| member(reading, &target.name));
            let seen = health.remove(&target.name);
            FoundTarget {
                name: target.name.clone(),
                group: target.group.clone(),
                address: target.address.clone(),
                bystander: brief.bystanders.contains(&target.name),
                release: state.and_then(|state| state.active.clone()),
                installed: state.is_some_and(|state| lies(state, &brief.release.id)),
                percent: member.map(|(percent, _)| percent),
                admission: member.map(|(_, admission)| admission),
                healthy: match &seen {
                    Some(Ok(())) => Some(true),
                    Some(Err(Unproved::Ill(_))) => Some(false),
                    Some(Err(Unproved::Unseen(_))) | None => None,
                },
                says: seen.and_then(Result::err).map(|why| why.to_string()),
                unreachable: world
                    .unreachable
                    .get(&target.name)
                    .map(|failure| failure.message.clone()),
            }
        });
        Self {
            targets: targets.collect(),
            strangers: strangers(brief, reading),
            last,
        }
    }

    /// What is no longer as it was found, each a sentence for a person. `past` is what was
    /// deployed until now, but for the deployment of that id, which asks.
    pub(super) fn differences(
        &self,
        brief: &Brief,
        world: &World,
        past: &Past,
        id: &str,
    ) -> Vec<String> {
        let mut differences = Vec::new();
        let last = last(past, Some(id)).map(Last::new);
        if last != self.last {
            let told = |last: Option<&Last>| match last {
                Some(last) => format!("{} of {} ({})", last.id, last.version, last.state),
                None => "nothing".to_owned(),
            };
            differences.push(format!(
                "what was deployed last was {}, and is now {}",
                told(self.last.as_ref()),
                told(last.as_ref())
            ));
        }
        let near = brief.rules.balancer.as_ref().map_or(0.0, tolerance);
        let now = Self::new(brief, world, BTreeMap::new(), last);
        for then in &self.targets {
            match now.targets.iter().find(|now| now.name == then.name) {
                Some(now) => differences.extend(then.differs(now, near)),
                None => differences.push(format!("{} is no longer a target", then.name)),
            }
        }
        let known = |name: &Name| self.targets.iter().any(|then| then.name == *name);
        let new = now.targets.iter().filter(|now| !known(&now.name));
        differences.extend(new.map(|new| format!("{} is a target by now", new.name)));
        if self.strangers.keys().ne(now.strangers.keys()) {
            let told = |found: &Self| match found.strangers.len() {
                0 => "nobody".to_owned(),
                _ => display::names(found.strangers.keys()),
            };
            differences.push(format!(
                "besides the targets the load balancer sent traffic to {}, and now to {}",
                told(self),
                told(&now)
            ));
        }
        differences
    }
}

impl FoundTarget {
    /// Whether something runs there of which nobody could tell whether it is well.
    pub(super) fn is_unknown(&self) -> bool {
        self.healthy.is_none() && self.says.is_some()
    }

    fn differs(&self, now: &Self, near: f64) -> Vec<String> {
        let name = &self.name;
        match (&self.unreachable, &now.unreachable) {
            (None, Some(why)) => return vec![format!("{name} cannot be reached any more: {why}")],
            (Some(_), None) => return vec![format!("{name} can be reached again")],
            _ => {}
        }
        let mut differences = Vec::new();
        let told = |release: &Option<Name>| match release {
            Some(release) => release.to_string(),
            None => "nothing".to_owned(),
        };
        if self.release != now.release {
            differences.push(format!(
                "on {name} ran {}, and now runs {}",
                told(&self.release),
                told(&now.release)
            ));
        }
        if self.installed != now.installed {
            let how = if now.installed { "by now" } else { "no longer" };
            differences.push(format!("the release that goes out {how} lies on {name}"));
        }
        let (then, get) = (self.percent.unwrap_or(0.0), now.percent.unwrap_or(0.0));
        if (then - get).abs() > near || (then > 0.0) != (get > 0.0) {
            differences.push(format!(
                "{name} got {} of the traffic, and now gets {}",
                display::percentage(then),
                display::percentage(get)
            ));
        }
        if self.admission != now.admission {
            let word = |admission: Option<Admission>| admission.map_or("unknown", display::word);
            differences.push(format!(
                "the load balancer had {name} as {}, and now as {}",
                word(self.admission),
                word(now.admission)
            ));
        }
        differences
    }
}

/// The deployment that changed something last: what was refused changed nothing, and what waits
/// for a server did not begin.
pub(super) fn last<'a>(past: &'a Past, but: Option<&str>) -> Option<&'a Deployment> {
    past.iter().find(|each| {
        Some(each.id.as_str()) != but
            && each.token > 0
            && !matches!(each.state, State::Refused | State::Queued)
    })
}

fn lies(state: &TargetState, release: &Name) -> bool {
    let mut installed = state.installed.iter();
    installed.any(|each| each.id == *release && each.complete)
}

/// What a target gets. One that the load balancer does not know gets nothing.
fn member(reading: &Reading, name: &Name) -> (f64, Admission) {
    let mut members = reading.members.iter();
    let found = members.find(|member| member.target == *name);
    found.map_or(
        (0.0, Admission::Out),
        |MemberState {
             percent, admission, ..
         }| { (*percent, *admission) },
    )
}

fn strangers(brief: &Brief, reading: Option<&Reading>) -> BTreeMap<Name, f64> {
    let members = reading.into_iter().flat_map(|reading| &reading.members);
    let unknown = members.filter(|member| {
        let mut targets = brief.targets.iter();
        member.percent > 0.0 && targets.all(|target| target.name != member.target)
    });
    unknown
        .map(|member| (member.target.clone(), member.percent))
        .collect()
}

/// Makes every health check once, on each target where something runs.
async fn health(
    system: &System,
    subject: &Subject,
    world: &World,
) -> BTreeMap<Name, Result<(), Unproved>> {
    let call = Call {
        sequence: 0,
        attempt: 1,
        monitored: BTreeMap::new(),
        undoing: false,
    };
    let runs = world
        .targets
        .iter()
        .filter_map(|(name, state)| Some((name, state.active.as_ref()?)));
    let looks = runs
        .filter(|_| !system.checks().is_empty())
        .map(|(name, active)| {
            let call = &call;
            async move {
                let (Some(target), Some(release)) =
                    (subject.targets.get(name), subject.releases.get(active))
                else {
                    let says = format!("nothing is known of release {active}, which runs there");
                    return (name.clone(), Err(Unproved::Unseen(says)));
                };
                let mut seen = Ok(());
                for check in system.checks() {
                    let of = &check.name;
                    let once = check.once(subject, target, release, call).await;
                    seen = match (seen, once) {
                        // That it is not well counts more than that somebody cannot tell.
                        (Ok(()) | Err(Unproved::Unseen(_)), Err(Unproved::Ill(saw))) => {
                            Err(Unproved::Ill(format!("check `{of}` saw: {saw}")))
                        }
                        (Ok(()), Err(Unproved::Unseen(why))) => {
                            let text = format!("check `{of}` could not be made: {why}");
                            Err(Unproved::Unseen(text))
                        }
                        (seen, _) => seen,
                    };
                }
                (name.clone(), seen)
            }
        });
    stream::iter(looks)
        .buffer_unordered(SIDE_BY_SIDE)
        .collect()
        .await
}

fn unread(failure: Failure) -> Problem {
    let title = "the load balancer does not say what it does: a deployment would be refused";
    Problem::new(Reason::Refused, title).cause(failure)
}
