//! A component joined to the host. Each call gets an instance of its own, so nothing leaks from
//! one call to the next, and what trapped is thrown away.

use std::fmt;

use wasmtime::{
    Engine, Store,
    component::{Instance, InstancePre},
};

use crate::{
    balancing, checking, deployment_strategy, hosting, keeping,
    kind::Kind,
    manifest, measuring, notifying,
    state::State,
    types::{Failure, Json, Release, Target},
    working,
};

/// A call that the guest did not bring to its end.
#[derive(Debug)]
pub struct Broken {
    /// What ended it; an [`crate::Overrun`] where it was a bound.
    pub error: wasmtime::Error,
    /// The last complaint that the guest logged: a panic's message, as a rule.
    pub last_words: Option<String>,
}

/// A component joined to the host, ready to be instantiated.
#[derive(Clone)]
pub struct Linked {
    engine: Engine,
    pre: InstancePre<State>,
    kind: Kind,
    manifest: manifest::GuestIndices,
    face: Face,
}

#[derive(Clone)]
enum Face {
    Strategy(deployment_strategy::GuestIndices),
    LoadBalancer(balancing::GuestIndices),
    Platform(hosting::GuestIndices),
    HealthCheck(checking::GuestIndices),
    MetricSource(measuring::GuestIndices),
    Notifier(notifying::GuestIndices),
    Step(working::GuestIndices),
    SecretSource(keeping::GuestIndices),
}

/// One call: a store with an instance in it.
struct Running {
    store: Store<State>,
    instance: Instance,
}

impl Linked {
    pub(crate) fn new(pre: InstancePre<State>, kind: Kind) -> wasmtime::Result<Self> {
        let face = match kind {
            Kind::Strategy => Face::Strategy(deployment_strategy::GuestIndices::new(&pre)?),
            Kind::LoadBalancer => Face::LoadBalancer(balancing::GuestIndices::new(&pre)?),
            Kind::Platform => Face::Platform(hosting::GuestIndices::new(&pre)?),
            Kind::HealthCheck => Face::HealthCheck(checking::GuestIndices::new(&pre)?),
            Kind::MetricSource => Face::MetricSource(measuring::GuestIndices::new(&pre)?),
            Kind::Notifier => Face::Notifier(notifying::GuestIndices::new(&pre)?),
            Kind::Step => Face::Step(working::GuestIndices::new(&pre)?),
            Kind::SecretSource => Face::SecretSource(keeping::GuestIndices::new(&pre)?),
        };
        Ok(Self {
            engine: pre.engine().clone(),
            manifest: manifest::GuestIndices::new(&pre)?,
            pre,
            kind,
            face,
        })
    }

    /// The kind of plugin that it was joined as.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    async fn start(&self, state: State) -> Result<Running, Broken> {
        let mut store = state.into_store(&self.engine);
        match self.pre.instantiate_async(&mut store).await {
            Ok(instance) => Ok(Running { store, instance }),
            Err(error) => Err(broken(store, error)),
        }
    }
}

fn broken(mut store: Store<State>, error: wasmtime::Error) -> Broken {
    let state = store.data_mut();
    let error = state
        .overrun_behind(&error)
        .map_or(error, wasmtime::Error::from);
    Broken {
        error,
        last_words: state.take_last_words(),
    }
}

/// An interface that a component exports does not have the contract's types.
#[derive(Debug)]
pub struct Misfit(wasmtime::Error);

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Misfit {}

