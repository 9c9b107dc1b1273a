//! `runtime plugin add`: lets a configuration use a plugin from a file, pinned by its digest. All
//! else in the configuration stays as somebody wrote it.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use host::Plugin;
use tempfile::NamedTempFile;
use toml_edit::{DocumentMut, Item, Table, value};

use super::{asked, named, section};
use crate::{
    catalogue,
    cli::Chosen,
    exit,
    report::{Problem, Reason},
    site,
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The component: NAME.wasm
    file: PathBuf,
    /// What the configuration calls it; the file's name where not given
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
}

impl Add {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let mut source = named(&self.file.to_string_lossy())?;
        if let Some(name) = self.name {
            source.name = name;
        }
        if source.bundled {
            let title = format!("{} comes with the program", source.name);
            return Err(Problem::new(Reason::Usage, title)
                .hint(format!("`use = \"{}\"` is enough", source.name)));
        }
        let host = catalogue::host()?;
        let plugin = site::block_on(host.load(source))?
            .map_err(|error| Problem::new(Reason::Usage, error.to_string()))?;
        let path = &self.chosen.config;
        let refused = |what: &str, error: &dyn std::fmt::Display| {
            Problem::new(Reason::Usage, format!("{} {what}", path.display())).cause(error)
        };
        let text = fs::read_to_string(path).map_err(|error| {
            refused("cannot be read", &error).hint("`--config FILE` names another")
        })?;
        let (text, before) = with(&text, &plugin, &place(path, &self.file))
            .map_err(|reason| refused("was not changed", &reason))?;
        replace(path, &text).map_err(|error| refused("cannot be written", &error))?;
        told(terminal, path, &plugin, before.as_deref());
        Ok(exit::DONE)
    }
}

/// The text with the plugin in it, and the digest that was pinned before.
fn with(text: &str, plugin: &Plugin, place: &str) -> Result<(String, Option<String>), String> {
    let mut document: DocumentMut = text.parse().map_err(|error| format!("{error}"))?;
    let plugins = document.entry("plugins").or_insert_with(|| {
        let mut plugins = Table::new();
        // Only `[plugins.NAME]` is to be seen.
        plugins.set_implicit(true);
        Item::Table(plugins)
    });
    let plugins = plugins
        .as_table_like_mut()
        .ok_or("`plugins` in it is no table")?;
    let own = plugins
        .entry(plugin.name())
        .or_insert_with(|| Item::Table(Table::new()));
    let own = own
        .as_table_like_mut()
        .ok_or_else(|| format!("`plugins.{}` in it is no table", plugin.name()))?;
    let before = own.get("digest").and_then(Item::as_str).map(str::to_owned);
    own.insert("source", value(place));
    own.insert("digest", value(plugin.digest()));
    Ok((document.to_string(), before))
}

/// The file as seen from the configuration: relative where it lies below its folder.
fn place(configuration: &Path, file: &Path) -> String {
    let absolute = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let file = absolute(file);
    let configuration = absolute(configuration);
    let below = configuration
        .parent()
        .and_then(|folder| file.strip_prefix(folder).ok());
    below.unwrap_or(&file).display().to_string()
}

/// Writes beside the file and renames: whoever reads it gets the old text or the new one.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    // Where it is a link, what it points to is replaced.
    let path = path.canonicalize()?;
    let mut file = NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file()
        .set_permissions(fs::metadata(&path)?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn told(terminal: &Terminal, path: &Path, plugin: &Plugin, before: Option<&str>) {
    let what = match before {
        None => "is in",
        Some(digest) if digest == plugin.digest() => "was already in",
        Some(_) => "was replaced in",
    };
    terminal.line(&format!(
        "{} `{}` {} {what} {}, pinned by its digest",
        plugin.kind().as_str(),
        plugin.name(),
        plugin.version(),
        path.display()
    ));
    let requests = &plugin.description().requests;
    if !requests.is_empty() {
        terminal.line("\nIt may be granted:");
    }
    for request in requests {
        terminal.line(&format!("  {}", asked(request)));
    }
    terminal.line("\nTo use it:\n");
    terminal.print(&section(plugin));
}
