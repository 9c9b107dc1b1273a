//! `runtime rollback`: takes an open deployment back, or brings an older release back.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use clap::Args;
use engine::Purpose;
use store::{Deployment, KnownRelease, ReleaseQuery, State};

use crate::{
    assemble::System,
    catalogue::{self, Catalogue},
    cli::{Chosen, Printing},
    course::Course,
    display, exit,
    past::Past,
    release::Found,
    report::{Problem, Reason},
    site::{self, Site},
    system,
    terminal::Terminal,
};

/// From one look at a deployment that runs to the next.
const KNOCK: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// A deployment's id: an open one is taken back, of one that is done the release before it
    /// comes back. Or a version, which comes back. Without it: the open deployment, else the
    /// release before the current one
    what: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    pub(super) printing: Printing,
    /// Wait so long for another deployment to end
    #[arg(long, value_name = "TIME")]
    wait: Option<configuration::Duration>,
    /// Ask nothing (this verb never asks; for scripts that pass it everywhere)
    #[arg(short, long, hide = true)]
    yes: bool,
}

/// What a rollback comes to.
enum Way {
    /// Undo this deployment from its record.
    TakeBack(Box<Deployment>),
    /// Deploy this release.
    BringBack(Box<KnownRelease>),
}

impl Rollback {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let site = Site::open(&self.chosen)?;
        let way = site.wait(self.way_in_time(&site, terminal))?;
        let site = match &way {
            Way::TakeBack(deployment) => site.pinned(&deployment.id)?,
            Way::BringBack(_) => site,
        };
        let host = catalogue::host()?;
        let catalogue = site.wait(Catalogue::load(&site.configuration, &site.folder, &host))?;
        let course = Course {
            site: &site,
            purpose: Purpose::Rollback,
            bystanders: BTreeSet::new(),
            wait: self.wait.map_or(Duration::ZERO, Into::into),
            format: self.printing.format,
            terminal: *terminal,
        };
        site.wait(async {
            match way {
                Way::TakeBack(deployment) => {
                    let system = System::assemble(&site, catalogue, None).await?;
                    course.take_back(system, &deployment.id).await
                }
                Way::BringBack(known) => {
                    let found = Found::from(*known);
                    let system = System::assemble(&site, catalogue, Some(&found)).await?;
                    course.roll_out(system, found).await
                }
            }
        })
    }

    /// Waits for a deployment that runs: as long as the operator does; and where its process is
    /// gone, until its lease ran out.
    async fn way_in_time(&self, site: &Site, terminal: &Terminal) -> Result<Way, Problem> {
        let end = Instant::now() + self.wait.map_or(Duration::ZERO, Into::into);
        let mut told = false;
        loop {
            let way = self.way(site).await;
            if !matches!(&way, Err(problem) if problem.code() == exit::LOCKED) {
                return way;
            }
            let held = site.store.holder(&site.scope()).await?;
            let gone = held
                .as_ref()
                .is_some_and(|held| system::is_gone(&held.owner));
            if !gone && Instant::now() >= end {
                return way;
            }
            if let Some(held) = held.filter(|_| gone && !told) {
                told = true;
                let left = display::duration(held.until.since_ms(system::now()));
                terminal.aside(&format!(
                    "its process is gone; its lease runs out in {left}"
                ));
            }
            tokio::time::sleep(KNOCK).await;
        }
    }

    async fn way(&self, site: &Site) -> Result<Way, Problem> {
        let past = Past::of(site).await?;
        let Some(what) = &self.what else {
            return match past.open().next() {
                Some(open) => take_back(site, open).await,
                None => before_current(site, &past).await,
            };
        };
        if let Some(deployment) = site.store.deployment(what, system::now()).await? {
            if deployment.scope != site.scope() {
                let title = format!("{} is a deployment of {}", deployment.id, deployment.scope);
                return Err(Problem::new(Reason::Usage, title)
                    .hint("name its configuration with `--config`"));
            }
            if !deployment.state.is_open() {
                return before(site, &deployment).await;
            }
            return match past.after(&deployment) {
                Some(later) if later.state == State::Running => take_back(site, later).await,
                Some(later) => Err(passed(&deployment, later)),
                None => take_back(site, &deployment).await,
            };
        }
        let query = ReleaseQuery::Version(what.clone());
        let releases = site
            .store
            .releases(&site.contents().application, &query)
            .await?;
        match releases.into_iter().next() {
            Some(known) => Ok(Way::BringBack(Box::new(known))),
            None => Err(Problem::new(
                Reason::Usage,
                format!("`{what}` is neither a deployment nor a version that was deployed"),
            )
            .hint("`runtime history` lists them")),
        }
    }
}

