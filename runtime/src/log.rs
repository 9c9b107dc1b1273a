//! The deployment's log: one JSON object a line, in a file beside the state, and on standard
//! output where programs read it.

use std::{
    fs::File,
    io::Write,
    path::Path,
    sync::{Mutex, PoisonError},
};

use engine::{Brief, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{display::Level, system, terminal::Terminal};

/// One line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'a str,
    deployment_id: &'a str,
    environment: &'a str,
    message: &'a str,
    context: &'a Map<String, Value>,
}

/// Where a deployment's lines go.
pub(crate) struct Log {
    deployment: String,
    environment: String,
    /// What stands in the context of every line.
    subject: Map<String, Value>,
    file: Option<Mutex<File>>,
    terminal: Option<Terminal>,
}

impl Log {
    /// Opens the log of a deployment that this actor wants, below `folder`. A log that cannot be opened is no reason
    /// not to deploy: the lines then only go to the terminal, where they go there at all.
    pub(crate) fn open(
        folder: &Path,
        brief: &Brief,
        actor: &str,
        terminal: Option<Terminal>,
    ) -> Self {
        let path = folder.join(format!("{}.jsonl", brief.id));
        let file = std::fs::create_dir_all(folder)
            .and_then(|()| File::options().create(true).append(true).open(path))
            .ok();
        Self {
            file: file.map(Mutex::new),
            ..Self::aside(brief, actor, terminal)
        }
    }

    /// The lines of a deployment that another process runs, and keeps.
    pub(crate) fn aside(brief: &Brief, actor: &str, terminal: Option<Terminal>) -> Self {
        Self {
            deployment: brief.id.clone(),
            environment: brief.environment.clone(),
            subject: subject(brief, actor),
            file: None,
            terminal,
        }
    }

    /// Writes a line; `context` is an object. Control characters are escaped, as JSON does it.
    pub(crate) fn write(&self, at: Timestamp, level: Level, message: &str, context: &Value) {
        let mut whole = self.subject.clone();
        whole.extend(context.as_object().cloned().unwrap_or_default());
        let line = Line {
            timestamp: system::rfc3339(at),
            level: level.word(),
            deployment_id: &self.deployment,
            environment: &self.environment,
            message,
            context: &whole,
        };
        let Ok(mut text) = serde_json::to_string(&line) else {
            return;
        };
        if let Some(terminal) = self.terminal {
            terminal.line(&text);
        }
        if let Some(file) = &self.file {
            text.push('\n');
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let _full_disk = file.write_all(text.as_bytes());
        }
    }
}

/// What the deployment is about.
fn subject(brief: &Brief, actor: &str) -> Map<String, Value> {
    let release = &brief.release;
    let mut subject = Map::new();
    let mut add = |key: &str, value: Value| drop(subject.insert(key.to_owned(), value));
    add("application", json!(brief.application));
    add("version", json!(release.version));
    add("release", json!(release.id));
    add("purpose", json!(brief.purpose));
    add("strategy", json!(brief.strategy));
    add("user", json!(actor));
    // The operator's labels: the commit, the builder, …
    for (key, value) in &release.labels {
        add(key, json!(value));
    }
    subject
}
