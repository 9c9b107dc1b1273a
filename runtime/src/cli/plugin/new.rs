//! `runtime plugin new`: a project for a plugin, that builds and passes its tests as it is.

use std::path::PathBuf;

use clap::{Args, builder::PossibleValuesParser};
use host::Kind;

use crate::{
    exit,
    project::{Language, PluginName, Project},
    report::{Problem, Reason},
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct New {
    /// What it is for
    #[arg(value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)))]
    kind: String,
    /// What it is called: small letters, digits and `-`
    name: String,
    /// What it is written in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    language: Language,
    /// The folder to make; the plugin's name where not given
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// In Rust: the folder of an SDK to use, in place of the copy that is written into the project
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

impl New {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let kind = Kind::named(&self.kind).ok_or_else(|| {
            Problem::new(Reason::Bug, "a kind that the command line knows is none")
        })?;
        let name = PluginName::parse(&self.name).map_err(|what| {
            let title = format!("a plugin cannot be called `{}`", self.name.escape_debug());
            Problem::new(Reason::Usage, title).cause(what)
        })?;
        let folder = self
            .path
            .clone()
            .unwrap_or_else(|| PathBuf::from(name.as_str()));
        let project = Project {
            kind,
            name,
            language: self.language,
            sdk: self.sdk()?,
        };
        let files = project.files();
        Project::write(&files, &folder).map_err(|error| {
            let title = format!("{} could not be made", folder.display());
            let problem = Problem::new(Reason::Usage, title);
            match error.kind() {
                std::io::ErrorKind::AlreadyExists => problem
                    .cause("it is there, and not empty; nothing was written")
                    .hint("name another folder: `--path DIR`"),
                _ => problem.cause(error),
            }
        })?;
        terminal.line(&format!(
            "wrote {} ({} files)",
            folder.display(),
            files.len()
        ));
        terminal.line(&format!("  cd {}", folder.display()));
        for command in self.language.commands(project.name.as_str()) {
            terminal.line(&format!("  {command}"));
        }
        Ok(exit::DONE)
    }

    fn sdk(&self) -> Result<Option<PathBuf>, Problem> {
        let Some(folder) = &self.sdk else {
            return Ok(None);
        };
        if !folder.join("Cargo.toml").is_file() {
            let title = format!(
                "{} is no SDK: there is no Cargo.toml in it",
                folder.display()
            );
            return Err(Problem::new(Reason::Usage, title)
                .hint("leave `--sdk` out, and the project gets a copy of its own"));
        }
        let whole = folder.canonicalize();
        whole.map(Some).map_err(|error| {
            Problem::new(
                Reason::Usage,
                format!("{} cannot be read", folder.display()),
            )
            .cause(error)
        })
    }
}
