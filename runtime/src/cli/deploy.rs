//! `runtime deploy`: rolls a release out.

use std::{io::Write, path::PathBuf, sync::Arc, time::Duration};

use clap::{Args, ValueEnum};
use engine::{Purpose, Resume};
use serde_json::json;
use store::State;

use crate::{
    assemble::System,
    catalogue::{self, Catalogue},
    cli::{Format, Printing, choice, resume, rollback, rollout::Rollout},
    course::Course,
    display, exit,
    past::Past,
    plan::{self, Arguments, Planned},
    release::{self, Found, Sought},
    report::Problem,
    site::Site,
    system,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    rollout: Rollout,
    #[command(flatten)]
    pub(super) printing: Printing,
    /// Wait so long for another deployment to end
    #[arg(long, value_name = "TIME")]
    wait: Option<configuration::Duration>,
    /// Deploy just what `runtime plan --out` wrote, and refuse where that is no longer what it was
    #[arg(long, value_name = "FILE", conflicts_with_all = ["detach", "recover"])]
    plan: Option<PathBuf>,
    /// What to do first with an earlier deployment that was cut off
    #[arg(long, value_enum, value_name = "WAY")]
    recover: Option<Recovery>,
    /// Hand it to a server (`runtime serve`) on the same state store, and end
    #[arg(long, conflicts_with = "wait")]
    detach: bool,
    /// Ask nothing
    #[arg(short, long)]
    yes: bool,
    /// A new release even where the same version and contents went out before
    #[arg(long)]
    new_release: bool,
}

/// What becomes of an earlier deployment that was cut off.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Recovery {
    /// It is gone on with, to its end
    Resume,
    /// It is taken back
    Rollback,
}

impl Deploy {
    pub(crate) fn run(mut self, terminal: &Terminal) -> Result<u8, Problem> {
        let planned = self.planned()?;
        let (configuration, bystanders) = self.rollout.configuration()?;
        let version = self.rollout.version(&configuration)?;
        let asks = self.asks(terminal);
        let site = match asks || self.recover.is_some() {
            true => Site::with(configuration)?,
            false => Site::connected(configuration)?,
        };
        if let Some(recovery) = self.recover
            && let Some(code) = self.recover(&site, recovery, terminal)?
        {
            return Ok(code);
        }
        let host = catalogue::host()?;
        let opening = release::begin(&site, &version);
        let (catalogue, found) = site.wait(async {
            let catalogue = Catalogue::load(&site.configuration, &site.folder, &host).await?;
            catalogue.read_ahead();
            let sought = Sought {
                version: &version,
                anew: self.new_release,
                id: planned
                    .as_ref()
                    .map(|it| it.plan.deployment.release.id.clone()),
            };
            let found = release::find(&site, &catalogue, sought, opening).await?;
            Ok::<_, Problem>((catalogue, found))
        })?;
        if let Some(planned) = &planned {
            let plugins = plan::described(&site, &catalogue)?;
            let arguments = Arguments::of(&self.rollout, self.new_release);
            plan::differences_of(planned, &site, &found, &plugins, &arguments)?;
        }
        let concerned = site.contents().targets.len() - bystanders.len();
        if asks && !self.agreed(&site, &found, concerned, terminal) {
            terminal.line("nothing was deployed");
            return Ok(exit::REFUSED);
        }
        let course = Course {
            site: &site,
            purpose: Purpose::Deploy,
            bystanders,
            wait: self.wait.map_or(Duration::ZERO, Into::into),
            format: self.printing.format,
            terminal: *terminal,
            seat: None,
            planned: planned.clone(),
        };
        site.wait(async {
            let system = System::assemble(&site, catalogue, Some(&found)).await?;
            if !self.detach {
                return course.roll_out(system, found).await;
            }
            let version = found.release.version.clone();
            let id = course.hand_in(system, found).await?;
            self.handed_in(&site, &id, &version, terminal).await
        })
    }

    /// The plan that it is held to. What the command line leaves open is what was planned.
    fn planned(&mut self) -> Result<Option<Arc<Planned>>, Problem> {
        let Some(path) = &self.plan else {
            return Ok(None);
        };
        let planned = Planned::read(path)?;
        planned
            .plan
            .arguments
            .fill(&mut self.rollout, &mut self.new_release);
        Ok(Some(Arc::new(planned)))
    }

    /// Says how to follow what a server runs from here on.
    async fn handed_in(
        &self,
        site: &Site,
        id: &str,
        version: &str,
        terminal: &Terminal,
    ) -> Result<u8, Problem> {
        let held = site.store.holder(&site.scope()).await?;
        let held = held.filter(|held| held.is_live(system::now()));
        let held = held.filter(|held| held.owner.deployment.as_deref() != Some(id));
        if self.printing.format == Format::Json {
            let line = json!({
                "event": "queued",
                "deployment_id": id,
                "behind": held.and_then(|held| held.owner.deployment),
            });
            terminal.line(&line.to_string());
            return Ok(exit::DONE);
        }
        let application = &site.contents().application;
        terminal.line(&format!(
            "{application} {version} waits for a server, as deployment {id}"
        ));
        if let Some(held) = held {
            let what = held
                .owner
                .deployment
                .as_ref()
                .unwrap_or(&held.owner.purpose);
            terminal.line(&format!("  behind {what}, by {}", held.owner));
        }
        terminal.line(&format!("  `runtime status --watch {id}` follows it"));
        Ok(exit::DONE)
    }

    /// Brings an earlier deployment that was cut off to its end. Gives back the exit code where
    /// that left it open.
    fn recover(
        &self,
        site: &Site,
        recovery: Recovery,
        terminal: &Terminal,
    ) -> Result<Option<u8>, Problem> {
        let wait = self.wait.map_or(Duration::ZERO, Into::into);
        let open = site.wait(choice::in_time(site, wait, terminal, async || {
            let past = Past::of(site).await?;
            let Some(last) = past.open().next() else {
                return Ok(None);
            };
            choice::unattended(site, last).await?;
            Ok((last.state == State::CutOff).then(|| last.clone()))
        }))?;
        let Some(open) = open else {
            return Ok(None);
        };
        let format = self.printing.format;
        let code = match recovery {
            Recovery::Resume => resume::go_on(site, &open, Resume::default(), format, terminal)?,
            Recovery::Rollback => rollback::undo(site, &open, format, terminal)?,
        };
        let over = matches!(code, exit::DONE | exit::LEFT_OUT | exit::ROLLED_BACK);
        Ok((!over).then_some(code))
    }

    /// Questions are for people: never where programs read or write.
    fn asks(&self, terminal: &Terminal) -> bool {
        !self.yes
            && self.printing.format == Format::Human
            && terminal.interactive
            && std::io::IsTerminal::is_terminal(&std::io::stdin())
    }

    fn agreed(&self, site: &Site, found: &Found, concerned: usize, terminal: &Terminal) -> bool {
        let contents = site.contents();
        terminal.print(&format!(
            "Deploy {} {} to {} ({}) with {}? [y/N] ",
            contents.application,
            found.release.version,
            contents.environment,
            display::count(concerned, "target"),
            contents.strategy.name,
        ));
        let _closed = std::io::stdout().flush();
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }
}
