//! One configuration with the folder it lies in and the store of its deployments: all that the
//! verbs need which look, and where those that act begin.

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use configuration::{Configuration, Contents, Overrides, Sources};
use host::Secrets as _;
use machines::Machines;
use store::{Deployment, Filter, Owner, Pinned, Scope, Sqlite, Store};

use crate::{
    cli::Chosen,
    fleet,
    report::{Problem, Reason},
    services::{Heard, SecretSources},
    system,
};

/// The folder beside the configuration in which the program keeps what it knows.
const STATE: &str = ".runtime";

/// Files and variables of this process.
struct Machine;

impl Sources for Machine {
    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Reads and checks a configuration.
pub(crate) fn configuration(
    chosen: &Chosen,
    overrides: &Overrides,
) -> Result<Configuration, Problem> {
    // One that is there and cannot be read is told with the reason.
    if chosen.config.try_exists().is_ok_and(|exists| !exists) {
        let title = format!("there is no configuration {}", chosen.config.display());
        return Err(Problem::new(Reason::Configuration, title)
            .hint("`runtime init` writes one to start from; `--config FILE` names another"));
    }
    Ok(configuration::load(&chosen.config, &Machine, overrides)?)
}

/// The folder in which a configuration lies: relative paths start there.
pub(crate) fn folder(configuration: &Configuration) -> PathBuf {
    let path =
        std::path::absolute(&configuration.path).unwrap_or_else(|_| configuration.path.clone());
    path.parent()
        .map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

/// Threads for work that waits.
pub(crate) fn threads() -> Result<tokio::runtime::Runtime, Problem> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Problem::new(Reason::Refused, "no threads to be had").cause(error))
}

/// Waits for something that needs neither configuration nor store.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Problem> {
    Ok(threads()?.block_on(work))
}

/// One configuration, its folder and its store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Site {
    /// What the operator wrote.
    pub(crate) configuration: Arc<Configuration>,
    /// Where relative paths start.
    pub(crate) folder: PathBuf,
    /// Where state, logs and downloads lie.
    pub(crate) state: PathBuf,
    /// Keeps deployments.
    pub(crate) store: Arc<dyn Store>,
    /// Where targets, load balancers and steps are.
    pub(crate) machines: Arc<Machines>,
    /// What plugins ask for here, where nothing may be changed by it: then nothing of it goes to
    /// the audit.
    pub(crate) heard: Option<Arc<Heard>>,
    runtime: Arc<tokio::runtime::Runtime>,
}

impl Site {
    /// Reads the configuration and opens its store.
    pub(crate) fn open(chosen: &Chosen) -> Result<Self, Problem> {
        Self::with(configuration(chosen, &Overrides::default())?)
    }

    /// Opens the store of a configuration.
    pub(crate) fn with(configuration: Configuration) -> Result<Self, Problem> {
        Self::at(configuration, None, false)
    }

    /// The same, and connects to the targets' machines meanwhile, so that nothing waits for it
    /// later. What goes wrong is told to whoever needs the machine.
    pub(crate) fn connected(configuration: Configuration) -> Result<Self, Problem> {
        Self::at(configuration, None, true)
    }

    /// The same, only to look: nothing is made that is not there, and nothing can be changed.
    pub(crate) fn looking(configuration: Configuration) -> Result<Self, Problem> {
        Self::at(configuration, Some(Arc::default()), false)
    }

    fn at(
        configuration: Configuration,
        heard: Option<Arc<Heard>>,
        connects: bool,
    ) -> Result<Self, Problem> {
        let looks = heard.is_some();
        let folder = folder(&configuration);
        let contents = &configuration.contents;
        let state = state(contents, &folder);
        let runtime = Arc::new(threads()?);
        let machines = Arc::new(fleet::machines(contents, &folder));
        if connects {
            for machine in fleet::machines_of_targets(contents, &machines) {
                runtime.spawn(async move { machine.prepare().await });
            }
        }
        let store = match &contents.state.url {
            Some(url) => {
                let password = runtime.block_on(password(contents, &folder))?;
                match looks {
                    true => store::look(url, password.as_deref())?,
                    false => store::open(url, password.as_deref())?,
                }
            }
            None if looks => Arc::new(Sqlite::look(state.join("state.db"))?),
            None => Arc::new(Sqlite::open(state.join("state.db"))?),
        };
        Ok(Self {
            machines,
            configuration: Arc::new(configuration),
            folder,
            state,
            store,
            heard,
            runtime,
        })
    }

