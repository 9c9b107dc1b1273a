//! `runtime init`: a configuration to start from.

use std::{fs::File, io::Write, path::PathBuf};

use clap::Args;

use crate::{
    exit,
    report::{Problem, Reason},
    terminal::Terminal,
};

const TEMPLATE: &str = include_str!("init.toml");

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to write it
    #[arg(default_value = super::CONFIGURATION)]
    path: PathBuf,
}

impl Init {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let path = self.path.display();
        let written =
            File::create_new(&self.path).and_then(|mut file| file.write_all(TEMPLATE.as_bytes()));
        written.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Problem::new(
                Reason::Usage,
                format!("{path} is already there; it was not touched"),
            )
            .hint("name another file: `runtime init staging.toml`"),
            _ => Problem::new(
                Reason::Usage,
                format!("{path} could not be written: {error}"),
            ),
        })?;
        terminal.line(&format!("wrote {path}"));
        terminal.line("  1. say in it what you deploy, and where to");
        terminal.line(&format!("  2. runtime validate --config {path}"));
        terminal.line(&format!(
            "  3. runtime deploy --config {path} --version 1.0.0"
        ));
        Ok(exit::DONE)
    }
}
