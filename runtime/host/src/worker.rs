//! A plugin set to work: with its settings, what it may do, and the machine it does it on. Each
//! call gets an instance of its own.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bindings::{Broken, Calls, Limits, Linked, State};
use engine::{Failure, Release, Target};
use machines::{Fence, Machine};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::{
    audit::escaped,
    bounds, broken,
    call::CallState,
    convert,
    grants::{Granted, Names},
    plugin::Plugin,
    secret::{self, Sealed},
    services::Services,
};

/// Characters of a line for people that are kept.
const LINE_MAX: usize = 2_000;

/// What a plugin is to do its work with.
#[derive(Clone)]
pub struct Assignment {
    /// The operator's settings; a secret stands as its reference, `{ "secret": "NAME" }`.
    pub settings: Value,
    /// What `[plugins.NAME] grants` says: scopes by capability.
    pub grants: BTreeMap<String, Vec<String>>,
    /// What files, commands and sockets act on.
    pub machine: Arc<dyn Machine>,
    /// What one call may use up.
    pub limits: Limits,
    /// The longest that one call takes, whatever its caller allows.
    pub time_max: Duration,
    /// What the program `runtime` means to a plugin that comes with it: this executable. None
    /// where the machine is not this one.
    pub executable: Option<String>,
}

impl Assignment {
    /// No settings, no grants, the bounds of [`bounds::WORKER`].
    pub fn new(machine: Arc<dyn Machine>) -> Self {
        Self {
            settings: Value::Object(serde_json::Map::new()),
            grants: BTreeMap::new(),
            machine,
            limits: bounds::WORKER,
            time_max: bounds::WORKER_TIME,
            executable: None,
        }
    }
}

/// The circumstances of one call.
#[derive(Clone, Debug, Default)]
pub struct CallContext {
    /// The deployment's id; empty where there is none.
    pub deployment: String,
    /// The application, for templates in settings.
    pub application: String,
    /// The environment, for templates in settings.
    pub environment: String,
    /// The same on every repetition of the same call.
    pub id: String,
    /// 1 the first time.
    pub attempt: u32,
    /// How long it may take; the assignment's bound where none is given.
    pub timeout: Option<Duration>,
    /// Grows with each holder of the deployment's lease.
    pub token: u64,
    /// Refuses changes on the machine to who lost the lease.
    pub fence: Option<Fence>,
    /// Only grants whose purpose is `read` count, and of those only what changes nothing by what it
    /// is; no fence is raised.
    pub reading: bool,
}

impl CallContext {
    /// The first attempt at a call.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            attempt: 1,
            ..Self::default()
        }
    }
}

/// What a call is about, beside its circumstances.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) targets: Vec<Target>,
    pub(crate) release: Option<Release>,
}

/// A plugin set to work. Cheap to clone.
#[derive(Clone)]
pub struct Worker {
    plugin: Plugin,
    assignment: Arc<Assignment>,
    machine: Arc<dyn Machine>,
    services: Services,
    sealed: Arc<OnceCell<Arc<Sealed>>>,
}

impl Worker {
    /// Sets a plugin to work. Secrets are fetched by [`Worker::prepare`], or when it is first
    /// called.
    pub fn new(plugin: Plugin, assignment: Assignment, services: Services) -> Self {
        let machine = Arc::clone(&assignment.machine);
        let sealed = Arc::default();
        Self {
            plugin,
            assignment: Arc::new(assignment),
            machine,
            services,
            sealed,
        }
    }

    /// The same plugin with the same settings, at work on another machine.
    #[must_use]
    pub fn on(&self, machine: Arc<dyn Machine>) -> Self {
        Self {
            machine,
            ..self.clone()
        }
    }

    /// Fetches the secrets that its settings name. What fails here has called nothing.
    pub async fn prepare(&self) -> Result<(), Failure> {
        self.sealed().await.map(drop)
    }

    /// The plugin.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// What it may do with its settings in that application and environment, for people. Secrets
    /// stand as placeholders.
    pub fn granted(&self, application: &str, environment: &str) -> Vec<Granted> {
        let settings = secret::with_placeholders(&self.assignment.settings);
        let about = About::default();
        let names = Names {
            settings: &settings,
            revealed: &settings,
            schema: &self.plugin.description().settings_schema,
            about: &about,
            application,
            environment,
            any_call: true,
        };
        Granted::of(&self.plugin, &self.assignment.grants, &names)
    }

    /// What the plugin can do with its settings, from itself.
    pub(crate) async fn traits(&self) -> Result<Vec<String>, Failure> {
        self.plugin.traits(&self.assignment.settings).await
    }

    /// A text of the plugin's without the values of its secrets.
    pub(crate) fn redact(&self, text: String) -> String {
        match self.sealed.get() {
            Some(sealed) => sealed.redact(text),
            None => text,
        }
    }

    /// JSON of the plugin's without the values of its secrets.
    pub(crate) fn value(&self, json: &str) -> Value {
        convert::value(&self.redact(json.to_owned()))
    }

    /// The same, as one line that a terminal may show.
    pub(crate) fn line(&self, text: String) -> String {
        escaped(&self.redact(text), LINE_MAX)
    }

    async fn sealed(&self) -> Result<Arc<Sealed>, Failure> {
        let seal = async || {
            let secrets = self.services.secrets.as_ref();
            Sealed::new(&self.assignment.settings, secrets)
                .await
                .map(Arc::new)
        };
        self.sealed.get_or_try_init(seal).await.cloned()
    }

    /// Calls the plugin. `doing` completes "was asked to".
    pub(crate) async fn call<T, F>(
        &self,
        doing: &str,
        context: &CallContext,
        about: About,
        call: impl FnOnce(Linked, State, String) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<Result<T, bindings::types::Failure>, Broken>>,
    {
        let sealed = self.sealed().await?;
        let time = context
            .timeout
            .unwrap_or(self.assignment.time_max)
            .min(self.assignment.time_max);
        let calls = CallState::new(
            self.plugin.clone(),
            Arc::clone(&self.assignment),
            Arc::clone(&self.machine),
            self.services.clone(),
            Arc::clone(&sealed),
        )
        .during(context.clone(), about, time);
        let state = State::new(Calls::Worker(Box::new(calls)), self.assignment.limits);
        let linked = self.plugin.linked().await?.clone();
        let running = call(linked, state, sealed.text.clone());
        let failure = match bounds::within(time, running).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(refusal)) => broken::refused(&self.plugin, convert::failure(refusal)),
            Err(ended) => broken::failure(&self.plugin, &ended, doing),
        };
        Err(sealed.redact_failure(failure))
    }
}

/// Whatever target a call is about.
#[cfg(test)]
mod tests;
