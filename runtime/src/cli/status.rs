//! `runtime status`: what runs where, who gets the traffic, and whether a deployment is under way.

use std::collections::BTreeMap;

use clap::Args;
use engine::{MemberState, Name, Reading};
use futures::future;
use serde_json::json;
use store::{Deployment, Filter, Held, State};

use crate::{
    assemble::{self, System},
    catalogue::{self, Catalogue},
    cli::{Chosen, Format, Printing, choice, follow, history, standstill},
    display, exit,
    past::Past,
    report::Problem,
    site::Site,
    system,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The deployment's id, or how it begins; without it the one that is running
    #[arg(requires = "watch")]
    id: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    pub(super) printing: Printing,
    /// Follow a deployment until it ends, and end with its exit code
    #[arg(short, long)]
    watch: bool,
}

/// What was found.
struct Picture {
    held: Option<Held>,
    open: Vec<Deployment>,
    /// Those that wait for a server, in the order in which they are taken.
    queued: Vec<Deployment>,
    /// Why nobody goes on with the last one that is open.
    left: Option<String>,
    /// What the one that runs is doing, in words.
    doing: Option<String>,
    last: Option<Deployment>,
    /// By target: the release that runs, or why that is not known.
    active: BTreeMap<Name, Result<Option<Name>, String>>,
    reading: Option<Result<Reading, String>>,
}

impl Status {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let site = Site::open(&self.chosen)?;
        if self.watch
            && let Some(followed) = site.wait(self.followed(&site))?
        {
            let format = self.printing.format;
            return site.wait(follow::follow(&site, &followed, format, terminal));
        }
        let host = catalogue::host()?;
        let catalogue = site.wait(Catalogue::load(&site.configuration, &site.folder, &host))?;
        let (system, picture) = site.wait(async {
            let system = System::assemble(&site, catalogue, None).await?;
            let picture = look(&site, &system).await?;
            system.machines.close().await;
            Ok::<_, Problem>((system, picture))
        })?;
        match self.printing.format {
            Format::Json => terminal.line(&as_json(&site, &system, &picture).to_string()),
            Format::Human => print(&site, &system, &picture, terminal),
        }
        Ok(exit::DONE)
    }
}

impl Status {
    /// The deployment that is followed: the one that is named, else the one that is running, else
    /// the first that waits for a server.
    async fn followed(&self, site: &Site) -> Result<Option<Deployment>, Problem> {
        let Some(id) = &self.id else {
            let past = Past::of(site).await?;
            let running = past.open().find(|each| each.state == State::Running);
            return Ok(running.or_else(|| past.queued().next()).cloned());
        };
        let named = choice::named(site, id).await?;
        named.map(Some).ok_or_else(|| choice::unknown(id))
    }
}

async fn look(site: &Site, system: &System) -> Result<Picture, Problem> {
    let now = system::now();
    let active = system
        .platforms()
        .iter()
        .map(|(name, platform)| async move {
            let target = system.targets().iter().find(|target| target.name == *name);
            let found = match target {
                Some(target) => platform.active(target, &assemble::look("status")).await,
                None => Ok(None),
            };
            (name.clone(), found.map_err(|failure| failure.message))
        });
    let active = future::join_all(active).await.into_iter().collect();
    let reading = match system.driver() {
        Some(driver) => {
            let read = driver
                .read(system.targets(), &assemble::look("status"))
                .await;
            Some(read.map_err(|failure| failure.message))
        }
        None => None,
    };
    let past = Past::of(site).await?;
    let running = past.open().find(|each| each.state == State::Running);
    let doing = match running {
        Some(running) => doing(site, &running.id).await?,
        None => None,
    };
    let last = Filter {
        limit: Some(1),
        ..site.filter()
    };
    Ok(Picture {
        held: site
            .store
            .holder(&site.scope())
            .await?
            .filter(|held| held.is_live(now)),
        left: match past.open().next() {
            Some(open) => standstill::why(site, open).await?,
            None => None,
        },
        open: past.open().cloned().collect(),
        queued: past.queued().cloned().collect(),
        doing,
        last: site.store.deployments(&last, now).await?.into_iter().next(),
        active,
        reading,
    })
}

/// The last record of a deployment, where it is still under way.
async fn doing(site: &Site, id: &str) -> Result<Option<String>, Problem> {
    let steps = site.store.pinned(id).await?.brief.rules.steps;
    let records = site.store.records(id).await?;
    let last = records.last().filter(|last| last.outcome.is_none());
    Ok(last.map(|last| display::describe(&last.intent, &steps)))
}

