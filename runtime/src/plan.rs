//! What `deploy` would do now, put together: what is found in the real world by looks that only
//! read, and what the very strategy then does to the model that begins with it. A plan that
//! was written down is what a deployment can be held to.

mod course;
mod difference;
mod file;
mod found;
mod hold;
mod since;
mod text;
mod warning;

use std::{collections::BTreeSet, sync::Arc};

use engine::{Brief, Failure, Name, Purpose, Release, World};
use host::Granted;
use rehearsal::{Habits, Scene};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::{
    course::{Course, Listener},
    found::Found,
    since::Since,
};
pub(crate) use self::{
    file::{Planned, write},
    hold::{Holding, differences_of, unplanned},
    text::show,
};
use crate::{
    assemble::{self, System},
    catalogue::Catalogue,
    cli::rollout::Rollout,
    release,
    report::Problem,
    site::Site,
    strategy::Strategy,
    system,
};

/// What a deployment would do now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Plan {
    pub(crate) made: Made,
    pub(crate) arguments: Arguments,
    pub(crate) deployment: Subject,
    pub(crate) configuration: Configuration,
    pub(crate) plugins: Vec<PlannedPlugin>,
    pub(crate) found: Found,
    /// None where nothing was deployed before.
    pub(crate) since: Option<Since>,
    pub(crate) course: Course,
    pub(crate) warnings: Vec<String>,
}

/// When and by whom it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Made {
    /// RFC 3339.
    pub(crate) at: String,
    pub(crate) by: String,
    pub(crate) host: String,
    /// The version of this program.
    pub(crate) program: String,
}

/// What stood on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Arguments {
    pub(crate) version: Option<String>,
    pub(crate) strategy: Option<String>,
    pub(crate) set: Vec<String>,
    pub(crate) servers: Vec<String>,
    pub(crate) new_release: bool,
}

/// What goes out, and where to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Subject {
    pub(crate) application: String,
    pub(crate) environment: String,
    pub(crate) strategy: String,
    pub(crate) release: Release,
    /// As the configuration names it.
    pub(crate) artifact: String,
    /// What ran before, where anything did.
    pub(crate) previous: Option<Release>,
}

/// The configuration, with all that the command line said over it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Configuration {
    pub(crate) file: String,
    pub(crate) digest: String,
    /// In its canonical form.
    pub(crate) contents: Value,
}

/// A plugin in one of its parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct PlannedPlugin {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) digest: String,
    /// Where the configuration uses it, as a JSON Pointer.
    pub(crate) section: String,
    /// What a deployment lets it do. A plan let it do only what has the purpose `read`.
    pub(crate) granted: Vec<Granted>,
}

/// What is planned.
pub(crate) struct Wanted<'a> {
    pub(crate) rollout: &'a Rollout,
    pub(crate) new_release: bool,
    pub(crate) version: &'a str,
    pub(crate) bystanders: BTreeSet<Name>,
}

impl Arguments {
    /// Those of this command line.
    pub(crate) fn of(rollout: &Rollout, new_release: bool) -> Self {
        Self {
            version: rollout.version.clone(),
            strategy: rollout.amended.strategy.clone(),
            set: rollout.amended.set.clone(),
            servers: rollout.amended.servers.clone(),
            new_release,
        }
    }

    /// Fills in what a command line leaves open.
    pub(crate) fn fill(&self, rollout: &mut Rollout, new_release: &mut bool) {
        let amended = &mut rollout.amended;
        rollout.version = rollout.version.take().or_else(|| self.version.clone());
        amended.strategy = amended.strategy.take().or_else(|| self.strategy.clone());
        if amended.set.is_empty() {
            amended.set.clone_from(&self.set);
        }
        if amended.servers.is_empty() {
            amended.servers.clone_from(&self.servers);
        }
        *new_release |= self.new_release;
    }
}

impl Configuration {
    /// What a command line says to take this file, where it is not the usual one.
    fn option(&self) -> String {
        match self.file.as_str() {
            crate::cli::CONFIGURATION => String::new(),
            file => format!(" --config {file}"),
        }
    }
}

