//! The plugins that a configuration uses: found, loaded, and their settings checked. All that is
//! wrong is said in one go, at its place in the configuration. Needs no network.

mod edition;
mod fit;

use std::path::Path;

use bytes::Bytes;
use configuration::{Configuration, Kind, PluginUse, Problems};
use host::{Host, HostOptions, Plugin, PluginSource};
use sha2::{Digest, Sha256};
use store::Blob;

pub(crate) use self::edition::{Edition, strategy};
use crate::{
    report::{Problem, Reason},
    system,
};

/// One use of a plugin.
pub(crate) struct Used {
    /// What it is there for.
    pub(crate) kind: Kind,
    /// The section that uses it: a JSON Pointer into the configuration.
    pub(crate) pointer: String,
    /// The plugin.
    pub(crate) plugin: Plugin,
}

/// The plugins of one configuration.
pub(crate) struct Catalogue {
    used: Vec<Used>,
}

/// Starts what runs plugins.
pub(crate) fn host() -> Result<Host, Problem> {
    host_for(0)
}

fn host_for(pooled: u32) -> Result<Host, Problem> {
    Host::new(HostOptions {
        cache_directory: system::cache_directory(),
        pooled,
    })
    .map_err(|error| Problem::new(Reason::Bug, error.to_string()))
}

/// A strategy once more, of which one thread makes thousands of instances: with an engine of its
/// own, since what threads share they wait for, and ready, since nobody who polls by hand can wait.
pub(crate) async fn apart(strategy: &Plugin) -> Result<Plugin, Problem> {
    /// One that runs, and one that is asked what it is.
    const INSTANCES: u32 = 2;
    let unfit = |why: String| Problem::new(Reason::Configuration, why);
    let loaded = host_for(INSTANCES)?.load(strategy.source().clone()).await;
    let plugin = loaded.map_err(|error| unfit(error.to_string()))?;
    let ready = plugin.ready().await;
    ready.map_err(|failure| unfit(failure.message))?;
    Ok(plugin)
}

/// The host's word for a kind.
pub(crate) fn kind(kind: Kind) -> host::Kind {
    match kind {
        Kind::Strategy => host::Kind::Strategy,
        Kind::LoadBalancer => host::Kind::LoadBalancer,
        Kind::Platform => host::Kind::Platform,
        Kind::HealthCheck => host::Kind::HealthCheck,
        Kind::MetricSource => host::Kind::MetricSource,
        Kind::Step => host::Kind::Step,
        Kind::Notifier => host::Kind::Notifier,
        Kind::SecretSource => host::Kind::SecretSource,
    }
}

/// A plugin that comes with the program.
pub(crate) fn bundled(plugin: &bundle::Bundled) -> PluginSource {
    PluginSource {
        name: plugin.name.to_owned(),
        kind: host::Kind::named(plugin.kind),
        wasm: Bytes::from_static(plugin.wasm),
        digest: plugin.digest.to_owned(),
        bundled: true,
    }
}

