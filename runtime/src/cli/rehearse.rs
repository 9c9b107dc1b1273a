//! `runtime rehearse`: runs a deployment against a model, over and over.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Instant,
};

use clap::Args;
use engine::{Event, Observer, Timestamp};
use rehearsal::{Fault, Plan, Summary};
use serde_json::json;

use crate::{
    catalogue::{self, Catalogue},
    cli::{Format, Printing, rollout::Rollout},
    display, exit,
    rehearsal::{Circumstances, Rehearsal, Written, faults, outcome, page, report},
    report::{Problem, Reason},
    site,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Rehearse {
    #[command(flatten)]
    rollout: Rollout,
    #[command(flatten)]
    pub(super) printing: Printing,
    /// How many runs; of a single one, all that happens is told
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// The seed of the first run; each next one has the next
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// One run with just this going wrong, as docs/rehearsal.md writes it, and with all that happens
    /// told; `none` for nothing. May be given several times
    #[arg(
        long = "fault",
        value_name = "KIND[:TARGET][,KEY=VALUE]…",
        conflicts_with_all = ["runs", "seed", "jobs", "html"]
    )]
    faults: Vec<Written>,
    /// On how many threads; as many as there are processors where not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    jobs: Option<u32>,
    /// Write the report to a file, too: one page for a browser, with nothing to load
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Rehearse {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let (configuration, bystanders) = self.rollout.configuration()?;
        let version = self.rollout.any_version(&configuration)?;
        let jobs = self.jobs();
        let host = catalogue::host()?;
        let folder = site::folder(&configuration);
        let rehearsal = site::block_on(async {
            let catalogue = Catalogue::load(&configuration, &folder, &host).await?;
            Rehearsal::of(&configuration, &catalogue, &version, bystanders, jobs).await
        })??;
        let circumstances = Circumstances {
            configuration: self.rollout.amended.chosen.config.display().to_string(),
            rate: configuration.contents.rehearsal.rate,
            brief: Arc::clone(rehearsal.scene.brief()),
        };
        if !self.faults.is_empty() {
            return self.play(&rehearsal, terminal);
        }
        if self.runs == 1 && self.printing.format == Format::Human {
            self.tell(&rehearsal, terminal);
        }
        let began = Instant::now();
        let plan = Plan {
            runs: self.runs,
            seed: self.seed,
        };
        let summary = rehearsal.run(plan);
        let mut facts = self.facts(&summary, &circumstances);
        if self.runs == 1 && self.printing.format == Format::Json {
            let unheard = Arc::new(Unheard);
            let told = rehearsal::repeat(&rehearsal.scene, &rehearsal.player, self.seed, unheard);
            facts["verdict"] = json!(told.verdict);
            facts["records"] = json!(told.records);
        }
        match self.printing.format {
            Format::Human => report(&summary, &circumstances, began.elapsed(), terminal),
            Format::Json => terminal.line(&facts.to_string()),
        }
        if let Some(path) = &self.html {
            write(path, &page(&summary, &circumstances))?;
            if self.printing.format == Format::Human {
                terminal.line(&format!("\nwrote {}", path.display()));
            }
        }
        Ok(if summary.findings.is_empty() {
            exit::DONE
        } else {
            exit::BROKEN
        })
    }

    /// On how many threads: no more than there are runs.
    fn jobs(&self) -> u32 {
        if !self.faults.is_empty() {
            return 1;
        }
        let processors = || thread::available_parallelism().ok()?.get().try_into().ok();
        let runs = u32::try_from(self.runs).unwrap_or(u32::MAX);
        self.jobs.or_else(processors).unwrap_or(1).min(runs)
    }

    /// Tells all that happens in a run.
    fn tell(&self, rehearsal: &Rehearsal, terminal: &Terminal) {
        let brief = rehearsal.scene.brief();
        let story = Arc::new(display::Story::new(brief, *terminal));
        let listener: Arc<dyn Observer> = story;
        let told = rehearsal::repeat(&rehearsal.scene, &rehearsal.player, self.seed, listener);
        wrong(&told.run.faults, terminal);
        terminal.line("");
    }

    /// One run with the faults that were asked for.
    fn play(&self, rehearsal: &Rehearsal, terminal: &Terminal) -> Result<u8, Problem> {
        let brief = rehearsal.scene.brief();
        let faults = faults(&self.faults, brief)?;
        let human = self.printing.format == Format::Human;
        let listener: Arc<dyn Observer> = match human {
            true => Arc::new(display::Story::new(brief, *terminal)),
            false => Arc::new(Unheard),
        };
        let told = rehearsal::play(&rehearsal.scene, &rehearsal.player, &faults, listener);
        if human {
            wrong(&told.run.faults, terminal);
            terminal.line("");
            outcome(&told, terminal);
        } else {
            let mut facts = json!(told);
            facts["application"] = json!(brief.application);
            facts["environment"] = json!(brief.environment);
            facts["strategy"] = json!(brief.strategy);
            terminal.line(&facts.to_string());
        }
        Ok(match told.run.broken.is_empty() {
            true => exit::DONE,
            false => exit::BROKEN,
        })
    }

    fn facts(&self, summary: &Summary, circumstances: &Circumstances) -> serde_json::Value {
        let mut facts = serde_json::to_value(summary).unwrap_or_default();
        if let Some(facts) = facts.as_object_mut() {
            // A thousand of them say less than the percentiles.
            if self.runs > 1 {
                facts.remove("samples");
            }
            facts.insert("application".into(), json!(circumstances.brief.application));
            facts.insert("environment".into(), json!(circumstances.brief.environment));
            facts.insert("strategy".into(), json!(circumstances.brief.strategy));
            facts.insert("targets".into(), json!(circumstances.brief.targets.len()));
            if let Some(rate) = circumstances.rate {
                facts.insert("rate".into(), json!(rate));
                let requests = |ms: rehearsal::Percentiles| circumstances.requests(ms, rate);
                facts.insert("met-requests".into(), json!(requests(summary.met_ms)));
                facts.insert("failed-requests".into(), json!(requests(summary.failed_ms)));
            }
        }
        facts
    }
}

/// Listens to nothing.
struct Unheard;

impl Observer for Unheard {
    fn event(&self, _: Timestamp, _: &Event<'_>) {}
}

/// What went wrong in a run.
fn wrong(faults: &[Fault], terminal: &Terminal) {
    terminal.line("\nWhat went wrong in it:");
    for fault in faults {
        terminal.line(&format!("  - {fault}"));
    }
    if faults.is_empty() {
        terminal.line("  nothing");
    }
}

fn write(path: &Path, text: &str) -> Result<(), Problem> {
    std::fs::write(path, text).map_err(|error| {
        let title = format!("{} could not be written", path.display());
        Problem::new(Reason::Usage, title)
            .cause(error)
            .hint("name a file in a folder that is there: `--html report.html`")
    })
}