/// What the model is run with.
struct Ready<'a> {
    strategy: &'a Strategy,
    brief: Arc<Brief>,
}

impl rehearsal::Strategies for Ready<'_> {
    fn strategy(&self, found: &World) -> Result<Box<dyn engine::Strategy>, Failure> {
        Ok(Box::new(self.strategy.prepared(&self.brief, found)?))
    }
}

/// Looks, and works out what would be done. Changes nothing.
pub(crate) async fn make(
    site: &Site,
    catalogue: Catalogue,
    wanted: Wanted<'_>,
) -> Result<Plan, Problem> {
    let opening = release::begin(site, wanted.version);
    let sought = release::Sought {
        version: wanted.version,
        anew: wanted.new_release,
        id: None,
    };
    let release = release::find(site, &catalogue, sought, opening).await?;
    let plugins = described(site, &catalogue)?;
    let system = System::assemble(site, catalogue, Some(&release)).await?;
    system.ready().await?;
    system.strategy.ready().await?;
    let brief = system
        .brief(site, Purpose::Deploy, &release.release)
        .await?;
    let brief = Arc::new(Brief {
        bystanders: wanted.bystanders,
        ..brief
    });
    let (world, found) = Found::look(site, &system, &brief).await?;
    system.machines.close().await;
    let habits = habits(site);
    let course = foresee(&system.strategy, &brief, &world, habits).await;
    let since = Since::of(site, &brief, &plugins).await?;
    let warnings = warning::all(site, &brief, &world, &found, &course).await?;
    let canonical = site.configuration.canonical();
    Ok(Plan {
        made: Made {
            at: system::rfc3339(system::now()),
            by: system::user(),
            host: system::host(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
        },
        arguments: Arguments::of(wanted.rollout, wanted.new_release),
        deployment: Subject {
            application: brief.application.clone(),
            environment: brief.environment.clone(),
            strategy: brief.strategy.clone(),
            release: brief.release.clone(),
            artifact: release.artifact,
            previous: brief.previous.clone(),
        },
        configuration: Configuration {
            file: site.configuration.path.display().to_string(),
            digest: system.configuration.digest.clone(),
            contents: canonical,
        },
        plugins,
        found,
        since,
        course,
        warnings,
    })
}

/// How long things take here, by the configuration, with nothing going wrong: an application
/// starts before anybody gives it up.
fn habits(site: &Site) -> Habits {
    let usual = crate::rehearsal::habits(site.contents());
    let patience_ms = usual.patience_ms.max(usual.proof_ms);
    Habits {
        start_ms: usual.start_ms.min(patience_ms - usual.proof_ms),
        patience_ms,
        ..usual
    }
}

async fn foresee(strategy: &Strategy, brief: &Arc<Brief>, world: &World, habits: Habits) -> Course {
    let scene = Scene::finding(Arc::clone(brief), world).with_habits(habits);
    let listener = Arc::new(Listener::new(brief, world));
    let ready = Ready {
        strategy,
        brief: Arc::clone(brief),
    };
    // It computes, and waits for nothing but itself.
    let run = tokio::task::block_in_place(|| rehearsal::foresee(&scene, &ready, listener.clone()));
    listener.course(&run)
}

/// Every plugin in use, with what it may do.
pub(crate) fn described(site: &Site, catalogue: &Catalogue) -> Result<Vec<PlannedPlugin>, Problem> {
    let granted = assemble::granted(site, catalogue)?;
    let describe = |(used, granted): (&crate::catalogue::Used, Vec<Granted>)| PlannedPlugin {
        kind: crate::catalogue::kind(used.kind).as_str().to_owned(),
        name: used.plugin.name().to_owned(),
        version: used.plugin.version().to_owned(),
        digest: used.plugin.digest().to_owned(),
        section: used.pointer.clone(),
        granted,
    };
    Ok(catalogue.iter().zip(granted).map(describe).collect())
}

/// These, each once, in their order.
fn each_once(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for text in texts {
        if !known.contains(&text) {
            known.push(text);
        }
    }
    known
}