async fn take_back(site: &Site, deployment: &Deployment) -> Result<Way, Problem> {
    if deployment.state != State::Running {
        return Ok(Way::TakeBack(Box::new(deployment.clone())));
    }
    let held = site.store.holder(&site.scope()).await?;
    let by = held.map_or_else(
        || format!("{} on {}", deployment.actor, deployment.host),
        |held| held.owner.to_string(),
    );
    let title = format!("deployment {} is running, by {by}", deployment.id);
    Err(Problem::new(Reason::Locked, title)
        .hint("end it there with Ctrl-C: it is then taken back; if that process is gone, wait until its lease ran out, or `runtime unlock --reason …`"))
}

/// What stands there is no longer what this deployment left.
fn passed(deployment: &Deployment, later: &Deployment) -> Problem {
    let id = &later.id;
    let title = format!(
        "deployment {} of {} can no longer be taken back: {id} of {} came after it",
        deployment.id, deployment.version, later.version,
    );
    Problem::new(Reason::Refused, title).hint(if later.state.is_open() {
        format!("`runtime rollback {id}` takes that one back first")
    } else {
        format!(
            "`runtime rollback` brings back the release before {}; `runtime rollback VERSION` \
             another one",
            later.version
        )
    })
}

async fn before_current(site: &Site, past: &Past) -> Result<Way, Problem> {
    let Some(current) = past.current() else {
        let title = format!("nothing was ever deployed of {}", site.scope());
        return Err(Problem::new(Reason::Refused, title));
    };
    match past.before_current() {
        Some(id) => bring_back(site, id).await,
        None => {
            let title = format!(
                "there is nothing before {} in {}",
                current.version,
                site.scope()
            );
            Err(Problem::new(Reason::Refused, title).hint(
                "`runtime rollback VERSION` brings a release back; `runtime history` lists them",
            ))
        }
    }
}

/// The release that ran before a deployment that is done.
async fn before(site: &Site, deployment: &Deployment) -> Result<Way, Problem> {
    let brief = site.store.pinned(&deployment.id).await?.brief;
    let Some(previous) = brief.previous else {
        let title = format!("nothing ran before deployment {}", deployment.id);
        return Err(Problem::new(Reason::Refused, title));
    };
    bring_back(site, previous.id.as_str()).await
}

async fn bring_back(site: &Site, id: &str) -> Result<Way, Problem> {
    let query = ReleaseQuery::Id(id.to_owned());
    let application = &site.contents().application;
    let known = site.store.releases(application, &query).await?;
    match known.into_iter().next() {
        Some(known) => Ok(Way::BringBack(Box::new(known))),
        None => Err(Problem::new(
            Reason::Refused,
            format!("nothing is known any more of release {id}"),
        )),
    }
}

// Kept beside its only use: a rollback of an open deployment runs with the configuration that the
// deployment began with, whatever the file says now.
impl Site {
    fn pinned(self, id: &str) -> Result<Self, Problem> {
        let pinned = self.wait(self.store.pinned(id))?;
        let configuration =
            site::from_canonical(&self.configuration.path, &pinned.configuration.bytes)?;
        Ok(self.of(configuration))
    }
}
