//! `runtime schema`: a JSON Schema of the configuration, for editors.

use clap::Args;
use configuration::{Kind, PluginSchema};

use crate::{
    catalogue::{self, bundled},
    exit,
    report::{Problem, Reason},
    site,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Schema {}

impl Schema {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let host = catalogue::host()?;
        let sources = bundle::plugins().iter().map(bundled).collect();
        let mut loaded = Vec::new();
        for plugin in site::block_on(host.load_all(sources))? {
            loaded.push(plugin.map_err(|error| Problem::new(Reason::Bug, error.to_string()))?);
        }
        let schema = |plugin: &'_ host::Plugin| {
            let kind = Kind::ALL
                .into_iter()
                .find(|kind| catalogue::kind(*kind) == plugin.kind());
            kind.map(|kind| {
                (
                    kind,
                    plugin.name().to_owned(),
                    plugin.description().settings_schema.clone(),
                )
            })
        };
        let owned: Vec<_> = loaded.iter().filter_map(schema).collect();
        let plugins: Vec<_> = owned
            .iter()
            .map(|(kind, name, settings)| PluginSchema {
                kind: *kind,
                name,
                settings,
            })
            .collect();
        let text = serde_json::to_string_pretty(&configuration::schema(&plugins))
            .map_err(|error| Problem::new(Reason::Bug, error.to_string()))?;
        terminal.line(&text);
        Ok(exit::DONE)
    }
}
