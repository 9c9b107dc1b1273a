//! `runtime plugin test`: the kit that tells whether a plugin does what its kind must.

use std::{
    num::NonZero,
    path::{Path, PathBuf},
    thread,
};

use clap::Args;
use conformance::{Answers, Candidate, Report, Verdict};
use engine::Target;
use host::{Host, Kind, Plugin, PluginSource};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{
    catalogue,
    cli::{Format, Printing, plugin::named},
    exit, live_test,
    report::{Problem, Reason},
    site,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The path of a component; or the name of a plugin that comes with the program, `KIND/NAME`
    /// where several have it
    plugin: String,
    /// Its settings, as they stand in a configuration; made up from its schema where not given
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// One setting more; the value in TOML, or as it is
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// What the other side answers where nothing goes wrong
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// For a load balancer's driver: try it on the real server of its settings, and change that
    #[arg(long, requires = "target")]
    live: bool,
    /// A target that the server gets with `--live`, where two or more in two groups show most; or
    /// one of those that a strategy is rehearsed with, in place of the kit's own
    #[arg(long = "target", value_name = "NAME=HOST:PORT[:GROUP]")]
    target: Vec<String>,
    /// For a strategy: how often it is rehearsed, in each of the kit's scenes
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// Write the report to a file, too, as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

impl Test {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let settings = self.settings()?;
        let answers = match &self.answers {
            Some(path) => read::<Answers>(path)?,
            None => Answers::default(),
        };
        let targets = conformance::targets(&self.target).map_err(|what| {
            Problem::new(Reason::Usage, what).hint("write `--target web01=127.0.0.1:8080:blue`")
        })?;
        let source = named(&self.plugin)?;
        let host = catalogue::host()?;
        let (plugin, mut report) =
            site::block_on(self.examine(&host, source, settings, answers, &targets))??;
        if let (Kind::Strategy, Some(settings)) = (plugin.kind(), report.settings.clone()) {
            let (plugin, others) = site::block_on(for_threads(&plugin))??;
            let cases = conformance::rehearsed(&plugin, &others, &settings, targets, self.runs);
            report.cases.extend(cases);
        }
        if let Some(path) = &self.junit {
            std::fs::write(path, conformance::junit(&report)).map_err(|error| {
                let title = format!("{} could not be written", path.display());
                Problem::new(Reason::Usage, title).cause(error)
            })?;
        }
        match self.printing.format {
            Format::Human => show(&report, terminal),
            Format::Json => terminal.line(&json!(report).to_string()),
        }
        Ok(if report.passed() {
            exit::DONE
        } else {
            exit::BROKEN
        })
    }

    async fn examine(
        &self,
        host: &Host,
        source: PluginSource,
        settings: Option<Value>,
        answers: Answers,
        targets: &[Target],
    ) -> Result<(Plugin, Report), Problem> {
        let own = source.bundled;
        // In the kit's own world it may do all that it asks for.
        let source = PluginSource {
            bundled: true,
            ..source
        };
        let plugin = host.load(source).await.map_err(|error| {
            Problem::new(Reason::Refused, "it is no plugin, and nothing was tried").cause(error)
        })?;
        if self.live && plugin.kind() != Kind::LoadBalancer {
            let title = format!(
                "`--live` is for load balancers, and this is a {}",
                plugin.kind()
            );
            return Err(Problem::new(Reason::Usage, title));
        }
        let candidate = Candidate {
            plugin: plugin.clone(),
            settings: settings.clone(),
            answers,
        };
        let mut report = conformance::examine(&candidate).await.map_err(|error| {
            Problem::new(Reason::Refused, "the kit has no room for its world").cause(error)
        })?;
        if self.live {
            let settings = settings.unwrap_or_else(|| json!({}));
            let cases = live_test::run(plugin.clone(), settings, targets, own).await?;
            report.cases.extend(cases);
        }
        Ok((plugin, report))
    }

    /// What the file says, and over it what the command line says.
    fn settings(&self) -> Result<Option<Value>, Problem> {
        let mut settings: Map<String, Value> = match &self.settings {
            Some(path) => read(path)?,
            None if self.set.is_empty() => return Ok(None),
            None => Map::new(),
        };
        for each in &self.set {
            let (key, text) = each.split_once('=').ok_or_else(|| {
                Problem::new(Reason::Usage, format!("`--set {each}` sets nothing"))
                    .hint("write `--set KEY=VALUE`")
            })?;
            // What is no TOML is a text without its quotes.
            let value = toml::from_str::<Map<String, Value>>(&format!("value = {text}"));
            let value = value.ok().and_then(|mut table| table.remove("value"));
            let value = value.unwrap_or_else(|| Value::String(text.to_owned()));
            settings.insert(key.trim().to_owned(), value);
        }
        Ok(Some(Value::Object(settings)))
    }
}

/// The same strategy for each processor.
async fn for_threads(plugin: &Plugin) -> Result<(Plugin, Vec<Plugin>), Problem> {
    let first = catalogue::apart(plugin).await?;
    let mut others = Vec::new();
    for _ in 1..thread::available_parallelism().map_or(1, NonZero::get) {
        others.push(catalogue::apart(plugin).await?);
    }
    Ok((first, others))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Problem> {
    let problem = |title| Problem::new(Reason::Usage, title);
    let text = std::fs::read_to_string(path)
        .map_err(|error| problem(format!("{} cannot be read", path.display())).cause(error))?;
    let json = path.extension().is_some_and(|end| end == "json");
    let read = match json {
        true => serde_json::from_str(&text).map_err(|error| error.to_string()),
        // Says line and column, and shows the line.
        false => toml::from_str(&text).map_err(|error| error.to_string()),
    };
    read.map_err(|why| problem(format!("{} makes no sense", path.display())).cause(why))
}

fn show(report: &Report, terminal: &Terminal) {
    terminal.line(&format!(
        "{} {} {}, {}",
        report.kind, report.plugin, report.version, report.digest
    ));
    let mut group = "";
    for case in &report.cases {
        if case.group != group {
            group = &case.group;
            terminal.line(&format!("\n{group}"));
        }
        match &case.verdict {
            Verdict::Passed => terminal.line(&format!("  ok      {}", case.name)),
            Verdict::Skipped(why) => {
                terminal.line(&format!("  skipped {}", case.name));
                terminal.line(&format!("            {}", shown(why)));
            }
            Verdict::Failed(wrong) => {
                terminal.line(&format!("  FAILED  {}", case.name));
                for why in wrong {
                    terminal.line(&format!("            {}", shown(why)));
                }
            }
        }
    }
    let (failed, skipped) = (report.failed(), report.skipped());
    let passed = report.cases.len() - failed - skipped;
    let skipped = match skipped {
        0 => String::new(),
        count => format!(", {count} skipped"),
    };
    terminal.line(&format!("\n{passed} passed, {failed} failed{skipped}"));
}

/// What a plugin said, in one line that a terminal may show.
fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}
