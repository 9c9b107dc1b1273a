//! `runtime rollback`: takes an open deployment back, or brings an older release back.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use clap::Args;
use engine::Purpose;
use store::{Deployment, Filter, KnownRelease, ReleaseQuery, State};

use crate::{
    assemble::System,
    catalogue::{self, Catalogue},
    cli::{Chosen, Printing},
    course::Course,
    display, exit,
    release::Found,
    report::{Problem, Reason},
    site::{self, Site},
    system,
    terminal::Terminal,
};

/// So many releases of the past are searched for the one before.
const HISTORY: u32 = 50;
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
        let Some(what) = &self.what else {
            let filter = Filter {
                open: true,
                limit: Some(1),
                ..site.filter()
            };
            let open = site
                .store
                .deployments(&filter, system::now())
                .await?
                .into_iter()
                .next();
            return match open {
                Some(open) => take_back(open),
                None => before_current(site).await,
            };
        };
        if let Some(deployment) = site.store.deployment(what, system::now()).await? {
            if deployment.scope != site.scope() {
                let title = format!("{} is a deployment of {}", deployment.id, deployment.scope);
                return Err(Problem::new(Reason::Usage, title)
                    .hint("name its configuration with `--config`"));
            }
            return if deployment.state.is_open() {
                take_back(deployment)
            } else {
                before(site, &deployment).await
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

fn take_back(deployment: Deployment) -> Result<Way, Problem> {
    match deployment.state {
        State::Running => {
            let title = format!(
                "deployment {} is running, as process of {} on {}",
                deployment.id, deployment.actor, deployment.host
            );
            Err(Problem::new(Reason::Locked, title)
                .hint("end it there with Ctrl-C: it is then taken back; if that process is gone, wait until its lease ran out, or `runtime unlock --reason …`"))
        }
        _ => Ok(Way::TakeBack(Box::new(deployment))),
    }
}

async fn before_current(site: &Site) -> Result<Way, Problem> {
    let mut past = site
        .store
        .current_releases(&site.scope(), HISTORY)
        .await?
        .into_iter();
    let current = past.next();
    match (current, past.next()) {
        (Some(_), Some(before)) => Ok(Way::BringBack(Box::new(before))),
        (Some(current), None) => Err(Problem::new(
            Reason::Refused,
            format!(
                "{} is the only release that {} ever had",
                current.release.version,
                site.scope()
            ),
        )),
        (None, _) => {
            let title = format!("nothing was ever deployed of {}", site.scope());
            Err(Problem::new(Reason::Refused, title))
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
    let query = ReleaseQuery::Id(previous.id.to_string());
    let known = site
        .store
        .releases(&brief.application, &query)
        .await?
        .into_iter()
        .next();
    match known {
        Some(known) => Ok(Way::BringBack(Box::new(known))),
        None => Err(Problem::new(
            Reason::Refused,
            format!("nothing is known any more of release {}", previous.id),
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