/// Who is at work, and what is open.
fn print_deployments(picture: &Picture, terminal: &Terminal) {
    let gone = picture
        .held
        .as_ref()
        .is_some_and(|held| system::is_gone(&held.owner));
    if let Some(held) = &picture.held {
        terminal.line(&format!(
            "  {} by {} since {}{}",
            held.owner.purpose,
            held.owner,
            system::readable(held.since),
            if gone { ", whose process is gone" } else { "" },
        ));
    }
    for (number, open) in picture.open.iter().enumerate() {
        let state = if gone { State::CutOff } else { open.state };
        terminal.line(&format!(
            "  deployment {} of {} is {state}",
            open.id, open.version
        ));
        if let Some(why) = picture.left.as_ref().filter(|_| number == 0) {
            terminal.line(&format!("    left to people: {why}"));
        }
        if open.state == State::Queued {
            terminal.line("    handed over: the next server goes on with it");
        } else if picture.held.is_none() || gone {
            terminal.line(&format!("    {}", display::both_ways(&open.id)));
        } else if let Some(doing) = picture
            .doing
            .as_ref()
            .filter(|_| open.state == State::Running)
        {
            terminal.line(&format!("    under way: {doing}"));
        }
    }
    for queued in &picture.queued {
        terminal.line(&format!(
            "  deployment {} of {} waits for a server",
            queued.id, queued.version
        ));
    }
    let nothing = picture.open.is_empty() && picture.queued.is_empty();
    if let (Some(last), true) = (&picture.last, nothing) {
        terminal.line(&format!(
            "  last deployment: {} of {}, {}, {}",
            last.id,
            last.version,
            last.state,
            system::readable(last.started),
        ));
    }
}

fn print(site: &Site, system: &System, picture: &Picture, terminal: &Terminal) {
    terminal.line(&site.scope().to_string());
    print_deployments(picture, terminal);
    terminal.line("");
    let rows: Vec<_> = system
        .targets()
        .iter()
        .map(|target| {
            let member = member(picture, &target.name);
            [
                target.name.to_string(),
                target.group.to_string(),
                match picture.active.get(&target.name) {
                    Some(Ok(Some(release))) => release.to_string(),
                    Some(Err(_)) => "?".to_owned(),
                    _ => "-".to_owned(),
                },
                member.map_or_else(
                    || "-".to_owned(),
                    |member| display::percentage(member.percent),
                ),
                member
                    .map_or("-", |member| display::word(member.admission))
                    .to_owned(),
                match member.and_then(|member| member.up) {
                    Some(true) => "yes".to_owned(),
                    Some(false) => "no".to_owned(),
                    None => "-".to_owned(),
                },
            ]
        })
        .collect();
    terminal.table(
        ["TARGET", "GROUP", "RELEASE", "TRAFFIC", "ADMISSION", "UP"],
        &rows,
    );
    warn(site, picture, terminal);
}

/// Says who could not be asked.
fn warn(site: &Site, picture: &Picture, terminal: &Terminal) {
    for (name, found) in &picture.active {
        if let Err(message) = found {
            terminal.aside(&format!("warning: {name} cannot be asked: {message}"));
        }
    }
    if let Some(message) = unasked(picture) {
        terminal.aside(&format!(
            "warning: the load balancer cannot be asked: {message}"
        ));
    }
    for other in others(site, picture) {
        terminal.aside(&format!(
            "warning: the load balancer also has {other}, which is no target of the configuration"
        ));
    }
}

/// Why nothing is known of the load balancer, where there is one.
fn unasked(picture: &Picture) -> Option<String> {
    match picture.reading.as_ref()? {
        Ok(reading) if reading.details["running"] == json!(false) => {
            Some("it does not run; a deployment starts it".to_owned())
        }
        Ok(_) => None,
        Err(message) => Some(message.clone()),
    }
}

/// What the load balancer has beside the targets.
fn others<'a>(site: &Site, picture: &'a Picture) -> Vec<&'a str> {
    let targets = &site.contents().targets;
    let reading = picture.reading.as_ref().and_then(|read| read.as_ref().ok());
    let members = reading.into_iter().flat_map(|reading| &reading.members);
    let names = members.map(|member| member.target.as_str());
    names
        .filter(|name| targets.iter().all(|target| target.name != *name))
        .collect()
}

fn as_json(site: &Site, system: &System, picture: &Picture) -> serde_json::Value {
    let targets: Vec<_> = system
        .targets()
        .iter()
        .map(|target| {
            let member = member(picture, &target.name);
            let active = picture.active.get(&target.name);
            json!({
                "name": target.name,
                "group": target.group,
                "address": target.address,
                "release": active.and_then(|found| found.as_ref().ok()),
                "error": active.and_then(|found| found.as_ref().err()),
                "percent": member.map(|member| member.percent),
                "admission": member.map(|member| display::word(member.admission)),
                "up": member.and_then(|member| member.up),
            })
        })
        .collect();
    json!({
        "application": site.contents().application,
        "environment": site.contents().environment,
        "lease": picture.held.as_ref().map(|held| json!({
            "actor": held.owner.actor,
            "host": held.owner.host,
            "process": held.owner.process,
            "purpose": held.owner.purpose,
            "deployment": held.owner.deployment,
            "since": system::rfc3339(held.since),
            "until": system::rfc3339(held.until),
        })),
        "under-way": picture.doing,
        "open": picture.open.iter().map(history::to_json).collect::<Vec<_>>(),
        "queued": picture.queued.iter().map(history::to_json).collect::<Vec<_>>(),
        "left-to-people": picture.left,
        "last": picture.last.as_ref().map(history::to_json),
        "targets": targets,
        "load-balancer-error": unasked(picture),
        "load-balancer-others": others(site, picture),
    })
}

fn member<'a>(picture: &'a Picture, target: &Name) -> Option<&'a MemberState> {
    let reading = picture.reading.as_ref()?.as_ref().ok()?;
    reading
        .members
        .iter()
        .find(|member| member.target == *target)
}
