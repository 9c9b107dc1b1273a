//! `runtime completions`: a script that completes the command line in a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{cli::Arguments, exit, report::Problem, terminal::Terminal};

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut Arguments::command(),
            "runtime",
            &mut script,
        );
        terminal.print(&String::from_utf8_lossy(&script));
        Ok(exit::DONE)
    }
}
