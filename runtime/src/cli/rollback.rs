//! `runtime rollback`: takes an open deployment back, or brings an older release back.

use std::{collections::BTreeSet, time::Duration};

use clap::Args;
use engine::Purpose;
use store::{Deployment, KnownRelease, ReleaseQuery, State};

use crate::{
    assemble::System,
    catalogue::{self, Catalogue},
    cli::{Chosen, Format, Printing, choice},
    course::Course,
    past::Past,
    release::Found,
    report::{Problem, Reason},
    site::Site,
    terminal::Terminal,
};

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
        let wait = self.wait.map_or(Duration::ZERO, Into::into);
        let look = async || self.way(&site).await;
        let format = self.printing.format;
        match site.wait(choice::in_time(&site, wait, terminal, look))? {
            Way::TakeBack(deployment) => undo(&site, &deployment, format, terminal),
            Way::BringBack(known) => {
                let host = catalogue::host()?;
                let loaded = Catalogue::load(&site.configuration, &site.folder, &host);
                let catalogue = site.wait(loaded)?;
                let found = Found::from(*known);
                site.wait(async {
                    let system = System::assemble(&site, catalogue, Some(&found)).await?;
                    let course = course(&site, wait, format, terminal);
                    course.roll_out(system, found).await
                })
            }
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
        if let Some(deployment) = choice::named(site, what).await? {
            if !deployment.state.is_open() {
                return before(site, &deployment).await;
            }
            return match past.after(&deployment) {
                Some(later) if later.state == State::Running => take_back(site, later).await,
                _ => {
                    choice::current(&past, &deployment)?;
                    take_back(site, &deployment).await
                }
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

/// Takes back an open deployment that nobody works on. Gives back the exit code.
pub(super) fn undo(
    site: &Site,
    deployment: &Deployment,
    format: Format,
    terminal: &Terminal,
) -> Result<u8, Problem> {
    // With the configuration that it began with, whatever the file says now.
    let (site, _) = site.wait(site.pinned(&deployment.id))?;
    let host = catalogue::host()?;
    let catalogue = site.wait(Catalogue::load(&site.configuration, &site.folder, &host))?;
    site.wait(async {
        let system = System::assemble(&site, catalogue, None).await?;
        let course = course(&site, Duration::ZERO, format, terminal);
        course.take_back(system, &deployment.id).await
    })
}

fn course<'a>(site: &'a Site, wait: Duration, format: Format, terminal: &Terminal) -> Course<'a> {
    Course {
        site,
        purpose: Purpose::Rollback,
        bystanders: BTreeSet::new(),
        wait,
        format,
        terminal: *terminal,
        seat: None,
        planned: None,
    }
}

async fn take_back(site: &Site, deployment: &Deployment) -> Result<Way, Problem> {
    choice::unattended(site, deployment).await?;
    Ok(Way::TakeBack(Box::new(deployment.clone())))
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
