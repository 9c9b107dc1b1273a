//! The engine for plugins, and loading: from bytes to a plugin that can be called.

mod loaded;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
    thread,
};

use bindings::{Calls, Kind, Linked, Linkers, Misfit, State};
use bytes::Bytes;
use serde_json::Value;
use tokio::task::JoinError;
use wasmtime::{Config, Enabled, Engine, OptLevel, PoolingAllocationConfig, component::Component};

use self::loaded::{Identity, Loaded};
use crate::{
    bounds::{self, Ended},
    broken,
    cache::{Answer, Cache, Kept},
    code::Code,
    compatibility::{self, Incompatible},
    error::HostError,
    plugin::{Description, Inner, Plugin, Request},
    schema,
};

/// What one component may have in a pool: those made from Python have 17 instances, and those
/// from JavaScript tables of 8,000 elements.
const CORE_INSTANCES: u32 = 32;
const MEMORIES: u32 = 2;
const TABLE_ELEMENTS: usize = 20_000;

/// How a host is set up.
#[derive(Clone, Debug, Default)]
pub struct HostOptions {
    /// Where compiled code is kept between runs; nowhere where none is given.
    pub cache_directory: Option<PathBuf>,
    /// For so many instances at once, of which thousands are made one after the other: room for
    /// them is set aside at the start, which takes some milliseconds, and code is compiled for it.
    /// 0: each gets its own.
    pub pooled: u32,
}

/// A plugin's component, and what it is there for.
#[derive(Clone, Debug)]
pub struct PluginSource {
    /// What the configuration calls it.
    pub name: String,
    /// What it is used as; where none is given, what it exports decides.
    pub kind: Option<Kind>,
    /// The component.
    pub wasm: Bytes,
    /// Its digest: `sha256:` and 64 hexadecimal digits. The caller answers for it.
    pub digest: String,
    /// Whether it comes with the program.
    pub bundled: bool,
}

/// Loads plugins. A process has one, and rehearsals one for each thread; cheap to clone.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    engine: Engine,
    linkers: Linkers,
    cache: Option<Cache>,
    loaded: Loaded,
}

impl Host {
    /// Starts the engine, and the thread that lets a guest's time run.
    pub fn new(options: HostOptions) -> Result<Self, HostError> {
        let mut configuration = configuration();
        if options.pooled > 0 {
            pooled(&mut configuration, options.pooled);
        }
        let engine =
            Engine::new(&configuration).map_err(|error| HostError::Engine(format!("{error:#}")))?;
        tick(&engine)?;
        let cache = options
            .cache_directory
            .map(|directory| Cache::new(directory, &engine));
        let linkers = Linkers::new(&engine);
        Ok(Self {
            shared: Arc::new(Shared {
                engine,
                linkers,
                cache,
                loaded: Loaded::default(),
            }),
        })
    }

    /// Loads a plugin: where it was compiled before, what is known of it, and its code when it is
    /// first called; else compiles it and asks it to describe itself. One that is in use already is
    /// the same once more, and takes no more memory.
    pub async fn load(&self, source: PluginSource) -> Result<Plugin, HostError> {
        if let Some(plugin) = self.shared.loaded.find(&source) {
            return Ok(plugin);
        }
        let identity = Identity::of(&source);
        let plugin = self.known_or_compiled(source).await?;
        self.shared.loaded.add(identity, &plugin);
        Ok(plugin)
    }

    async fn known_or_compiled(&self, source: PluginSource) -> Result<Plugin, HostError> {
        let known = self.shared.cache.as_ref();
        let known = known.and_then(|cache| cache.known(&source.digest));
        if let Some((kind, kept)) = known
            && source.kind.is_none_or(|wanted| wanted == kind)
        {
            return Ok(self.plugin(source, kind, None, kept));
        }
        let shared = Arc::clone(&self.shared);
        let compiling = source.clone();
        let compile = move || shared.compile(&compiling, compiling.kind);
        let compiled = tokio::task::spawn_blocking(compile)
            .await
            .map_err(|fault| broken_off(&source, &fault))??;
        let kept = Kept {
            description: describe(&source, &compiled.linked).await?,
            imports: compiled.imports,
            answers: Vec::new(),
        };
        let (kind, component) = (compiled.kind, compiled.component);
        let plugin = self.plugin(source, kind, Some(compiled.linked), kept.clone());
        self.keep(component, &plugin, kept).await;
        Ok(plugin)
    }