/// A plugin from a file: a component, or the module that cargo leaves for
/// `wasm32-unknown-unknown`, of which one is made here. Its digest is that of the component.
pub(crate) fn from_file(
    name: &str,
    kind: Option<host::Kind>,
    path: &Path,
) -> Result<PluginSource, String> {
    let read = std::fs::read(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let wasm = component(read)
        .map_err(|error| format!("{} cannot be made a component: {error:#}", path.display()))?;
    Ok(PluginSource {
        name: name.to_owned(),
        kind,
        digest: digest(&wasm),
        wasm: Bytes::from(wasm),
        bundled: false,
    })
}

fn component(wasm: Vec<u8>) -> Result<Vec<u8>, impl std::fmt::Display> {
    /// How every core module begins; a component has another number after its name.
    const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
    if !wasm.starts_with(CORE_MODULE) {
        return Ok(wasm);
    }
    let mut encoder = wit_component::ComponentEncoder::default();
    encoder.module(&wasm).and_then(|encoder| encoder.encode())
}

/// `sha256:` and 64 hexadecimal digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

/// Reads the code of plugins beside whatever else is done.
pub(crate) fn read_ahead(plugins: impl Iterator<Item = Plugin>) {
    for plugin in plugins {
        // What fails here fails again in the first call, which tells whom it concerns.
        tokio::spawn(async move { plugin.ready().await.is_ok() });
    }
}

impl Catalogue {
    /// Loads every plugin in use, and checks its settings.
    pub(crate) async fn load(
        configuration: &Configuration,
        folder: &Path,
        host: &Host,
    ) -> Result<Self, Problem> {
        Self::with(configuration, folder, host, None).await
    }

    /// The same, with the very strategy that a deployment began with, whatever is there now.
    pub(crate) async fn with_strategy(
        configuration: &Configuration,
        folder: &Path,
        host: &Host,
        strategy: &Blob,
    ) -> Result<Self, Problem> {
        if digest(&strategy.bytes) != strategy.digest {
            let title = "the strategy that was kept with the deployment is not what it was";
            return Err(Problem::new(Reason::Refused, title)
                .cause(format!("it should have the digest {}", strategy.digest))
                .hint("`runtime rollback` takes the deployment back, which needs no strategy"));
        }
        Self::with(configuration, folder, host, Some(strategy)).await
    }

    async fn with(
        configuration: &Configuration,
        folder: &Path,
        host: &Host,
        strategy: Option<&Blob>,
    ) -> Result<Self, Problem> {
        let mut problems = Vec::new();
        let mut places = Vec::new();
        let mut sources = Vec::new();
        for (kind, section) in configuration.contents.uses() {
            let kept = strategy.filter(|_| kind == Kind::Strategy);
            let found = match kept {
                Some(strategy) => Ok(kept_source(configuration, section, strategy)),
                None => find(configuration, folder, kind, section),
            };
            match found {
                Ok(source) => {
                    places.push((kind, section));
                    sources.push(source);
                }
                Err(problem) => problems.push(problem),
            }
        }
        let loaded = host.load_all(sources).await;
        // Each plugin is asked about its settings beside the others.
        let ask = |section: &PluginUse, plugin: Plugin| {
            let settings = section.settings.clone();
            tokio::spawn(async move { plugin.check(&settings).await })
        };
        let loaded: Vec<_> = places
            .into_iter()
            .zip(loaded)
            .map(|(place, loaded)| {
                let asked = loaded.map(|plugin| (ask(place.1, plugin.clone()), plugin));
                (place, asked)
            })
            .collect();
        let mut used = Vec::new();
        for ((kind, section), loaded) in loaded {
            let label = format!("{} `{}`", kind.as_str(), section.name);
            match loaded {
                Ok((checked, plugin)) => {
                    let found = check(configuration, section, &plugin, checked, &label).await;
                    problems.extend(found);
                    used.push(Used {
                        kind,
                        pointer: section.pointer.clone(),
                        plugin,
                    });
                }
                Err(error) => {
                    let message = error.to_string();
                    problems.push(configuration.problem_at(section, "/use", &message, &label));
                }
            }
        }
        let catalogue = Self { used };
        if problems.is_empty() {
            problems.extend(catalogue.needs(configuration));
            problems.extend(fit::problems(&catalogue, configuration));
        }
        match Problems::new(&configuration.path, problems) {
            Some(problems) => Err(problems.into()),
            None => Ok(catalogue),
        }
    }

    /// Reads the code of those that a deployment calls first, beside whatever else is done.
    pub(crate) fn read_ahead(&self) {
        let first = |used: &&Used| matches!(used.kind, Kind::Platform | Kind::LoadBalancer);
        let first = self.used.iter().filter(first);
        read_ahead(first.map(|used| used.plugin.clone()));
    }

    /// The plugin that a section uses.
    pub(crate) fn get(&self, section: &PluginUse) -> Option<&Used> {
        self.used
            .iter()
            .find(|used| used.pointer == section.pointer)
    }

    /// Every use, in the order of the configuration.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Used> {
        self.used.iter()
    }

    /// Whether the platform of that section unpacks what is deployed.
    pub(crate) fn unpacks(&self, section: &PluginUse) -> bool {
        self.get(section)
            .is_some_and(|used| used.plugin.description().details["artifact"] == "unpack")
    }

    /// What the strategy needs, held against what the configuration has.
    fn needs(&self, configuration: &Configuration) -> Vec<configuration::Problem> {
        let contents = &configuration.contents;
        let section = &contents.strategy;
        let Some(used) = self.get(section) else {
            return Vec::new();
        };
        let details = &used.plugin.description().details;
        let mut problems = Vec::new();
        if !contents.analysis.is_empty() {
            // Nothing would hold the metrics against their limits, and every stage would pass.
            let title = "this version does not read metrics";
            let problem = configuration.problem("/analysis", "unsupported", title);
            problems.push(
                problem.help("leave `[[analysis]]` out: the health checks go on all the while"),
            );
        }
        let needs: Vec<&str> = details["needs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|need| need.as_str())
            .collect();
        if !needs.is_empty() && contents.load_balancer.is_none() {
            let message = format!(
                "strategy `{}` needs a load balancer, and there is none",
                section.name
            );
            let problem =
                configuration.problem(&format!("{}/use", section.pointer), "needs", &message);
            problems.push(
                problem.help("add `[load-balancer] use = \"proxy\"`, or use `rolling` or `simple`"),
            );
        }
        if asks_approval(details, &section.settings) && contents.approvals.by.is_empty() {
            let message = format!(
                "strategy `{}` asks for an approval, and nobody may give one",
                section.name
            );
            let place = details["approval"].as_str().unwrap_or_default();
            let problem =
                configuration.problem(&format!("{}{place}", section.pointer), "approval", &message);
            problems.push(problem.help("name them in `[approvals] by`, or leave the approval out"));
        }
        problems
    }
}

/// Whether a strategy with these settings may ask for an approval: its manifest points at the
/// setting that says so.
fn asks_approval(details: &serde_json::Value, settings: &serde_json::Value) -> bool {
    let Some(pointer) = details["approval"].as_str() else {
        return false;
    };
    match settings.pointer(pointer) {
        None | Some(serde_json::Value::Null | serde_json::Value::Bool(false)) => false,
        Some(_) => true,
    }
}

/// A strategy from the bytes that were kept of it.
fn kept_source(
    configuration: &Configuration,
    section: &PluginUse,
    strategy: &Blob,
) -> PluginSource {
    let own = configuration.contents.plugins.get(&section.name);
    let comes_with_it = bundle::plugins()
        .iter()
        .find(|plugin| plugin.digest == strategy.digest);
    if let (None, Some(plugin)) = (own, comes_with_it) {
        // The program holds the same bytes already.
        return PluginSource {
            name: section.name.clone(),
            ..bundled(plugin)
        };
    }
    PluginSource {
        name: section.name.clone(),
        kind: Some(host::Kind::Strategy),
        wasm: Bytes::from_owner(strategy.bytes.clone()),
        digest: strategy.digest.clone(),
        bundled: own.is_none_or(|own| own.source.is_none()),
    }
}

fn find(
    configuration: &Configuration,
    folder: &Path,
    kind: Kind,
    section: &PluginUse,
) -> Result<PluginSource, configuration::Problem> {
    let name = section.name.as_str();
    let host_kind = self::kind(kind);
    let own = configuration.contents.plugins.get(name);
    let Some(source) = own.and_then(|own| own.source.as_deref()) else {
        return match bundle::plugin(host_kind.as_str(), name) {
            Some(plugin) => Ok(bundled(plugin)),
            None => Err(unknown(configuration, kind, section)),
        };
    };
    let pointer = format!("/plugins/{name}/source");
    if source.contains("://") {
        let title =
            format!("plugin `{name}` is to come from {source}, which this version cannot fetch");
        let problem = configuration.problem(&pointer, "source", &title);
        return Err(problem.help("download it, and name the file"));
    }
    let loaded = from_file(name, Some(host_kind), &folder.join(source))
        .map_err(|reason| configuration.problem(&pointer, "source", &reason))?;
    match own.and_then(|own| own.digest.as_deref()) {
        Some(expected) if expected != loaded.digest => {
            let title = format!(
                "plugin `{name}` has the digest {}, not the one that is pinned",
                loaded.digest
            );
            let problem =
                configuration.problem(&format!("/plugins/{name}/digest"), "digest", &title);
            Err(problem
                .help("somebody changed the file; pin the new digest only where you know why"))
        }
        _ => Ok(loaded),
    }
}

fn unknown(
    configuration: &Configuration,
    kind: Kind,
    section: &PluginUse,
) -> configuration::Problem {
    let name = &section.name;
    let title = format!("there is no {} `{name}`", kind.as_str());
    let problem = configuration.problem(
        &format!("{}/use", section.pointer),
        "unknown-plugin",
        &title,
    );
    let host_kind = self::kind(kind).as_str();
    let known: Vec<_> = bundle::plugins()
        .iter()
        .filter(|plugin| plugin.kind == host_kind)
        .map(|plugin| plugin.name)
        .collect();
    let others = match known.as_slice() {
        [] => format!("no {} comes with this version", kind.as_str()),
        known => format!("with the program come {}", known.join(", ")),
    };
    problem.help(format!(
        "{others}; another one needs `[plugins.{name}] source = \"FILE.wasm\"`"
    ))
}

/// What a plugin says of its settings.
type Checked = tokio::task::JoinHandle<Result<Vec<host::SettingsProblem>, engine::Failure>>;

async fn check(
    configuration: &Configuration,
    section: &PluginUse,
    plugin: &Plugin,
    checked: Checked,
    label: &str,
) -> Vec<configuration::Problem> {
    let by = format!("{label} {}", plugin.version());
    let schema = &plugin.description().settings_schema;
    let problems = configuration.check_settings(section, schema, &by);
    if !problems.is_empty() {
        return problems;
    }
    let checked = match checked.await {
        Ok(checked) => checked,
        // Asked beside the others it came to no end of its own.
        Err(_) => plugin.check(&section.settings).await,
    };
    match checked {
        Ok(found) => {
            let place = |problem: host::SettingsProblem| {
                configuration.problem_at(section, &problem.pointer, &problem.message, &by)
            };
            found.into_iter().map(place).collect()
        }
        Err(failure) => vec![configuration.problem_at(section, "", &failure.message, &by)],
    }
}
