//! `runtime audit`: who did what, and whether somebody changed what was written down.

use clap::Args;
use serde_json::{Value, json};
use store::{AuditRow, StoreError};

use crate::{
    cli::{Chosen, Format, Printing},
    exit,
    report::{Problem, Reason},
    site::Site,
    system,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only of this deployment: its id, or how it begins
    id: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    pub(super) printing: Printing,
    /// How many entries, the newest
    #[arg(short, long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Check the seal of every entry, and list nothing
    #[arg(long, conflicts_with_all = ["id", "limit"])]
    verify: bool,
}

impl Audit {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let site = Site::open(&self.chosen)?;
        if self.verify {
            return self.check(&site, terminal);
        }
        let rows = self.rows(&site)?;
        let newest = &rows[rows.len().saturating_sub(self.limit)..];
        match self.printing.format {
            Format::Json => {
                for row in newest {
                    terminal.line(&as_json(row).to_string());
                }
            }
            Format::Human if newest.is_empty() => {
                terminal.line(&format!("nothing is in the audit of {} yet", site.scope()));
            }
            Format::Human => {
                let cells: Vec<_> = newest.iter().map(cells).collect();
                terminal.table(
                    ["#", "WHEN (UTC)", "ACTION", "BY", "ON", "DEPLOYMENT"],
                    &cells,
                );
            }
        }
        Ok(exit::DONE)
    }

    /// The entries of the deployment, or of the whole environment; oldest first.
    fn rows(&self, site: &Site) -> Result<Vec<AuditRow>, Problem> {
        let deployment = match &self.id {
            None => None,
            Some(id) => match site.wait(site.store.deployment(id, system::now()))? {
                Some(deployment) => Some(deployment.id),
                None => {
                    let title = format!("there is no deployment `{id}`");
                    return Err(
                        Problem::new(Reason::Usage, title).hint("`runtime history` lists them")
                    );
                }
            },
        };
        let mut rows = site.wait(site.store.audit_rows(deployment.as_deref()))?;
        if deployment.is_none() {
            let scope = site.scope();
            rows.retain(|row| {
                row.entry.application == scope.application
                    && row.entry.environment == scope.environment
            });
        }
        Ok(rows)
    }

    fn check(&self, site: &Site, terminal: &Terminal) -> Result<u8, Problem> {
        let head = match site.wait(async { Ok::<_, Problem>(site.store.verify_audit().await) })? {
            Ok(head) => head,
            Err(error @ StoreError::Tampered { .. }) => {
                return Err(
                    Problem::new(Reason::Refused, "the audit is not as it was written")
                        .cause(error)
                        .hint(
                            "what stands before that row is as it was; a backup may have the rest",
                        ),
                );
            }
            Err(error) => return Err(error.into()),
        };
        match self.printing.format {
            Format::Json => terminal
                .line(&json!({ "valid": true, "rows": head.rows, "hash": head.hash }).to_string()),
            Format::Human => {
                terminal.line(&format!(
                    "the audit is as it was written: {} entries, the last sealed with {}",
                    head.rows, head.hash
                ));
                terminal
                    .line("  entries cut from its end show only against this line, kept elsewhere");
            }
        }
        Ok(exit::DONE)
    }
}

fn cells(row: &AuditRow) -> [String; 6] {
    let entry = &row.entry;
    [
        row.sequence.to_string(),
        system::readable(entry.at),
        entry.action.clone(),
        entry.actor.clone(),
        entry.host.clone(),
        entry.deployment.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

/// An entry, for programs.
fn as_json(row: &AuditRow) -> Value {
    let entry = &row.entry;
    json!({
        "sequence": row.sequence,
        "timestamp": system::rfc3339(entry.at),
        "deployment_id": entry.deployment,
        "application": entry.application,
        "environment": entry.environment,
        "action": entry.action,
        "user": entry.actor,
        "host": entry.host,
        "details": entry.details,
        "hash": row.hash,
    })
}
