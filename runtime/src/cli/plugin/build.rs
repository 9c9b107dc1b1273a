//! `runtime plugin build`: makes a component of a project, with its language's own tools.

use std::path::PathBuf;

use clap::Args;
use host::{Kind, Plugin};

use crate::{
    catalogue::{self, from_file},
    exit,
    project::build,
    report::{Problem, Reason},
    site,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The project's folder
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Where to write the component; NAME.wasm in the project where not given
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Build {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let built = build::build(&self.path, self.out.as_deref())?;
        let name = built.file_stem().unwrap_or_default().to_string_lossy();
        let source = from_file(&name, None, &built)
            .map_err(|reason| Problem::new(Reason::Refused, reason))?;
        let length = source.wasm.len();
        let host = catalogue::host()?;
        let plugin = site::block_on(host.load(source))?.map_err(|error| {
            Problem::new(Reason::Refused, "what was built is no plugin").cause(error)
        })?;
        terminal.line(&format!(
            "wrote {} ({} {} {}, {} KiB)",
            built.display(),
            plugin.kind().as_str(),
            plugin.description().name,
            plugin.version(),
            length.div_ceil(1024)
        ));
        terminal.line("\nIn a configuration:\n");
        terminal.print(&used(&plugin, &built.display().to_string()));
        Ok(exit::DONE)
    }
}

/// The lines of a configuration that use a plugin.
fn used(plugin: &Plugin, path: &str) -> String {
    let name = plugin.name();
    let section = match plugin.kind() {
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
    format!(
        "{section}use = \"{name}\"\n{settings}\n[plugins.{name}]\nsource = \"{path}\"\ndigest = \"{}\"\n",
        plugin.digest()
    )
}
