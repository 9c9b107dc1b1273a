//! `runtime unlock`: takes the lease away from whoever holds it, with a reason.

use clap::Args;

use crate::{
    cli::Chosen,
    display, exit,
    report::{Problem, Reason},
    site::Site,
    system,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Unlock {
    /// Why; it is kept in the audit
    #[arg(long, value_name = "WHY")]
    reason: String,
    #[command(flatten)]
    chosen: Chosen,
}

impl Unlock {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        if self.reason.trim().is_empty() {
            return Err(Problem::new(Reason::Usage, "`--reason` must say why"));
        }
        let site = Site::open(&self.chosen)?;
        let by = site.owner("unlock");
        let broken =
            site.wait(
                site.store
                    .break_lease(&site.scope(), &by, &self.reason, system::now()),
            )?;
        match broken {
            Some(held) => {
                terminal.line(&format!(
                    "took the lease of {} away from {}, who had it since {}",
                    site.scope(),
                    held.owner,
                    system::readable(held.since),
                ));
                if let Some(deployment) = held.owner.deployment {
                    terminal.line(&format!(
                        "  deployment {deployment} may be half done: {}",
                        display::both_ways(&deployment)
                    ));
                }
            }
            None => terminal.line(&format!("nobody held the lease of {}", site.scope())),
        }
        Ok(exit::DONE)
    }
}
