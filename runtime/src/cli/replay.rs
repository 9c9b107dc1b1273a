//! `runtime replay`: a deployment that happened, asked for again from its record; and what would
//! have come of it had something been otherwise.

use clap::Args;
use configuration::Overrides;
use engine::{Record, Verdict};
use rehearsal::{Played, Replayed};
use serde_json::{Value, json};
use store::Deployment;

use crate::{
    catalogue,
    cli::{Chosen, Format, Printing, choice, history, show},
    display, exit,
    rehearsal::{WrittenChange, outcome},
    replay::{Again, Lines, differs, refused},
    report::{Problem, Reason},
    site::{self, Site},
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The deployment's id, or how it begins; the last one where none is given
    id: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    pub(super) printing: Printing,
    /// Only up to that step
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "changes")]
    until: Option<u64>,
    /// What happens at that step instead: a fault, or `ok`; the model goes on from there. May be
    /// given several times
    #[arg(long = "change", value_name = "N=FAULT")]
    changes: Vec<WrittenChange>,
    /// Ask the edition of the strategy that is there now, also where it is not the one that ran it
    #[arg(long)]
    accept_drift: bool,
}

/// What there is to show.
struct Shown {
    deployment: Deployment,
    records: Vec<Record>,
    replayed: Replayed,
    other: Option<Other>,
}

/// The other branch.
struct Other {
    /// The step at which it leaves the record.
    at: u64,
    told: Played,
}

impl Replay {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let site = Site::looking(site::configuration(&self.chosen, &Overrides::default())?)?;
        let deployment = choice::any(&site, self.id.as_deref())?;
        let mut records = site.wait(site.store.records(&deployment.id))?;
        let (pinned_site, pinned) = site.wait(site.pinned(&deployment.id))?;
        let host = catalogue::host()?;
        let again = Again::of(&pinned_site, &host, pinned, self.accept_drift);
        let again = pinned_site.wait(again)?;
        let mut verdict = deployment.verdict.clone();
        if let Some(until) = self.until {
            let last = records.last().map_or(0, |record| record.intent.sequence);
            if until > last {
                let title = format!("deployment {} has {last} steps", deployment.id);
                return Err(Problem::new(Reason::Usage, title));
            }
            records.retain(|record| record.intent.sequence <= until);
            // What came after is not asked for.
            verdict = verdict.filter(|_| until == last);
        }
        let replayed = again.replay(&records, verdict.as_ref());
        let other = self.other(&again, &records, verdict.as_ref())?;
        let shown = Shown {
            deployment,
            records,
            replayed,
            other,
        };
        match self.printing.format {
            Format::Human => self.tell(&again, &shown, terminal),
            Format::Json => terminal.line(&self.facts(&again, &shown).to_string()),
        }
        Ok(shown.code())
    }

    fn other(
        &self,
        again: &Again,
        records: &[Record],
        verdict: Option<&Verdict>,
    ) -> Result<Option<Other>, Problem> {
        let changes = self
            .changes
            .iter()
            .map(|written| written.change(&again.brief));
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        let Some(at) = changes.iter().map(|change| change.sequence).min() else {
            return Ok(None);
        };
        let told = again
            .branch(records, verdict, &changes)
            .map_err(|refusal| refused(&refusal, &again.brief))?;
        Ok(Some(Other { at, told }))
    }

    fn tell(&self, again: &Again, shown: &Shown, terminal: &Terminal) {
        for line in show::headline(&shown.deployment) {
            terminal.line(&line);
        }
        let edition = match again.same {
            true => "the edition that ran it",
            false => "not the edition that ran it",
        };
        let digest: String = again.digest.chars().take(19).collect();
        let strategy = &again.brief.strategy;
        terminal.line(&format!("asked again: {strategy} {digest}…, {edition}\n"));
        let lines = Lines {
            steps: &again.brief.rules.steps,
            terminal,
        };
        match &shown.other {
            None => lines.print(&shown.records),
            Some(other) => both(&lines, shown, other),
        }
        terminal.line("");
        for line in self.judged(shown) {
            terminal.line(&line);
        }
    }

    fn judged(&self, shown: &Shown) -> Vec<String> {
        match &shown.replayed {
            Replayed::Agrees if shown.records.is_empty() => {
                vec!["it never began: there is nothing to ask for again".to_owned()]
            }
            Replayed::Agrees => vec!["the strategy asked for the same".to_owned()],
            Replayed::GoesOn { next } => vec![
                "the strategy asked for the same so far".to_owned(),
                format!("  next it asks for {next}"),
            ],
            Replayed::Differs(found) => differs(found),
        }
    }

    fn facts(&self, again: &Again, shown: &Shown) -> Value {
        let mut facts = history::to_json(&shown.deployment);
        facts["asked"] = json!({ "digest": again.digest, "same": again.same });
        facts["records"] = json!(shown.records);
        facts["replay"] = json!(shown.replayed);
        if let Some(Other { at, told }) = &shown.other {
            let mut branch = json!(told);
            branch["at"] = json!(at);
            facts["branch"] = branch;
        }
        facts
    }
}

/// Prints what both branches have in common, then each by itself.
fn both(lines: &Lines<'_>, shown: &Shown, other: &Other) {
    let Other { at, told } = other;
    let terminal = lines.terminal;
    let parts = |records: &[Record]| records.partition_point(|record| record.intent.sequence < *at);
    let place = parts(&shown.records);
    lines.print(&shown.records[..place]);
    terminal.line(&format!("\nAt {at} they part. What happened:\n"));
    lines.print(&shown.records[place..]);
    let became = shown.deployment.verdict.as_ref().map(display::closing);
    let became = became.unwrap_or_else(|| shown.deployment.state.to_string());
    terminal.line(&format!("\n  {became}\n"));
    terminal.line("What would have happened, as far as the model knows, with");
    for fault in &told.run.faults {
        terminal.line(&format!("  - {fault}"));
    }
    if told.run.faults.is_empty() {
        terminal.line(&format!("  - {at} going well"));
    }
    terminal.line("");
    lines.print(&told.records[parts(&told.records)..]);
    terminal.line("");
    outcome(told, terminal);
}

impl Shown {
    fn code(&self) -> u8 {
        let broken = |other: &Other| !other.told.run.broken.is_empty();
        match &self.replayed {
            Replayed::Differs(_) => exit::DIFFERS,
            _ if self.other.as_ref().is_some_and(broken) => exit::BROKEN,
            _ => exit::DONE,
        }
    }
}
