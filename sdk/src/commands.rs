//! Programs on the machine that the plugin works on. No shell stands between.

pub use crate::bindings::imports::commands::{Command, Output};
use crate::{Duration, Failure, Result, imports};

/// How much of what a program said goes into a failure's message, in characters from the end.
const EXCERPT: usize = 1000;

impl Command {
    /// A program without arguments.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            working_directory: None,
            input: Vec::new(),
            timeout: None,
            options: Vec::new(),
        }
    }

    /// The program and its arguments as a setting lists them.
    pub fn from_line(line: &[impl AsRef<str>]) -> Result<Self> {
        let [program, arguments @ ..] = line else {
            return Err(Failure::invalid("a command needs at least a program"));
        };
        Ok(Self::new(program.as_ref()).arguments(arguments))
    }

    /// With one more argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: &[impl AsRef<str>]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|each| each.as_ref().to_owned()));
        self
    }

    /// With one more variable in its environment.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Started in that directory.
    #[must_use]
    pub fn directory(mut self, path: impl Into<String>) -> Self {
        self.working_directory = Some(path.into());
        self
    }

    /// With something on its standard input.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Ended after that time.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout.as_ms());
        self
    }

    /// With an option of the verb that it is for.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl Into<String>) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }

    /// Runs it. Any exit status is an answer.
    pub fn run(&self) -> Result<Output> {
        imports::commands::run(self)
    }

    /// Runs it; an exit status other than 0 is a failure with what it said.
    pub fn succeed(&self) -> Result<Output> {
        let output = self.run()?;
        if output.status == Some(0) {
            Ok(output)
        } else {
            Err(output.failure(&self.program))
        }
    }
}

impl Output {
    /// The standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The failure that this output stands for, where the program should have ended with 0.
    pub fn failure(&self, program: &str) -> Failure {
        let how = self.status.map_or_else(
            || "was ended by a signal".to_owned(),
            |status| format!("ended with status {status}"),
        );
        let said = if self.stderr.is_empty() {
            &self.stdout
        } else {
            &self.stderr
        };
        let said = String::from_utf8_lossy(said);
        let from = said
            .char_indices()
            .rev()
            .nth(EXCERPT)
            .map_or(0, |(place, _)| place);
        match said[from..].trim() {
            "" => Failure::rejected(format!("`{program}` {how}, without a word")),
            said => Failure::rejected(format!("`{program}` {how}: {said}")),
        }
    }
}