    /// Loads several plugins side by side, in their order.
    pub async fn load_all(&self, sources: Vec<PluginSource>) -> Vec<Result<Plugin, HostError>> {
        futures::future::join_all(sources.into_iter().map(|source| self.load(source))).await
    }

    fn plugin(
        &self,
        source: PluginSource,
        kind: Kind,
        linked: Option<Linked>,
        kept: Kept,
    ) -> Plugin {
        let shared = Arc::clone(&self.shared);
        Plugin {
            inner: Arc::new(Inner {
                code: Code::new(shared, source, kind, linked),
                answers: Mutex::new(kept.answers.clone()),
                kept,
                validator: OnceLock::new(),
            }),
        }
    }

    /// Keeps compiled code for the next time. That it cannot be kept costs time then, no more.
    async fn keep(&self, component: Component, plugin: &Plugin, kept: Kept) {
        let shared = Arc::clone(&self.shared);
        let (digest, kind) = (plugin.digest().to_owned(), plugin.kind());
        let keeping = move || shared.keep(&digest, &component, kind, kept);
        if let Err(error) = tokio::task::spawn_blocking(keeping).await {
            tracing::debug!(%error, "compiled code was not kept");
        }
    }
}

impl Shared {
    /// The code of a plugin that is known: from the cache, or compiled anew.
    pub(crate) fn read(
        &self,
        source: &PluginSource,
        kind: Kind,
        kept: &Kept,
    ) -> Result<Linked, HostError> {
        let cached = self.cache.as_ref();
        if let Some(component) = cached.and_then(|cache| cache.get(&self.engine, &source.digest)) {
            return self.link(source, &component, kind);
        }
        let compiled = self.compile(source, Some(kind))?;
        self.keep(&source.digest, &compiled.component, kind, kept.clone());
        Ok(compiled.linked)
    }

    fn compile(&self, source: &PluginSource, kind: Option<Kind>) -> Result<Compiled, HostError> {
        recognise(source)?;
        let component = Component::from_binary(&self.engine, &source.wasm).map_err(|error| {
            HostError::Compile {
                name: source.name.clone(),
                reason: format!("{error:#}"),
            }
        })?;
        let (kind, imports) = compatibility::examine(&self.engine, &component, kind)
            .map_err(|reason| incompatible(source, reason))?;
        let linked = self.link(source, &component, kind)?;
        Ok(Compiled {
            component,
            kind,
            imports,
            linked,
        })
    }

    fn link(
        &self,
        source: &PluginSource,
        component: &Component,
        kind: Kind,
    ) -> Result<Linked, HostError> {
        let linked = self.linkers.link(component, kind);
        linked.map_err(|error| incompatible(source, Incompatible::Shape(format!("{:#}", error.0))))
    }

    fn keep(&self, digest: &str, component: &Component, kind: Kind, kept: Kept) {
        if let Some(cache) = &self.cache
            && let Err(error) = cache.put(digest, component, kind, kept)
        {
            tracing::debug!(digest, %error, "compiled code was not kept");
        }
    }

    /// Whether anything is kept between runs.
    pub(crate) fn keeps(&self) -> bool {
        self.cache.is_some()
    }

    /// Keeps what a plugin said of settings.
    pub(crate) fn learn(&self, digest: &str, answer: Answer) {
        if let Some(cache) = &self.cache
            && let Err(error) = cache.learn(digest, answer)
        {
            tracing::debug!(digest, %error, "what a plugin said of settings was not kept");
        }
    }
}

struct Compiled {
    component: Component,
    kind: Kind,
    imports: Vec<String>,
    linked: Linked,
}

/// The thread that compiled came to no end of its own.
pub(crate) fn broken_off(source: &PluginSource, fault: &JoinError) -> HostError {
    HostError::Compile {
        name: source.name.clone(),
        reason: format!("the compiler broke off: {fault}"),
    }
}

fn incompatible(source: &PluginSource, reason: Incompatible) -> HostError {
    HostError::Incompatible {
        name: source.name.clone(),
        reason,
    }
}

