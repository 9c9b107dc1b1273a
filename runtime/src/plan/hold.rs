//! Holding a deployment to a plan: what this process has is compared before anything begins; what
//! stands in the world is compared with what the deployment finds, under its lease and before its
//! first effect.

use std::sync::Arc;

use async_trait::async_trait;
use engine::{Brief, Call, Code, Effect, Executor, Failure, Report, Timestamp, Verdict, World};
use serde_json::json;

use super::{
    Arguments, Planned, PlannedPlugin,
    difference::{self, Difference},
    each_once,
};
use crate::{
    catalogue,
    past::Past,
    release::Found,
    report::{Problem, Reason},
    site::Site,
};

/// Where a failure says what is no longer as planned.
const UNPLANNED: &str = "no-longer-planned";

/// An executor that begins only where the world is what was planned.
pub(crate) struct Holding {
    inner: Box<dyn Executor>,
    site: Site,
    brief: Arc<Brief>,
    /// Until it was held against the world.
    planned: Option<Arc<Planned>>,
}

impl Holding {
    /// Holds the deployment of this brief to that plan.
    pub(crate) fn new(
        inner: Box<dyn Executor>,
        site: &Site,
        brief: &Arc<Brief>,
        planned: Arc<Planned>,
    ) -> Self {
        Self {
            inner,
            site: site.clone(),
            brief: Arc::clone(brief),
            planned: Some(planned),
        }
    }
}

#[async_trait]
impl Executor for Holding {
    async fn observe(&mut self) -> Result<World, Failure> {
        let world = self.inner.observe().await?;
        let Some(planned) = self.planned.take() else {
            return Ok(world);
        };
        let past = Past::of(&self.site)
            .await
            .map_err(|error| Failure::new(Code::Unavailable, error.to_string()))?;
        let found = &planned.plan.found;
        let differences = found.differences(&self.brief, &world, &past, &self.brief.id);
        if differences.is_empty() {
            return Ok(world);
        }
        let text = "what stands there is no longer what was planned";
        Err(Failure {
            details: json!({ UNPLANNED: differences }),
            ..Failure::new(Code::Conflict, text)
        })
    }

    async fn execute(&mut self, effect: &Effect, call: &Call) -> Report {
        self.inner.execute(effect, call).await
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }
}

/// The problem of a deployment that was refused because the world is not what was planned; none
/// where it ended otherwise.
pub(crate) fn unplanned(planned: &Planned, verdict: &Verdict) -> Option<Problem> {
    let Verdict::Refused { cause } = verdict else {
        return None;
    };
    let differences = cause.details[UNPLANNED].as_array()?;
    let differences = differences.iter().filter_map(|each| each.as_str());
    Some(refused(planned, differences.map(str::to_owned)))
}

/// Fails where what this process is about to deploy is not what was planned.
pub(crate) fn differences_of(
    planned: &Planned,
    site: &Site,
    found: &Found,
    plugins: &[PlannedPlugin],
    arguments: &Arguments,
) -> Result<(), Problem> {
    let plan = &planned.plan;
    let mut differences = Vec::new();
    let (then, now) = (&plan.made.program, env!("CARGO_PKG_VERSION"));
    if then != now {
        differences.push(format!("the program was version {then}, and is now {now}"));
    }
    differences.extend(of_arguments(&plan.arguments, arguments));
    let canonical = site.configuration.canonical();
    if plan.configuration.digest != catalogue::digest(canonical.to_string().as_bytes()) {
        let changes = difference::between(&plan.configuration.contents, &canonical);
        differences.extend(changes.iter().map(ToString::to_string));
        if changes.is_empty() {
            differences.push("the configuration lists the same in another order".to_owned());
        }
    }
    let (then, now) = (&plan.deployment.release, &found.release);
    if then.digest != now.digest {
        differences.push(format!(
            "the artifact {} had the digest {}, and has now {}",
            plan.deployment.artifact, then.digest, now.digest
        ));
    } else if then.id != now.id {
        differences.push(format!(
            "the release was {}, and is now {}: it was deployed meanwhile",
            then.id, now.id
        ));
    }
    differences.extend(of_plugins(&plan.plugins, plugins));
    match differences.is_empty() {
        true => Ok(()),
        false => Err(refused(planned, differences)),
    }
}

fn refused(planned: &Planned, differences: impl IntoIterator<Item = String>) -> Problem {
    let path = planned.path.display();
    let config = planned.plan.configuration.option();
    let title = format!("nothing was deployed: it is no longer what was planned in {path}");
    let problem = Problem::new(Reason::Refused, title);
    let told = |problem: Problem, each: String| problem.cause(format!("- {each}"));
    differences.into_iter().fold(problem, told).hint(format!(
        "`runtime plan{config} --out {path}` plans it anew; look at it before you deploy it"
    ))
}

fn of_arguments(then: &Arguments, now: &Arguments) -> Vec<String> {
    let pairs = [
        ("--version", json!(then.version), json!(now.version)),
        ("--strategy", json!(then.strategy), json!(now.strategy)),
        ("--set", json!(then.set), json!(now.set)),
        ("--servers", json!(then.servers), json!(now.servers)),
        (
            "--new-release",
            json!(then.new_release),
            json!(now.new_release),
        ),
    ];
    let differing = pairs.into_iter().filter(|(_, then, now)| then != now);
    differing
        .map(|(name, then, now)| {
            let some = |value: serde_json::Value| Some(value).filter(|value| !value.is_null());
            Difference::new(format!("`{name}`"), some(then), some(now)).to_string()
        })
        .collect()
}

fn of_plugins(then: &[PlannedPlugin], now: &[PlannedPlugin]) -> Vec<String> {
    let differences = then.iter().filter_map(|was| {
        let mut same = now.iter();
        let is = same.find(|is| (&is.kind, &is.name) == (&was.kind, &was.name))?;
        (is.digest != was.digest).then(|| {
            format!(
                "{} `{}` had the digest {}, and has now {}",
                was.kind, was.name, was.digest, is.digest
            )
        })
    });
    each_once(differences)
}
