//! Why nobody goes on with a deployment by themselves: what a server that let go of it wrote down.

use engine::Verdict;
use store::{AuditRow, Deployment, State};

use crate::{
    report::{self, Problem},
    site::Site,
};

/// Why it was left to people; none where it was not, or somebody has been at it since.
pub(super) async fn why(site: &Site, deployment: &Deployment) -> Result<Option<String>, Problem> {
    let id = &deployment.id;
    if deployment.state != State::CutOff || site.store.holder(&site.scope()).await?.is_some() {
        return Ok(None);
    }
    let rows = site.store.audit_rows(Some(id)).await?;
    Ok(rows.iter().rev().find_map(|row| reason(id, row)).flatten())
}

/// What the row says of it; none where it is of something else.
fn reason(id: &str, row: &AuditRow) -> Option<Option<String>> {
    let details = &row.entry.details;
    match row.entry.action.as_str() {
        "deployment_halted" => {
            if let Some(problem) = details["problem"].as_str() {
                return Some(Some(problem.to_owned()));
            }
            let verdict = serde_json::from_value::<Verdict>(details["verdict"].clone());
            Some(match verdict {
                Ok(Verdict::Halted { halt }) => Some(report::halted(id, &halt).sentence()),
                _ => None,
            })
        }
        "deployment_reopened" | "deployment_taken_over" | "lease_broken" => Some(None),
        _ => None,
    }
}
