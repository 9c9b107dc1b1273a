//! `runtime deploy`: rolls a release out.

use std::{io::Write, time::Duration};

use clap::{Args, ValueEnum};
use configuration::Overrides;
use engine::{Purpose, Resume};
use serde_json::json;
use store::State;

use crate::{
    assemble::System,
    catalogue::{self, Catalogue},
    cli::{Chosen, Format, Printing, choice, resume, rollback},
    course::Course,
    display, exit, fleet,
    past::Past,
    release::{self, Found},
    report::{self, Problem, Reason},
    site::{self, Site},
    system,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    pub(super) printing: Printing,
    /// The version that goes out: `{version}` in the artifact's name
    #[arg(long, env = "RUNTIME_VERSION")]
    version: Option<String>,
    /// Another strategy than the configuration's
    #[arg(long, value_name = "NAME")]
    strategy: Option<String>,
    /// Another value than the configuration's, for example `strategy.soak=10s`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Only these targets
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    servers: Vec<String>,
    /// Wait so long for another deployment to end
    #[arg(long, value_name = "TIME")]
    wait: Option<configuration::Duration>,
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
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let overrides = Overrides {
            set: self.set.clone(),
            strategy: self.strategy.clone(),
        };
        let configuration = site::configuration(&self.chosen, &overrides)?;
        let bystanders = fleet::bystanders(&configuration, &self.servers)?;
        let version = self.version(&configuration)?;
        let site = Site::with(configuration)?;
        if let Some(recovery) = self.recover
            && let Some(code) = self.recover(&site, recovery, terminal)?
        {
            return Ok(code);
        }
        let asks = self.asks(terminal);
        if !asks {
            site.connect();
        }
        let host = catalogue::host()?;
        let opening = release::begin(&site, &version);
        let (catalogue, found) = site.wait(async {
            let catalogue = Catalogue::load(&site.configuration, &site.folder, &host).await?;
            catalogue.read_ahead();
            let anew = self.new_release;
            let found = release::find(&site, &catalogue, &version, opening, anew).await?;
            Ok::<_, Problem>((catalogue, found))
        })?;
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

    fn version(&self, configuration: &configuration::Configuration) -> Result<String, Problem> {
        let release = &configuration.contents.release;
        if let Some(version) = &self.version {
            usable(version, "`--version`")?;
        }
        if let (None, Some(version)) = (&self.version, &release.version)
            && let Some(wrong) = unusable(version)
        {
            let title = format!("the version {wrong}");
            let problem = configuration.problem("/release/version", "wrong-form", title);
            return Err(report::one(configuration, problem));
        }
        match self.version.clone().or_else(|| release.version.clone()) {
            Some(version) => Ok(version),
            None if release.artifact.contains("{version}") => {
                Err(Problem::new(Reason::Usage, "which version is to go out?")
                    .hint("`--version 1.2.3`, or `version` under `[release]` in the configuration"))
            }
            None => Ok("unversioned".to_owned()),
        }
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

/// Fails where a version cannot be one; `what` says where it stands.
pub(super) fn usable(version: &str, what: &str) -> Result<(), Problem> {
    unusable(version).map_or(Ok(()), |wrong| {
        Err(Problem::new(Reason::Usage, format!("{what} {wrong}"))
            .hint("write it like `--version 1.2.3`"))
    })
}

/// What is wrong with a version: it is shown in lists, and becomes part of paths.
fn unusable(version: &str) -> Option<&'static str> {
    if version.trim().is_empty() {
        Some("is empty")
    } else if version.contains(char::is_control) {
        Some("has a control character in it")
    } else {
        None
    }
}
