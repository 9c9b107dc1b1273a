//! `runtime serve`: runs deployments that others hand in, and takes over those whose owner died.

use std::{num::NonZero, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use configuration::Overrides;
use store::Store;

use crate::{
    cli::{Chosen, Printing},
    report::{Problem, Reason},
    serve::{Address, Options, Server},
    site::{self, Site},
};

/// The shortest lease: a shorter one would be lost to a busy processor.
const LEASE_MIN: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The state store that is served: `postgres://…`, or a file. Without it that of the
    /// configuration
    #[arg(long, value_name = "URL", env = "RUNTIME_STATE")]
    state: Option<String>,
    /// The file that holds the password of that database
    #[arg(
        long,
        value_name = "FILE",
        env = "RUNTIME_STATE_PASSWORD_FILE",
        requires = "state"
    )]
    state_password_file: Option<PathBuf>,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    pub(super) printing: Printing,
    /// How many deployments run at once; the others wait
    #[arg(long, value_name = "N", default_value = "100")]
    at_once: NonZero<usize>,
    /// Where /healthz, /readyz and /metrics answer: `127.0.0.1:9464`, or `unix:PATH`
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<Address>,
    /// How long what is under way may take to end when the server is stopped
    #[arg(long, value_name = "TIME", default_value = "60s")]
    grace: configuration::Duration,
    /// How long a lease lasts without being renewed: so long nobody takes over from a server that
    /// died
    #[arg(long, value_name = "TIME", default_value = "15s")]
    lease: configuration::Duration,
}

impl Serve {
    pub(crate) fn run(self) -> Result<u8, Problem> {
        let lease = Duration::from(self.lease);
        if lease < LEASE_MIN {
            let title = "`--lease` is too short: a busy processor would lose it";
            return Err(Problem::new(Reason::Usage, title).hint("one second is the least"));
        }
        let options = Options {
            at_once: self.at_once.get(),
            lease,
            grace: self.grace.into(),
            listen: self.listen.clone(),
            format: self.printing.format,
        };
        let runtime = Arc::new(site::threads()?);
        let store = self.store()?;
        Server::new(store, runtime, options)?.run()
    }

    fn store(&self) -> Result<Arc<dyn Store>, Problem> {
        let Some(url) = &self.state else {
            let configuration = site::configuration(&self.chosen, &Overrides::default())?;
            return Ok(Site::with(configuration)?.store);
        };
        let password = self.state_password_file.as_ref().map(|file| {
            std::fs::read_to_string(file).map_err(|error| {
                let title = format!("{} cannot be read", file.display());
                Problem::new(Reason::Refused, title).cause(error)
            })
        });
        let password = password.transpose()?;
        let password = password
            .as_deref()
            .map(|text| text.trim_end_matches(['\r', '\n']));
        Ok(store::open(url, password)?)
    }
}
