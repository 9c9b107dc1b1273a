//! Every error a person can cause, in one shape: what is wrong, why, what to do, and the exit
//! code. The only place where a library's error becomes advice.

use anstyle::{AnsiColor, Style};
use configuration::{Configuration, Problems};
use engine::{BalancerTraits, Halt};
use serde_json::{Value, json};
use store::{Held, LeaseError, Scope, StoreError};

use crate::{cli::Format, display, exit, strategy::Strategy, system, terminal::Terminal};

/// What kind of problem it is: decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The command line makes no sense.
    Usage,
    /// The configuration, or something it names, is wrong.
    Configuration,
    /// It was not begun.
    Refused,
    /// The state store does not answer; it may again.
    Unavailable,
    /// Another deployment holds the lease.
    Locked,
    /// It stopped where it was.
    Stopped,
    /// A strategy asks for something else than its record has.
    Differs,
    /// A fault of the program.
    Bug,
}

/// A problem, told to a person.
#[derive(Debug)]
pub(crate) enum Problem {
    /// One that needs no look at a file.
    Plain {
        /// What kind.
        reason: Reason,
        /// What is wrong.
        title: String,
        /// Why, one line each.
        causes: Vec<String>,
        /// What to do.
        hints: Vec<String>,
    },
    /// Problems in the configuration, with their places.
    Configuration(Problems),
}

impl Problem {
    /// A problem in one sentence.
    pub(crate) fn new(reason: Reason, title: impl Into<String>) -> Self {
        Self::Plain {
            reason,
            title: title.into(),
            causes: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// The same, with what it came from.
    #[must_use]
    pub(crate) fn cause(mut self, cause: impl ToString) -> Self {
        if let Self::Plain { causes, .. } = &mut self {
            causes.push(cause.to_string());
        }
        self
    }

    /// The same, with an error, and each that is behind it and that it does not tell itself.
    #[must_use]
    pub(crate) fn caused(self, error: &dyn std::error::Error) -> Self {
        let mut told = error.to_string();
        let mut problem = self.cause(&told);
        let mut behind = error.source();
        while let Some(error) = behind {
            let text = error.to_string();
            if !told.contains(&text) {
                problem = problem.cause(&text);
            }
            told = text;
            behind = error.source();
        }
        problem
    }

    /// The same, with what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Self::Plain { hints, .. } = &mut self {
            hints.push(hint.into());
        }
        self
    }

    /// Whether the state store is to blame, and may answer again.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Plain {
                reason: Reason::Unavailable,
                ..
            }
        )
    }

    /// What is wrong and why, in one line.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Configuration(problems) => {
                let titles = problems.iter().map(|each| each.title.clone());
                let lines: Vec<_> = [problems.summary()].into_iter().chain(titles).collect();
                lines.join(": ")
            }
            Self::Plain { title, causes, .. } => {
                let causes = causes.iter().map(String::as_str);
                let lines: Vec<_> = [title.as_str()].into_iter().chain(causes).collect();
                lines.join(": ")
            }
        }
    }

    /// The exit code that goes with it.
    pub(crate) fn code(&self) -> u8 {
        match self {
            // What stands only on the command line is no fault of the file.
            Self::Configuration(problems)
                if problems.iter().all(|each| each.code == "command-line") =>
            {
                exit::USAGE
            }
            Self::Configuration(_) => exit::CONFIGURATION,
            Self::Plain { reason, .. } => match reason {
                Reason::Usage => exit::USAGE,
                Reason::Configuration => exit::CONFIGURATION,
                Reason::Refused | Reason::Unavailable => exit::REFUSED,
                Reason::Locked => exit::LOCKED,
                Reason::Stopped => exit::FROZEN,
                Reason::Differs => exit::DIFFERS,
                Reason::Bug => exit::BUG,
            },
        }
    }
}

impl From<Problems> for Problem {
    fn from(problems: Problems) -> Self {
        Self::Configuration(problems)
    }
}

/// One problem of a configuration.
pub(crate) fn one(configuration: &Configuration, problem: configuration::Problem) -> Problem {
    match Problems::new(&configuration.path, vec![problem]) {
        Some(problems) => Problem::Configuration(problems),
        None => Problem::new(Reason::Bug, "a list of one problem is empty"),
    }
}

/// Fails where the strategy needs what the load balancer cannot do.
pub(crate) fn suits(
    configuration: &Configuration,
    strategy: &Strategy,
    driver: &str,
    traits: &BalancerTraits,
) -> Result<(), Problem> {
    let lacks = strategy.lacks(traits);
    if lacks.is_empty() {
        return Ok(());
    }
    let title = format!(
        "strategy `{}` needs of a load balancer what `{driver}` cannot do: {}",
        configuration.contents.strategy.name,
        lacks.join(", "),
    );
    let problem = configuration.problem("/strategy/use", "needs", title);
    Err(one(configuration, problem))
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let reason = match error {
            // The store is well; what was asked of it was not.
            StoreError::Ambiguous { .. } | StoreError::Missing { .. } => {
                return Self::new(Reason::Usage, error.to_string())
                    .hint("`runtime history` lists the deployments");
            }
            StoreError::Closed { .. } => Reason::Bug,
            _ if error.is_transient() => Reason::Unavailable,
            _ => Reason::Refused,
        };
        Self::new(reason, "the state store cannot be used").cause(error)
    }
}