/// Calls one export of a face: instantiates, looks the face up, calls.
macro_rules! exported {
    ($($(#[$doc:meta])* $face:ident $name:ident => $call:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl Linked {
            $(
                $(#[$doc])*
                pub async fn $name(&self, state: State, $($argument: $type),*) -> Result<$answer, Broken> {
                    let Face::$face(indices) = &self.face else {
                        return Err(Broken { error: mismatched(self.kind, stringify!($name)), last_words: None });
                    };
                    let mut running = self.start(state).await?;
                    let guest = match indices.load(&mut running.store, &running.instance) {
                        Ok(guest) => guest,
                        Err(error) => return Err(broken(running.store, error)),
                    };
                    match guest.$call(&mut running.store, $($argument),*).await {
                        Ok(answer) => Ok(answer),
                        Err(error) => Err(broken(running.store, error)),
                    }
                }
            )*
        }
    };
}

fn mismatched(kind: Kind, name: &str) -> wasmtime::Error {
    wasmtime::format_err!("a {kind} plugin has no `{name}`")
}

impl Linked {
    /// `manifest.describe`, after a look at whether the plugin's face has the contract's types.
    pub async fn describe(&self, state: State) -> Result<manifest::Description, Broken> {
        let mut running = self.start(state).await?;
        match self.described(&mut running).await {
            Ok(description) => Ok(description),
            Err(error) => Err(broken(running.store, error)),
        }
    }

    async fn described(&self, running: &mut Running) -> wasmtime::Result<manifest::Description> {
        let Running { store, instance } = running;
        let fits = match &self.face {
            Face::Strategy(indices) => indices.load(&mut *store, instance).map(|_| ()),
            Face::LoadBalancer(indices) => indices.load(&mut *store, instance).map(|_| ()),
            Face::Platform(indices) => indices.load(&mut *store, instance).map(|_| ()),
            Face::HealthCheck(indices) => indices.load(&mut *store, instance).map(|_| ()),
            Face::MetricSource(indices) => indices.load(&mut *store, instance).map(|_| ()),
            Face::Notifier(indices) => indices.load(&mut *store, instance).map(|_| ()),
            Face::Step(indices) => indices.load(&mut *store, instance).map(|_| ()),
            Face::SecretSource(indices) => indices.load(&mut *store, instance).map(|_| ()),
        };
        let manifest = fits.and_then(|()| self.manifest.load(&mut *store, instance));
        let guest = manifest.map_err(|error| wasmtime::Error::from(Misfit(error)))?;
        guest.call_describe(&mut *store).await
    }

    /// `manifest.validate`.
    pub async fn validate(
        &self,
        state: State,
        settings: &Json,
    ) -> Result<Vec<manifest::Problem>, Broken> {
        let mut running = self.start(state).await?;
        let answer = match self.manifest.load(&mut running.store, &running.instance) {
            Ok(guest) => guest.call_validate(&mut running.store, settings).await,
            Err(error) => Err(error),
        };
        answer.map_err(|error| broken(running.store, error))
    }
}

exported! {
    /// `deployment-strategy.run`.
    Strategy run_strategy => call_run(
        deployment: &deployment_strategy::Deployment, settings: &Json
    ) -> Result<(), Failure>;
    /// `balancing.traits`.
    LoadBalancer balancer_traits => call_traits(settings: &Json) -> Result<Vec<String>, Failure>;
    /// `balancing.read`.
    LoadBalancer read_balancer => call_read(
        targets: &[Target], settings: &Json
    ) -> Result<balancing::Reading, Failure>;
    /// `balancing.apply`.
    LoadBalancer apply_balancer => call_apply(
        desired: &balancing::Desired, settings: &Json
    ) -> Result<(), Failure>;
    /// `hosting.traits`.
    Platform platform_traits => call_traits(settings: &Json) -> Result<Vec<String>, Failure>;
    /// `hosting.active`.
    Platform active => call_active(
        target: &Target, settings: &Json
    ) -> Result<Option<String>, Failure>;
    /// `hosting.installed`.
    Platform installed => call_installed(
        target: &Target, settings: &Json
    ) -> Result<Vec<hosting::InstalledRelease>, Failure>;
    /// `hosting.install`.
    Platform install => call_install(
        target: &Target, release: &Release, settings: &Json
    ) -> Result<(), Failure>;
    /// `hosting.activate`.
    Platform activate => call_activate(
        target: &Target, release: &Release, settings: &Json
    ) -> Result<(), Failure>;
    /// `hosting.deactivate`.
    Platform deactivate => call_deactivate(
        target: &Target, settings: &Json
    ) -> Result<(), Failure>;
    /// `hosting.remove`.
    Platform remove => call_remove(
        target: &Target, release: &str, settings: &Json
    ) -> Result<(), Failure>;
    /// `checking.check`.
    HealthCheck check => call_check(
        target: &Target, release: &Release, settings: &Json
    ) -> Result<checking::Report, Failure>;
    /// `measuring.query`.
    MetricSource query => call_query(
        expression: &str, window: measuring::Window, settings: &Json
    ) -> Result<Option<f64>, Failure>;
    /// `measuring.series`.
    MetricSource series => call_series(
        expression: &str, window: measuring::Window, step_ms: u64, settings: &Json
    ) -> Result<Vec<measuring::Sample>, Failure>;
    /// `notifying.notify`.
    Notifier notify => call_notify(
        event: &notifying::Event, settings: &Json
    ) -> Result<(), Failure>;
    /// `working.run`.
    Step run_step => call_run(
        occasion: &working::Occasion, settings: &Json
    ) -> Result<String, Failure>;
    /// `working.undo`.
    Step undo_step => call_undo(
        occasion: &working::Occasion, outcome: &Json, settings: &Json
    ) -> Result<(), Failure>;
    /// `keeping.fetch`.
    SecretSource fetch => call_fetch(
        name: &str, settings: &Json
    ) -> Result<keeping::Secret, Failure>;
}
