//! `runtime history`: the deployments there were.

use clap::Args;
use serde_json::json;
use store::{Deployment, Filter};

use crate::{
    cli::{Chosen, Format, Printing},
    display, exit,
    report::Problem,
    site::Site,
    system,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    pub(super) printing: Printing,
    /// How many, newest first
    #[arg(short, long, value_name = "N", default_value_t = 20)]
    limit: u32,
}

impl History {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let site = Site::open(&self.chosen)?;
        let filter = Filter {
            limit: Some(self.limit),
            ..site.filter()
        };
        let deployments = site.wait(site.store.deployments(&filter, system::now()))?;
        match self.printing.format {
            Format::Json => {
                for deployment in &deployments {
                    terminal.line(&to_json(deployment).to_string());
                }
            }
            Format::Human if deployments.is_empty() => {
                terminal.line(&format!("no deployment of {} yet", site.scope()));
            }
            Format::Human => {
                let rows: Vec<_> = deployments.iter().map(row).collect();
                terminal.table(
                    [
                        "ID",
                        "STARTED (UTC)",
                        "VERSION",
                        "STRATEGY",
                        "BY",
                        "TOOK",
                        "STATE",
                    ],
                    &rows,
                );
            }
        }
        Ok(exit::DONE)
    }
}

fn row(deployment: &Deployment) -> [String; 7] {
    let took = deployment
        .ended
        .map(|ended| display::duration(ended.since_ms(deployment.started)));
    let purpose = match deployment.purpose {
        engine::Purpose::Deploy => "",
        engine::Purpose::Rollback => " (back)",
    };
    [
        deployment.id.clone(),
        system::readable(deployment.started),
        format!("{}{purpose}", deployment.version),
        deployment.strategy.clone(),
        deployment.actor.clone(),
        took.unwrap_or_else(|| "-".to_owned()),
        deployment.state.to_string(),
    ]
}

/// A deployment, for programs.
pub(super) fn to_json(deployment: &Deployment) -> serde_json::Value {
    json!({
        "id": deployment.id,
        "application": deployment.scope.application,
        "environment": deployment.scope.environment,
        "purpose": deployment.purpose,
        "release": deployment.release,
        "version": deployment.version,
        "strategy": deployment.strategy,
        "actor": deployment.actor,
        "host": deployment.host,
        "started": system::rfc3339(deployment.started),
        "ended": deployment.ended.map(system::rfc3339),
        "state": deployment.state.as_str(),
        "verdict": deployment.verdict,
    })
}