    /// The same place with the configuration that a deployment began with, whatever the file says
    /// now; and what else it is pinned to.
    pub(crate) async fn pinned(&self, id: &str) -> Result<(Self, Pinned), Problem> {
        let pinned = self.store.pinned(id).await?;
        let configuration = from_canonical(&self.configuration.path, &pinned.configuration.bytes)?;
        let site = Self {
            machines: Arc::new(fleet::machines(&configuration.contents, &self.folder)),
            configuration: Arc::new(configuration),
            folder: self.folder.clone(),
            state: self.state.clone(),
            store: self.store.clone(),
            heard: self.heard.clone(),
            runtime: self.runtime.clone(),
        };
        Ok((site, pinned))
    }

    /// The place of a deployment that somebody else began: its configuration, in the folder that
    /// it had there, on this machine.
    pub(crate) fn of(
        pinned: &Pinned,
        store: Arc<dyn Store>,
        runtime: Arc<tokio::runtime::Runtime>,
    ) -> Result<Self, Problem> {
        let id = &pinned.brief.id;
        let Some(folder) = pinned.folder.as_ref().map(PathBuf::from) else {
            let title = format!("nobody wrote down in which folder deployment {id} began");
            return Err(Problem::new(Reason::Refused, title));
        };
        if !folder.is_dir() {
            let title = format!(
                "{} has no folder {}, in which the configuration of deployment {id} lies",
                system::host(),
                folder.display()
            );
            return Err(Problem::new(Reason::Refused, title)
                .hint("a server needs the same folders as those who hand deployments to it"));
        }
        let path = folder.join(format!("(the configuration of {id})"));
        let configuration = from_canonical(&path, &pinned.configuration.bytes)?;
        let contents = &configuration.contents;
        Ok(Self {
            machines: Arc::new(fleet::machines(contents, &folder)),
            state: state(contents, &folder),
            configuration: Arc::new(configuration),
            folder,
            store,
            heard: None,
            runtime,
        })
    }

    /// What the configuration says.
    pub(crate) fn contents(&self) -> &Contents {
        &self.configuration.contents
    }

    /// What its lease covers.
    pub(crate) fn scope(&self) -> Scope {
        let contents = self.contents();
        Scope::new(&contents.application, &contents.environment)
    }

    /// Its deployments.
    pub(crate) fn filter(&self) -> Filter {
        let contents = self.contents();
        Filter {
            application: Some(contents.application.clone()),
            environment: Some(contents.environment.clone()),
            ..Filter::default()
        }
    }

    /// The deployment that began last.
    pub(crate) fn last_deployment(&self) -> Result<Option<Deployment>, Problem> {
        let filter = Filter {
            limit: Some(1),
            ..self.filter()
        };
        Ok(self
            .wait(self.store.deployments(&filter, system::now()))?
            .into_iter()
            .next())
    }

    /// This process, as an owner of leases.
    pub(crate) fn owner(&self, purpose: &str) -> Owner {
        system::owner(purpose)
    }

    /// Has something done beside everything else.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(work)
    }

    /// Waits for something that may take its time.
    pub(crate) fn wait<T, E: Into<Problem>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Problem> {
        self.runtime.block_on(work).map_err(Into::into)
    }
}

/// Where state, logs and downloads lie.
fn state(contents: &Contents, folder: &Path) -> PathBuf {
    match &contents.state.path {
        Some(path) => folder.join(path),
        None => folder.join(STATE),
    }
}

/// The database's password, where the configuration names one.
async fn password(contents: &Contents, folder: &Path) -> Result<Option<String>, Problem> {
    let Some(named) = &contents.state.password else {
        return Ok(None);
    };
    let value = SecretSources::new(contents, folder)
        .value(&named.secret)
        .await;
    value.map(Some).map_err(|failure| {
        let title = "the password of the state's database cannot be had";
        Problem::new(Reason::Refused, title).cause(failure)
    })
}

/// The configuration that a deployment began with.
fn from_canonical(path: &Path, canonical: &[u8]) -> Result<Configuration, Problem> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Problem::new(
            Reason::Refused,
            "the configuration that the deployment began with cannot be read",
        )
        .cause(error)
    };
    let value: serde_json::Value =
        serde_json::from_slice(canonical).map_err(|error| unreadable(&error))?;
    Configuration::from_canonical(path, &value).map_err(|error| unreadable(&error))
}
