//! `runtime validate`: checks the configuration and every plugin's settings.

use clap::Args;
use configuration::Overrides;

use crate::{
    catalogue::{self, Catalogue},
    cli::Chosen,
    display, exit, fleet,
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
    /// Another strategy than the configuration's, as `deploy` takes it
    #[arg(long, value_name = "NAME")]
    strategy: Option<String>,
    /// Only these targets, as `deploy` takes them
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    servers: Vec<String>,
}

impl Validate {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let overrides = Overrides {
            set: self.set,
            strategy: self.strategy,
        };
        let configuration = site::configuration(&self.chosen, &overrides)?;
        let bystanders = fleet::bystanders(&configuration, &self.servers)?;
        let host = catalogue::host()?;
        let folder = site::folder(&configuration);
        let plugins = site::block_on(Catalogue::load(&configuration, &folder, &host))??;
        let contents = &configuration.contents;
        terminal.line(&format!(
            "{} is valid: {} in {}, {}, strategy `{}`, {}",
            self.chosen.config.display(),
            contents.application,
            contents.environment,
            display::count(contents.targets.len() - bystanders.len(), "target"),
            contents.strategy.name,
            display::count(plugins.iter().count(), "plugin"),
        ));
        Ok(exit::DONE)
    }
}