impl From<LeaseError> for Problem {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Held { scope, held } => {
                let wait = |long: &str| format!("`--wait {long}` waits for it");
                self::held(&scope, &held, &wait)
            }
            LeaseError::Unfinished { deployment } => {
                let title = format!("deployment {deployment} was cut off and is not finished");
                Self::new(Reason::Refused, title)
                    .cause("nothing was changed by this call")
                    .hint(display::both_ways(&deployment))
                    .hint("`deploy --recover resume` or `--recover rollback` does that first")
            }
            LeaseError::Lost { scope, holder } => Self::new(
                Reason::Stopped,
                format!("lost the lease of {scope} to {holder}"),
            ),
            LeaseError::Store(error) => error.into(),
        }
    }
}

/// Somebody else works on it. `wait` says how to wait for so long, and completes a hint.
pub(crate) fn held(scope: &Scope, held: &Held, wait: &dyn Fn(&str) -> String) -> Problem {
    let since = system::readable(held.since);
    let (owner, purpose) = (&held.owner, &held.owner.purpose);
    if !system::is_gone(owner) {
        let title = format!("{scope} is being worked on by {owner} ({purpose}), since {since}");
        return Problem::new(Reason::Locked, title)
            .hint(format!("{}; `runtime status` shows what it does", wait("10m")))
            .hint("`runtime unlock --reason …` takes the lease away, where that process is gone for good");
    }
    let title =
        format!("{scope} is held by {owner} ({purpose}), since {since}, whose process is gone");
    let problem = Problem::new(Reason::Locked, title);
    match &owner.deployment {
        Some(deployment) => problem
            .hint(display::both_ways(deployment))
            .hint("each waits until its lease ran out"),
        None => problem.hint(format!(
            "its lease runs out in {}; {}",
            display::duration(held.until.since_ms(system::now())),
            wait("1m")
        )),
    }
}

/// Why going on with a deployment stopped, and how it can go on.
pub(crate) fn halted(id: &str, halt: &Halt) -> Problem {
    let title = format!("deployment {id} does not go on; nothing was touched");
    let problem = Problem::new(Reason::Stopped, title);
    let back = format!("`runtime rollback {id}` takes it back");
    match halt {
        Halt::Differs {
            sequence,
            recorded,
            asked,
        } => problem
            .cause("the strategy asks for something else than it did before")
            .cause(format!("record {sequence} has  {recorded}"))
            .cause(format!("now it asks for {asked}"))
            .hint(back),
        Halt::Drift { differences } => {
            let problem = problem.cause("somebody changed something meanwhile:");
            let told = |problem: Problem, each: &String| problem.cause(format!("- {each}"));
            differences.iter().fold(problem, told).hint(format!(
                "`runtime resume {id} --accept-drift` goes on from what stands there; {back}"
            ))
        }
        Halt::Unrepeatable { sequence, step } => problem
            .cause(format!(
                "the step \"{step}\" was under way in record {sequence}, and may not be repeated"
            ))
            .hint("look whether it happened")
            .hint(format!(
                "`runtime resume {id} --step happened` goes on after it"
            ))
            .hint(format!("`runtime resume {id} --step again` runs it again"))
            .hint(back),
        Halt::Unreadable { failure } => problem
            .cause(format!("what stands where could not be read: {failure}"))
            .hint(format!("`runtime resume {id}` tries again; {back}")),
    }
}

/// Prints a problem, for people beside the results; for programs also as one line of JSON among
/// them. Gives back the exit code.
pub(crate) fn show(problem: &Problem, format: Format) -> u8 {
    let terminal = Terminal::new();
    if format == Format::Json {
        terminal.line(&as_json(problem).to_string());
    }
    let error = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
    let quiet = Style::new().fg_color(Some(AnsiColor::Cyan.into())).bold();
    match problem {
        Problem::Configuration(problems) => terminal.aside(&problems.render(true)),
        Problem::Plain {
            title,
            causes,
            hints,
            reason,
        } => {
            terminal.aside(&format!("{error}error{error:#}: {title}"));
            for cause in causes {
                terminal.aside(&format!("  {}", cause.replace('\n', "\n  ")));
            }
            for hint in hints {
                terminal.aside(&format!("{quiet}hint{quiet:#}: {hint}"));
            }
            if *reason == Reason::Bug {
                terminal
                    .aside("This is a fault of the program. Please report it, with what you did.");
            }
        }
    }
    problem.code()
}

fn as_json(problem: &Problem) -> Value {
    let mut line = json!({
        "timestamp": system::rfc3339(system::now()),
        "level": "error",
        "code": problem.code(),
    });
    match problem {
        Problem::Configuration(problems) => {
            line["message"] = json!(problems.summary());
            line["problems"] = json!(problems.iter().collect::<Vec<_>>());
        }
        Problem::Plain {
            title,
            causes,
            hints,
            ..
        } => {
            line["message"] = json!(title);
            line["causes"] = json!(causes);
            line["hints"] = json!(hints);
        }
    }
    line
}
