//! `runtime resume`: goes on with a deployment where another process stopped.

use std::{collections::BTreeSet, time::Duration};

use clap::{Args, ValueEnum};
use engine::{Purpose, Resume as How, StepWord};
use store::{Deployment, Pinned, PluginPin, State};

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
pub(crate) struct Resume {
    /// The deployment's id, or how it begins; the open one where none is given
    id: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    pub(super) printing: Printing,
    /// Go on from what stands there, also where somebody changed it; and with plugins other than
    /// those that it began with
    #[arg(long)]
    accept_drift: bool,
    /// What became of the step under way that may not be repeated
    #[arg(long, value_enum, value_name = "WORD")]
    step: Option<Word>,
    /// Wait so long for another deployment to end
    #[arg(long, value_name = "TIME")]
    wait: Option<configuration::Duration>,
}

/// What a person says of a step.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Word {
    /// It came to its end
    Happened,
    /// It is to be done again
    Again,
}

impl From<Word> for StepWord {
    fn from(word: Word) -> Self {
        match word {
            Word::Happened => Self::Happened,
            Word::Again => Self::Again,
        }
    }
}

impl Resume {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let site = Site::open(&self.chosen)?;
        let wait = self.wait.map_or(Duration::ZERO, Into::into);
        let open = site.wait(choice::in_time(&site, wait, terminal, async || {
            let past = Past::of(&site).await?;
            let open = choice::open(&site, &past, self.id.as_deref()).await?;
            choice::current(&past, &open)?;
            choice::unattended(&site, &open).await?;
            Ok(open)
        }))?;
        let how = How {
            accept_drift: self.accept_drift,
            step: self.step.map(Into::into),
            ..How::default()
        };
        go_on(&site, &open, how, self.printing.format, terminal)
    }
}

/// Goes on with an open deployment that nobody works on. Gives back the exit code.
pub(super) fn go_on(
    site: &Site,
    open: &Deployment,
    how: How,
    format: Format,
    terminal: &Terminal,
) -> Result<u8, Problem> {
    let (site, pinned) = site.pinned(&open.id)?;
    let host = catalogue::host()?;
    let catalogue = site.wait(Catalogue::with_strategy(
        &site.configuration,
        &site.folder,
        &host,
        &pinned.strategy,
    ))?;
    let how = How {
        thaw: open.state == State::Frozen,
        ..how
    };
    let course = Course {
        site: &site,
        purpose: Purpose::Deploy,
        bystanders: BTreeSet::new(),
        wait: Duration::ZERO,
        format,
        terminal: *terminal,
    };
    site.wait(async {
        let found = unrecorded(&site, open, &pinned).await?;
        let system = System::assemble(&site, catalogue, found.as_ref()).await?;
        if !how.accept_drift {
            same_plugins(&system, &pinned, &open.id)?;
        }
        course.go_on(system, open, how).await
    })
}

/// What goes out, where the deployment stopped before its first record: then everything is still
/// to be made sure of.
async fn unrecorded(
    site: &Site,
    open: &Deployment,
    pinned: &Pinned,
) -> Result<Option<Found>, Problem> {
    if !site.store.records(&open.id).await?.is_empty() {
        return Ok(None);
    }
    let query = store::ReleaseQuery::Id(pinned.brief.release.id.to_string());
    let application = &pinned.brief.application;
    let known = site.store.releases(application, &query).await?;
    Ok(known.into_iter().next().map(Found::from))
}

/// Fails where a plugin is no longer the one that the deployment began with. The strategy is: its
/// bytes were kept.
fn same_plugins(system: &System, pinned: &Pinned, id: &str) -> Result<(), Problem> {
    let mut problem = Problem::new(
        Reason::Refused,
        format!("deployment {id} began with other plugins; nothing was touched"),
    );
    let mut same = true;
    for now in &system.pins {
        let named = |then: &&PluginPin| then.kind == now.kind && then.name == now.name;
        // Each is loaded once, however many sections use it.
        let Some(then) = pinned.plugins.iter().find(named) else {
            continue;
        };
        if then.digest != now.digest {
            same = false;
            problem = problem.cause(format!(
                "{} `{}` was {}, and is now {}",
                now.kind, now.name, then.digest, now.digest
            ));
        }
    }
    if same {
        return Ok(());
    }
    Err(problem
        .hint("put back the program, or the plugins' files, that it began with")
        .hint(format!(
            "`runtime resume {id} --accept-drift` goes on with these; `runtime rollback {id}` \
             takes it back"
        )))
}
