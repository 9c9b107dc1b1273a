//! `runtime show`: one deployment, operation by operation.

use clap::Args;
use engine::{Record, StepRule, Verdict};
use serde_json::json;
use store::Deployment;

use crate::{
    cli::{Chosen, Format, Printing, choice, history},
    display, exit, replay,
    report::Problem,
    site::Site,
    system,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The deployment's id, or how it begins; the last one where none is given
    id: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    pub(super) printing: Printing,
}

impl Show {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let site = Site::open(&self.chosen)?;
        let deployment = choice::any(&site, self.id.as_deref())?;
        let records = site.wait(site.store.records(&deployment.id))?;
        if self.printing.format == Format::Json {
            let mut all = history::to_json(&deployment);
            all["records"] = json!(records);
            terminal.line(&all.to_string());
            return Ok(exit::DONE);
        }
        for line in headline(&deployment) {
            terminal.line(&line);
        }
        if let Some(Verdict::Stuck { differences, .. } | Verdict::Frozen { differences, .. }) =
            &deployment.verdict
        {
            for difference in differences {
                terminal.line(&format!("  - {difference}"));
            }
        }
        terminal.line("");
        let steps = site
            .wait(site.store.pinned(&deployment.id))?
            .brief
            .rules
            .steps;
        let rows: Vec<_> = records.iter().map(|record| row(record, &steps)).collect();
        terminal.table(["#", "BY", "WHAT", "TOOK", "OUTCOME"], &rows);
        Ok(exit::DONE)
    }
}

/// Which deployment it is, and what became of it.
pub(super) fn headline(deployment: &Deployment) -> [String; 2] {
    let Deployment {
        id,
        scope,
        version,
        strategy,
        actor,
        host,
        ..
    } = deployment;
    let became = deployment.verdict.as_ref().map(display::closing);
    let became = became.unwrap_or_else(|| deployment.state.to_string());
    [
        format!("{id}  {scope} {version} with {strategy}, by {actor} on {host}"),
        format!("began {}, {became}", system::readable(deployment.started)),
    ]
}

fn row(record: &Record, steps: &[StepRule]) -> [String; 5] {
    let (took, outcome) = match &record.outcome {
        Some(outcome) => (
            display::duration(outcome.ended.since_ms(record.intent.started)),
            match &outcome.result {
                Ok(_) => "ok".to_owned(),
                Err(failure) => format!("{}: {}", failure.code, failure.message),
            },
        ),
        None => (
            "-".to_owned(),
            "under way when the process ended".to_owned(),
        ),
    };
    [
        record.intent.sequence.to_string(),
        replay::by(&record.intent),
        display::describe(&record.intent, steps),
        took,
        outcome,
    ]
}
