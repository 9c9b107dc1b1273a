//! `runtime retry`: tries again to take back what is stuck.

use std::time::Duration;

use clap::Args;
use engine::Wish;
use store::{Signal, State};

use crate::{
    cli::{Chosen, Printing, choice, rollback},
    display,
    inbox::put,
    past::Past,
    report::{Problem, Reason},
    site::Site,
    system,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The deployment's id, or how it begins; the open one where none is given
    id: Option<String>,
    /// Why; it is kept in the audit
    #[arg(long, value_name = "WHY", default_value = "")]
    reason: String,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    pub(super) printing: Printing,
}

impl Retry {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let site = Site::open(&self.chosen)?;
        let look = async || {
            let past = Past::of(&site).await?;
            let open = choice::open(&site, &past, self.id.as_deref()).await?;
            choice::current(&past, &open)?;
            choice::unattended(&site, &open).await?;
            Ok(open)
        };
        let stuck = site.wait(choice::in_time(&site, Duration::ZERO, terminal, look))?;
        if stuck.state != State::Stuck {
            let title = format!("deployment {} is not stuck but {}", stuck.id, stuck.state);
            return Err(Problem::new(Reason::Refused, title).hint(display::both_ways(&stuck.id)));
        }
        let (kind, details) = put(Wish::Retry, None);
        let signal = Signal {
            kind,
            details,
            actor: system::user(),
            host: system::host(),
            reason: self.reason.clone(),
            at: system::now(),
        };
        site.wait(site.store.signal(&stuck.id, &signal))?;
        rollback::undo(&site, &stuck, self.printing.format, terminal)
    }
}
