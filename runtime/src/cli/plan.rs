//! `runtime plan`: what `deploy` would do now.

use std::path::{Path, PathBuf};

use clap::Args;
use store::{LeaseError, State};

use crate::{
    catalogue::{self, Catalogue},
    cli::{Format, Printing, rollout::Rollout},
    past::Past,
    plan::{self, Wanted},
    report::{self, Problem, Reason},
    site::Site,
    system,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    rollout: Rollout,
    #[command(flatten)]
    pub(super) printing: Printing,
    /// A new release even where the same version and contents went out before
    #[arg(long)]
    new_release: bool,
    /// Write the plan to a file, too, for `deploy --plan`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Plan {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let (configuration, bystanders) = self.rollout.configuration()?;
        let version = self.rollout.version(&configuration)?;
        let site = Site::looking(configuration)?;
        site.wait(unobstructed(&site))?;
        let host = catalogue::host()?;
        let plan = site.wait(async {
            let catalogue = Catalogue::load(&site.configuration, &site.folder, &host).await?;
            let wanted = Wanted {
                rollout: &self.rollout,
                new_release: self.new_release,
                version: &version,
                bystanders,
            };
            plan::make(&site, catalogue, wanted).await
        })?;
        let text = plan::write(&plan)?;
        match self.printing.format {
            Format::Json => terminal.print(&text),
            Format::Human => plan::show(&plan, self.kept(&plan), terminal),
        }
        match (&self.out, self.kept(&plan)) {
            (_, Some(path)) => keep(path, &text)?,
            (Some(path), None) => terminal.aside(&format!(
                "{} was not written: it would come to nothing",
                path.display()
            )),
            (None, None) => {}
        }
        Ok(plan.course.exit_code)
    }

    /// Where the plan is written to. One that would come to nothing is not: nobody deploys it.
    fn kept(&self, plan: &plan::Plan) -> Option<&Path> {
        self.out.as_deref().filter(|_| plan.course.succeeds())
    }
}

/// Fails where `deploy` would not begin: somebody works on a deployment, or one was cut off.
async fn unobstructed(site: &Site) -> Result<(), Problem> {
    let scope = site.scope();
    let held = site.store.holder(&scope).await?;
    if let Some(held) = held.filter(|held| held.is_live(system::now())) {
        let later = |_: &str| "plan again when it is done".to_owned();
        return Err(report::held(&scope, &held, &later));
    }
    let past = Past::of(site).await?;
    let cut_off = past.iter().find(|open| open.state == State::CutOff);
    match cut_off {
        Some(open) => Err(LeaseError::Unfinished {
            deployment: open.id.clone(),
        }
        .into()),
        None => Ok(()),
    }
}

fn keep(path: &Path, text: &str) -> Result<(), Problem> {
    std::fs::write(path, text).map_err(|error| {
        let title = format!("{} could not be written", path.display());
        Problem::new(Reason::Usage, title)
            .cause(error)
            .hint("name a file in a folder that is there: `--out plan.json`")
    })
}
