//! `runtime validate`: checks the configuration and every plugin's settings.

use clap::Args;

use crate::{
    catalogue::{self, Catalogue},
    cli::rollout::Amended,
    display, exit,
    report::Problem,
    site,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Validate {
    #[command(flatten)]
    amended: Amended,
}

impl Validate {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let (configuration, bystanders) = self.amended.configuration()?;
        let host = catalogue::host()?;
        let folder = site::folder(&configuration);
        let plugins = site::block_on(Catalogue::load(&configuration, &folder, &host))??;
        let contents = &configuration.contents;
        terminal.line(&format!(
            "{} is valid: {} in {}, {}, strategy `{}`, {}",
            self.amended.chosen.config.display(),
            contents.application,
            contents.environment,
            display::count(contents.targets.len() - bystanders.len(), "target"),
            contents.strategy.name,
            display::count(plugins.iter().count(), "plugin"),
        ));
        Ok(exit::DONE)
    }
}
