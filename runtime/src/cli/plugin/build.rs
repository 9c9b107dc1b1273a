//! `runtime plugin build`: makes a component of a project, with its language's own tools.

use std::path::PathBuf;

use clap::Args;

use super::section;
use crate::{
    catalogue::{self, from_file},
    exit,
    project::build,
    report::{Problem, Reason},
    site,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The project's folder
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Where to write the component; NAME.wasm in the project where not given
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Build {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let built = build::build(&self.path, self.out.as_deref())?;
        let name = built.file_stem().unwrap_or_default().to_string_lossy();
        let source = from_file(&name, None, &built)
            .map_err(|reason| Problem::new(Reason::Refused, reason))?;
        let length = source.wasm.len();
        let host = catalogue::host()?;
        let plugin = site::block_on(host.load(source))?.map_err(|error| {
            Problem::new(Reason::Refused, "what was built is no plugin").cause(error)
        })?;
        terminal.line(&format!(
            "wrote {} ({} {} {}, {} KiB)",
            built.display(),
            plugin.kind().as_str(),
            plugin.description().name,
            plugin.version(),
            length.div_ceil(1024)
        ));
        terminal.line("\nIn a configuration, as `runtime plugin add` writes it:\n");
        terminal.print(&section(&plugin));
        terminal.line(&format!(
            "\n[plugins.{}]\nsource = \"{}\"\ndigest = \"{}\"",
            plugin.name(),
            built.display(),
            plugin.digest()
        ));
        Ok(exit::DONE)
    }
}
