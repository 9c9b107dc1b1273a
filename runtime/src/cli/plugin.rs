//! `runtime plugin`: which plugins there are, what one may do, and how one is made,
//! tested and used.

mod add;
mod build;
mod new;
mod test;

use std::path::Path;

use clap::{Args, Subcommand};
use host::{Kind, Plugin as Loaded, Request};
use serde_json::json;

use crate::{
    catalogue::{self, bundled, from_file},
    cli::{Format, Printing},
    exit,
    report::{Problem, Reason},
    site,
    terminal::Terminal,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// List the plugins that come with the program
    List(List),
    /// Show what a plugin is, what it asks for, and its settings
    Inspect(Inspect),
    /// Make a project for a plugin, that builds and passes its tests as it is
    New(new::New),
    /// Make a component of a project
    Build(build::Build),
    /// Tell whether a plugin does what its kind must, also where everything else fails
    Test(test::Test),
    /// Let a configuration use a plugin from a file, pinned by its digest
    Add(add::Add),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(super) printing: Printing,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Its name, `KIND/NAME` where several have it, or the path of a component
    plugin: String,
    #[command(flatten)]
    pub(super) printing: Printing,
}

impl Plugin {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        match self {
            Self::List(list) => list.run(terminal),
            Self::Inspect(inspect) => inspect.run(terminal),
            Self::New(new) => new.run(terminal),
            Self::Build(build) => build.run(terminal),
            Self::Test(test) => test.run(terminal),
            Self::Add(add) => add.run(terminal),
        }
    }
}

impl List {
    fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let host = catalogue::host()?;
        let sources = bundle::plugins().iter().map(bundled).collect();
        let mut plugins = Vec::new();
        for plugin in site::block_on(host.load_all(sources))? {
            plugins.push(plugin.map_err(|error| Problem::new(Reason::Bug, error.to_string()))?);
        }
        if self.printing.format == Format::Json {
            for plugin in &plugins {
                terminal.line(&describe(plugin).to_string());
            }
            return Ok(exit::DONE);
        }
        let row = |plugin: &Loaded| {
            [
                plugin.kind().as_str().to_owned(),
                plugin.name().to_owned(),
                plugin.version().to_owned(),
                plugin.description().summary.clone(),
            ]
        };
        let rows: Vec<_> = plugins.iter().map(row).collect();
        terminal.table(["KIND", "NAME", "VERSION", "SUMMARY"], &rows);
        Ok(exit::DONE)
    }
}

impl Inspect {
    fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let host = catalogue::host()?;
        let plugin = site::block_on(host.load(named(&self.plugin)?))?
            .map_err(|error| Problem::new(Reason::Configuration, error.to_string()))?;
        if self.printing.format == Format::Json {
            terminal.line(&describe(&plugin).to_string());
            return Ok(exit::DONE);
        }
        let description = plugin.description();
        terminal.line(&format!(
            "{} {} {}",
            plugin.kind().as_str(),
            plugin.name(),
            plugin.version()
        ));
        terminal.line(&format!("  {}", description.summary));
        terminal.line(&format!("  {}", plugin.digest()));
        terminal.line("\nIt can, by its imports, at all:");
        for import in plugin.imports() {
            terminal.line(&format!("  {import}"));
        }
        terminal.line("\nIt asks for:");
        if description.requests.is_empty() {
            terminal.line("  nothing");
        }
        for request in &description.requests {
            terminal.line(&format!("  {}", asked(request)));
        }
        terminal.line("\nIts settings (JSON Schema):");
        let schema = serde_json::to_string_pretty(&description.settings_schema);
        terminal.line(&schema.unwrap_or_default());
        Ok(exit::DONE)
    }
}

/// The plugin that somebody means by a name or a path.
fn named(plugin: &str) -> Result<host::PluginSource, Problem> {
    if plugin.ends_with(".wasm") {
        let path = Path::new(plugin);
        let name = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        return from_file(&name.unwrap_or_default(), None, path)
            .map_err(|reason| Problem::new(Reason::Usage, reason));
    }
    let (kind, name) = match plugin.split_once('/') {
        Some((kind, name)) => (Some(kind), name),
        None => (None, plugin),
    };
    let fits =
        |each: &&bundle::Bundled| each.name == name && kind.is_none_or(|kind| each.kind == kind);
    let found: Vec<_> = bundle::plugins().iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok(bundled(one)),
        [] => Err(Problem::new(Reason::Usage, format!("there is no plugin `{plugin}`"))
            .hint("`runtime plugin list` lists those that come with the program; a component is named by its path, ending in .wasm")),
        several => {
            let names: Vec<_> =
                several.iter().map(|each| format!("{}/{}", each.kind, each.name)).collect();
            Err(Problem::new(Reason::Usage, format!("several plugins are called `{name}`"))
                .hint(format!("write one of {}", names.join(", "))))
        }
    }
}

fn asked(request: &Request) -> String {
    let optional = if request.optional { ", optional" } else { "" };
    format!(
        "{} {} ({}{optional}): {}",
        request.capability, request.scope, request.purpose, request.reason
    )
}

fn describe(plugin: &Loaded) -> serde_json::Value {
    let description = plugin.description();
    json!({
        "kind": plugin.kind().as_str(),
        "name": plugin.name(),
        "version": plugin.version(),
        "digest": plugin.digest(),
        "bundled": plugin.bundled(),
        "imports": plugin.imports(),
        "summary": description.summary,
        "requests": description.requests,
        "settings": description.settings_schema,
        "details": description.details,
    })
}

/// The section of a configuration that uses a plugin, with the settings that it wants.
fn section(plugin: &Loaded) -> String {
    let name = plugin.name();
    let head = match plugin.kind() {
        Kind::Strategy => "[strategy]\n".to_owned(),
        Kind::LoadBalancer => "[load-balancer]\n".to_owned(),
        Kind::Platform => "[platform]\n".to_owned(),
        Kind::HealthCheck => "[[health-checks]]\n".to_owned(),
        Kind::Notifier => "[[notifiers]]\n".to_owned(),
        Kind::Step => format!("[[steps]]\nname = \"{name}\"\nat = \"before-traffic\"\n"),
        Kind::MetricSource => "[[analysis]]\n".to_owned(),
        Kind::SecretSource => "[[secrets]]\n".to_owned(),
    };
    let schema = &plugin.description().settings_schema;
    let wanted = schema["required"].as_array().into_iter().flatten();
    let settings: String = wanted
        .filter_map(|name| Some(format!("# {} = …\n", name.as_str()?)))
        .collect();
    format!("{head}use = \"{name}\"\n{settings}")
}
