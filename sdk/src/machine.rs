//! Several steps on the machine in one round trip.

use serde::Deserialize;

use crate::{
    Duration, Failure, Release, Result,
    bindings::imports::machine::Action,
    commands::{Command, Output},
    files::Entry,
    imports,
};

/// Steps that are done in order, up to the first that fails.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    actions: Vec<Action>,
}

impl Batch {
    /// No steps.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a directory and those above it.
    #[must_use]
    pub fn create_directory(self, path: impl Into<String>) -> Self {
        self.act("create-directory", path, Vec::new())
    }

    /// Replaces a file in one step.
    #[must_use]
    pub fn write(self, path: impl Into<String>, contents: impl Into<Vec<u8>>) -> Self {
        self.act("write", path, contents)
    }

    /// Puts a symbolic link at `path` in one step.
    #[must_use]
    pub fn link(self, path: impl Into<String>, points_to: impl Into<String>) -> Self {
        self.act("link", path, points_to.into())
    }

    /// Gives what is there another path.
    #[must_use]
    pub fn rename(self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.act("rename", from, to.into())
    }

    /// Removes a file, or a directory with all that is in it.
    #[must_use]
    pub fn remove(self, path: impl Into<String>) -> Self {
        self.act("remove", path, Vec::new())
    }

    /// Reads a file; see [`Output::found`].
    #[must_use]
    pub fn read(self, path: impl Into<String>) -> Self {
        self.act("read", path, Vec::new())
    }

    /// Reads a symbolic link; see [`Output::found`].
    #[must_use]
    pub fn read_link(self, path: impl Into<String>) -> Self {
        self.act("read-link", path, Vec::new())
    }

    /// Lists a directory; see [`Output::entries`].
    #[must_use]
    pub fn list(self, path: impl Into<String>) -> Self {
        self.act("list", path, Vec::new())
    }

    /// Runs a program, which must end with status 0.
    #[must_use]
    pub fn run(self, command: Command) -> Self {
        self.with("run", String::new(), Vec::new(), Some(command))
    }

    /// Starts a program in the background, its output appended to a file.
    #[must_use]
    pub fn start(self, command: Command, pid_file: &str, log_file: &str) -> Self {
        let command = command
            .option("pid-file", pid_file)
            .option("log-file", log_file);
        self.with("start", String::new(), Vec::new(), Some(command))
    }

    /// Ends what [`Batch::start`] started, first by asking.
    #[must_use]
    pub fn stop(self, pid_file: impl Into<String>, grace: Duration) -> Self {
        self.act("stop", pid_file, grace.as_ms().to_string())
    }

    /// Unpacks the release's artifact as the directory `path`, unless that is there. Only for
    /// platforms and steps.
    #[must_use]
    pub fn unpack(self, release: &Release, path: impl Into<String>) -> Self {
        self.act("unpack", path, release.id.as_str())
    }

    /// Does it all. One output a step.
    pub fn perform(&self) -> Result<Vec<Output>> {
        let outputs = imports::machine::perform(&self.actions)?;
        if outputs.len() == self.actions.len() {
            return Ok(outputs);
        }
        let (asked, got) = (self.actions.len(), outputs.len());
        Err(Failure::internal(format!(
            "the host answered {got} of {asked} steps"
        )))
    }

    fn act(self, verb: &str, path: impl Into<String>, argument: impl Into<Vec<u8>>) -> Self {
        self.with(verb, path.into(), argument.into(), None)
    }

    fn with(
        mut self,
        verb: &str,
        path: String,
        argument: Vec<u8>,
        command: Option<Command>,
    ) -> Self {
        self.actions.push(Action {
            verb: verb.into(),
            path,
            argument,
            command,
        });
        self
    }
}

impl Output {
    /// What was read by `read` or `read-link`; none where nothing was there.
    pub fn found(&self) -> Option<String> {
        (self.status == Some(0)).then(|| self.text())
    }

    /// What `list` found.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        #[derive(Deserialize)]
        struct Listed {
            name: String,
            kind: String,
            size: u64,
        }
        let listed: Vec<Listed> = serde_json::from_slice(&self.stdout)?;
        let entry = |each: Listed| Entry {
            name: each.name,
            kind: each.kind,
            size: each.size,
        };
        Ok(listed.into_iter().map(entry).collect())
    }
}

/// The place in its batch of the step that failed.
pub fn failed_at(failure: &Failure) -> Option<usize> {
    usize::try_from(failure.details().get("index")?.as_u64()?).ok()
}
