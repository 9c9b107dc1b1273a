//! `runtime resume`: goes on with a deployment where another process stopped.

use std::{collections::BTreeSet, time::Duration};

use clap::{Args, ValueEnum};
use engine::{Purpose, Resume as How, StepWord};
use store::{Deployment, State};

use crate::{
    catalogue,
    cli::{Chosen, Format, Printing, choice},
    course::Course,
    past::Past,
    pinned,
    report::Problem,
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
    let (site, pinned) = site.wait(site.pinned(&open.id))?;
    let host = catalogue::host()?;
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
        seat: None,
        planned: None,
    };
    site.wait(async {
        let system = pinned::system(&site, &host, &pinned, how.accept_drift).await?;
        course.go_on(system, open, how).await
    })
}