/// Everything that could make two runs of the same guest differ is off.
fn configuration() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .concurrency_support(false);
    // Where in a plugin's code it trapped helps nobody here, and makes compiled code, which is
    // read and hashed at each start, a good deal longer.
    config
        .generate_address_map(false)
        .native_unwind_info(false)
        .wasm_backtrace_max_frames(None);
    // A plugin computes for less time than it would take to optimise it.
    config.cranelift_opt_level(OptLevel::None);
    config
}

/// Room for so many instances at once. The pages that an instance wrote to are set to what they
/// were by hand, where the system can tell which: giving them back stops every other thread. So
/// would taking back what a memory grew by; where the code itself checks each access, that stays.
/// Such code is not kept from reading ahead of its checks (Spectre): only what has no clock, and is
/// given no secret, may run so. Strategies are such.
fn pooled(configuration: &mut Config, instances: u32) {
    /// What a strategy writes to in one run, as a rule.
    const KEPT_RESIDENT: usize = 256 << 10;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances * CORE_INSTANCES)
        .total_memories(instances * MEMORIES)
        .total_tables(instances * CORE_INSTANCES)
        .total_stacks(instances)
        .max_memory_size(bounds::STRATEGY.memory_max)
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEPT_RESIDENT)
        .table_keep_resident(KEPT_RESIDENT)
        .async_stack_keep_resident(KEPT_RESIDENT)
        .max_unused_warm_slots(instances)
        .pagemap_scan(Enabled::Auto);
    configuration
        .allocation_strategy(pool)
        .signals_based_traps(false)
        .memory_guard_size(0)
        .cranelift_opt_level(OptLevel::Speed);
}

/// Lets the engine's epochs go by for as long as anything uses the engine.
fn tick(engine: &Engine) -> Result<(), HostError> {
    let engine = engine.weak();
    let ticking = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(bounds::TICK);
        }
    };
    thread::Builder::new()
        .name("plugin clock".into())
        .spawn(ticking)
        .map(|_| ())
        .map_err(|error| HostError::Engine(format!("no thread for its clock: {error}")))
}

/// Tells a component from what is often taken for one.
fn recognise(source: &PluginSource) -> Result<(), HostError> {
    let reason = match source.wasm.get(..8) {
        Some([0, b'a', b's', b'm', _, 0, 1, 0]) => return Ok(()),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Incompatible::CoreModule,
        _ => Incompatible::NotWasm,
    };
    Err(HostError::Incompatible {
        name: source.name.clone(),
        reason,
    })
}

fn undescribed(source: &PluginSource, ended: &Ended) -> HostError {
    let name = source.name.as_str();
    match ended {
        Ended::Broken(broken) if broken.error.is::<Misfit>() => HostError::Incompatible {
            name: name.to_owned(),
            reason: Incompatible::Shape(broken.error.root_cause().to_string()),
        },
        _ => HostError::Call(broken::named(name, "", ended, "describe itself")),
    }
}

pub(crate) async fn describe(
    source: &PluginSource,
    linked: &Linked,
) -> Result<Description, HostError> {
    let call = linked.describe(State::new(Calls::Nobody, bounds::MANIFEST));
    let said = bounds::within(bounds::MANIFEST_TIME, call)
        .await
        .map_err(|ended| undescribed(source, &ended))?;
    let nonsense = |reason| HostError::Manifest {
        name: source.name.clone(),
        reason,
    };
    let json = |what: &str, text: &str| -> Result<Value, HostError> {
        serde_json::from_str(text)
            .map_err(|error| nonsense(format!("its {what} is not JSON: {error}")))
    };
    let settings_schema = json("settings schema", &said.settings_schema)?;
    schema::Validator::new(&settings_schema).map_err(nonsense)?;
    let details = json("details", &said.details)?;
    let request = |request: bindings::manifest::Request| Request {
        capability: request.capability,
        scope: request.scope,
        purpose: request.purpose,
        reason: request.reason,
        optional: request.optional,
    };
    Ok(Description {
        name: said.name,
        version: said.version,
        summary: said.summary,
        settings_schema,
        requests: said.requests.into_iter().map(request).collect(),
        details,
    })
}

#[cfg(test)]
mod tests;
