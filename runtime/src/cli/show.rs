//! `runtime show`: one deployment, operation by operation.

use clap::Args;
use engine::{Origin, Record, StepRule, Verdict};
use serde_json::json;

use crate::{
    cli::{Chosen, Format, Printing, history},
    display, exit,
    report::{Problem, Reason},
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
        let deployment = match &self.id {
            Some(id) => site.wait(site.store.deployment(id, system::now()))?,
            None => site.last_deployment()?,
        };
        let Some(deployment) = deployment else {
            let which = self.id.map_or_else(
                || format!("there is no deployment of {} yet", site.scope()),
                |id| format!("there is no deployment `{id}`"),
            );
            return Err(Problem::new(Reason::Usage, which).hint("`runtime history` lists them"));
        };
        let records = site.wait(site.store.records(&deployment.id))?;
        if self.printing.format == Format::Json {
            let mut all = history::to_json(&deployment);
            all["records"] = json!(records);
            terminal.line(&all.to_string());
            return Ok(exit::DONE);
        }
        terminal.line(&format!(
            "{}  {} {} with {}, by {} on {}",
            deployment.id,
            deployment.scope,
            deployment.version,
            deployment.strategy,
            deployment.actor,
            deployment.host,
        ));
        terminal.line(&format!(
            "began {}, {}",
            system::readable(deployment.started),
            deployment
                .verdict
                .as_ref()
                .map_or_else(|| deployment.state.to_string(), display::closing),
        ));
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

fn row(record: &Record, steps: &[StepRule]) -> [String; 5] {
    let by = match record.intent.origin {
        Origin::Strategy => "strategy".to_owned(),
        Origin::Step => "step".to_owned(),
        Origin::Undo(of) => format!("undo of {of}"),
        Origin::Turn(_) => "turn".to_owned(),
        _ => "host".to_owned(),
    };
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
        by,
        display::describe(&record.intent, steps),
        took,
        outcome,
    ]
}
