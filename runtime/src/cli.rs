//! The command line: what can be typed. What a verb does is in the file of its name.

mod audit;
mod choice;
mod completions;
mod control;
mod deploy;
mod follow;
mod history;
mod init;
mod plan;
mod plugin;
mod proxy;
mod rehearse;
mod replay;
mod resume;
mod retry;
mod rollback;
pub(crate) mod rollout;
mod schema;
mod serve;
mod show;
mod standstill;
mod status;
mod unlock;
mod validate;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use engine::Wish;

use tracing_subscriber::filter::LevelFilter;

use crate::{diagnostics, report::Problem, terminal::Terminal};

/// Rolls releases out, keeps their users from noticing, and takes bad ones back.
#[derive(Debug, Parser)]
#[command(
    name = "runtime",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(after_help = "Exit codes:
  0  done                                   5  another deployment holds the lease
  1  failed, and everything was taken back  6  stopped or frozen where it is
  2  the command line makes no sense        7  stuck: not everything could be taken back
  3  the configuration has problems         8  done, but for targets that were left out
  4  refused before anything was changed    9  a rehearsal or a plugin broke a rule
 10  a replay differs from its record      70  a fault of the program itself")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write a configuration to start from
    Init(init::Init),
    /// Check the configuration and every plugin's settings, without the network
    Validate(validate::Validate),
    /// Say what `deploy` would do now, and change nothing
    Plan(plan::Plan),
    /// Run a deployment a thousand times against a model in which everything goes wrong
    Rehearse(rehearse::Rehearse),
    /// Roll a release out
    Deploy(deploy::Deploy),
    /// Say what runs where, and whether a deployment is under way
    Status(status::Status),
    /// List the deployments there were
    History(history::History),
    /// Show one deployment, operation by operation
    Show(show::Show),
    /// Run a deployment again from its record, or as it might have gone
    Replay(replay::Replay),
    /// Show who did what, or check that nobody changed what was written down
    Audit(audit::Audit),
    /// Take a cut-off deployment back, or bring an older release back
    Rollback(rollback::Rollback),
    /// Go on with a deployment where another process stopped, or that is frozen
    Resume(resume::Resume),
    /// Try again to take back a deployment that is stuck
    Retry(retry::Retry),
    /// Let a running deployment begin nothing further, until `continue`
    Pause(control::Saying),
    /// End a pause
    Continue(control::Saying),
    /// End the wait that a running deployment is in
    Promote(control::Promote),
    /// End a running deployment; it is then taken back
    Abort(control::Saying),
    /// Say yes to what a running deployment asks
    Approve(control::Saying),
    /// Say no to it; it is then taken back
    Reject(control::Saying),
    /// Run deployments that were handed in with `deploy --detach`, and those whose owner died
    Serve(serve::Serve),
    /// Take the lease away from whoever holds it
    Unlock(unlock::Unlock),
    /// List plugins, show what one may do; make, build and test one of your own
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Print a JSON Schema of the configuration, for editors
    Schema(schema::Schema),
    /// Print a script that completes this command line in a shell
    Completions(completions::Completions),
    /// Run, start or stop the reverse proxy that comes with the program
    #[command(subcommand)]
    Proxy(proxy::Proxy),
}

/// The configuration that is taken where none is named.
pub(crate) const CONFIGURATION: &str = "runtime.toml";

/// Which configuration to use.
#[derive(Clone, Debug, Args)]
pub(crate) struct Chosen {
    /// The configuration of one environment
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "RUNTIME_CONFIG",
        default_value = CONFIGURATION
    )]
    pub(crate) config: PathBuf,
}

/// How to print.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Printing {
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Human, env = "RUNTIME_FORMAT")]
    pub(crate) format: Format,
}

/// What the output looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Human,
    /// For programs: JSON
    Json,
}

impl Arguments {
    /// How the verb prints; for people where it has no choice.
    pub(crate) fn format(&self) -> Format {
        match &self.verb {
            Verb::Plan(verb) => verb.printing.format,
            Verb::Rehearse(verb) => verb.printing.format,
            Verb::Deploy(verb) => verb.printing.format,
            Verb::Status(verb) => verb.printing.format,
            Verb::History(verb) => verb.printing.format,
            Verb::Show(verb) => verb.printing.format,
            Verb::Replay(verb) => verb.printing.format,
            Verb::Audit(verb) => verb.printing.format,
            Verb::Rollback(verb) => verb.printing.format,
            Verb::Resume(verb) => verb.printing.format,
            Verb::Retry(verb) => verb.printing.format,
            Verb::Serve(verb) => verb.printing.format,
            Verb::Plugin(plugin::Plugin::List(verb)) => verb.printing.format,
            Verb::Plugin(plugin::Plugin::Inspect(verb)) => verb.printing.format,
            Verb::Plugin(plugin::Plugin::Test(verb)) => verb.printing.format,
            _ => Format::Human,
        }
    }

    /// Runs the verb. Gives back the exit code.
    pub(crate) fn run(self) -> Result<u8, Problem> {
        let terminal = Terminal::new();
        diagnostics::print(match self.verb {
            // Nobody looks at a server's results.
            Verb::Proxy(proxy::Proxy::Run(_)) => LevelFilter::INFO,
            _ => LevelFilter::WARN,
        });
        match self.verb {
            Verb::Init(verb) => verb.run(&terminal),
            Verb::Validate(verb) => verb.run(&terminal),
            Verb::Plan(verb) => verb.run(&terminal),
            Verb::Rehearse(verb) => verb.run(&terminal),
            Verb::Deploy(verb) => verb.run(&terminal),
            Verb::Status(verb) => verb.run(&terminal),
            Verb::History(verb) => verb.run(&terminal),
            Verb::Show(verb) => verb.run(&terminal),
            Verb::Replay(verb) => verb.run(&terminal),
            Verb::Audit(verb) => verb.run(&terminal),
            Verb::Rollback(verb) => verb.run(&terminal),
            Verb::Resume(verb) => verb.run(&terminal),
            Verb::Retry(verb) => verb.run(&terminal),
            Verb::Pause(saying) => saying.say(Wish::Pause, &terminal),
            Verb::Continue(saying) => saying.say(Wish::Continue, &terminal),
            Verb::Promote(verb) => verb.run(&terminal),
            Verb::Abort(saying) => saying.say(Wish::Abort, &terminal),
            Verb::Approve(saying) => saying.say(Wish::Approve, &terminal),
            Verb::Reject(saying) => saying.say(Wish::Reject, &terminal),
            Verb::Serve(verb) => verb.run(),
            Verb::Unlock(verb) => verb.run(&terminal),
            Verb::Plugin(verb) => verb.run(&terminal),
            Verb::Schema(verb) => verb.run(&terminal),
            Verb::Completions(verb) => verb.run(&terminal),
            Verb::Proxy(verb) => verb.run(&terminal),
        }
    }
}
