//! `runtime validate`: checks the configuration and every plugin's settings.

use clap::Args;
use configuration::Overrides;

use crate::{
    catalogue::{self, Catalogue},
    cli::Chosen,
    exit,
    report::Problem,
    site,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Validate {
    #[command(flatten)]
    chosen: Chosen,
    /// Another value than the configuration's, as `deploy` takes it
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Validate {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let overrides = Overrides {
            set: self.set,
            strategy: None,
        };
        let configuration = site::configuration(&self.chosen, &overrides)?;
        let host = catalogue::host()?;
        let folder = site::folder(&configuration);
        let plugins = site::block_on(Catalogue::load(&configuration, &folder, &host))??;
        let contents = &configuration.contents;
        terminal.line(&format!(
            "{} is valid: {} in {}, {} targets, strategy `{}`, {} plugins",
            self.chosen.config.display(),
            contents.application,
            contents.environment,
            contents.targets.len(),
            contents.strategy.name,
            plugins.iter().count(),
        ));
        Ok(exit::DONE)
    }
}
