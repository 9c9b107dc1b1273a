//! The one engine for all plugins, and loading: from bytes to a plugin that can be called.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    thread,
};

use bindings::{Calls, Kind, Linked, Linkers, Misfit, State};
use bytes::Bytes;
use serde_json::Value;
use wasmtime::{Config, Engine, PoolingAllocationConfig, component::Component};

use crate::{
    bounds::{self, Ended},
    broken,
    cache::Cache,
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
    /// them is set aside at the start, which takes some milliseconds. 0: each gets its own.
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

/// Loads plugins. One per process; cheap to clone.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    linkers: Linkers,
    cache: Option<Cache>,
}

impl Host {
    /// Starts the engine, and the thread that lets a guest's time run.
    pub fn new(options: HostOptions) -> Result<Self, HostError> {
        let mut configuration = configuration();
        if options.pooled > 0 {
            configuration.allocation_strategy(pool(options.pooled));
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
            }),
        })
    }

    /// Loads a plugin: from the cache where it was compiled before, which takes a fraction of a
    /// millisecond; else compiles it and asks it to describe itself.
    pub async fn load(&self, source: PluginSource) -> Result<Plugin, HostError> {
        let host = self.clone();
        let name = source.name.clone();
        let worked = tokio::task::spawn_blocking(move || host.prepare(source)).await;
        let (source, prepared) = worked.map_err(|error| HostError::Compile {
            name,
            reason: format!("the compiler broke off: {error}"),
        })??;
        let (description, fresh) = match prepared.description {
            Some(description) => (description, false),
            None => (describe(&source, &prepared.linked).await?, true),
        };
        let plugin = Plugin {
            inner: Arc::new(Inner {
                name: source.name.clone(),
                kind: prepared.kind,
                digest: source.digest.clone(),
                bundled: source.bundled,
                imports: prepared.imports,
                description,
                linked: prepared.linked,
                validator: OnceLock::new(),
            }),
        };
        if fresh {
            self.keep(prepared.component, &plugin).await;
        }
        Ok(plugin)
    }

    /// Loads several plugins side by side, in their order.
    pub async fn load_all(&self, sources: Vec<PluginSource>) -> Vec<Result<Plugin, HostError>> {
        futures::future::join_all(sources.into_iter().map(|source| self.load(source))).await
    }

    fn prepare(&self, source: PluginSource) -> Result<(PluginSource, Prepared), HostError> {
        let engine = &self.shared.engine;
        let (component, description) = self.component(&source)?;
        let incompatible = |reason| HostError::Incompatible {
            name: source.name.clone(),
            reason,
        };
        let (kind, imports) =
            compatibility::examine(engine, &component, source.kind).map_err(incompatible)?;
        let linked = self
            .shared
            .linkers
            .link(&component, kind)
            .map_err(|error| incompatible(Incompatible::Shape(format!("{:#}", error.0))))?;
        Ok((
            source,
            Prepared {
                component,
                kind,
                imports,
                linked,
                description,
            },
        ))
    }

    fn component(
        &self,
        source: &PluginSource,
    ) -> Result<(Component, Option<Description>), HostError> {
        let engine = &self.shared.engine;
        if let Some(cache) = &self.shared.cache
            && let Some((component, description)) = cache.get(engine, &source.digest)
        {
            return Ok((component, Some(description)));
        }
        recognise(source)?;
        let component =
            Component::from_binary(engine, &source.wasm).map_err(|error| HostError::Compile {
                name: source.name.clone(),
                reason: format!("{error:#}"),
            })?;
        Ok((component, None))
    }

    /// Keeps compiled code for the next time. That it cannot be kept costs time then, no more.
    async fn keep(&self, component: Component, plugin: &Plugin) {
        let host = self.clone();
        let plugin = plugin.clone();
        let keeping = move || {
            if let Some(cache) = &host.shared.cache
                && let Err(error) = cache.put(plugin.digest(), &component, plugin.description())
            {
                tracing::debug!(plugin = plugin.name(), %error, "compiled code was not kept");
            }
        };
        if let Err(error) = tokio::task::spawn_blocking(keeping).await {
            tracing::debug!(%error, "compiled code was not kept");
        }
    }
}

struct Prepared {
    component: Component,
    kind: Kind,
    imports: Vec<String>,
    linked: Linked,
    description: Option<Description>,
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
    config
}

/// Room for so many instances at once. What is kept of an instance's memory is set to zero by
/// hand, which is quicker than giving it back as long as it is little.
fn pool(instances: u32) -> PoolingAllocationConfig {
    /// What a strategy writes to in one run, as a rule.
    const KEPT_RESIDENT: usize = 64 << 10;
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
        .max_unused_warm_slots(instances);
    pool
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

async fn describe(source: &PluginSource, linked: &Linked) -> Result<Description, HostError> {
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
