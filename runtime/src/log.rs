//! The deployment's log: one JSON object a line, in a file beside the state, and on standard
//! output where programs read it.

use std::{
    fs::File,
    io::Write,
    path::Path,
    sync::{Mutex, PoisonError},
};

use engine::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{display::Level, system, terminal::Terminal};

/// One line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'a str,
    deployment_id: &'a str,
    environment: &'a str,
    message: &'a str,
    context: &'a Value,
}

/// Where a deployment's lines go.
pub(crate) struct Log {
    deployment: String,
    environment: String,
    file: Option<Mutex<File>>,
    terminal: Option<Terminal>,
}

impl Log {
    /// Opens the log of a deployment below `folder`. A log that cannot be opened is no reason
    /// not to deploy: the lines then only go to the terminal, where they go there at all.
    pub(crate) fn open(
        folder: &Path,
        deployment: &str,
        environment: &str,
        terminal: Option<Terminal>,
    ) -> Self {
        let path = folder.join(format!("{deployment}.jsonl"));
        let file = std::fs::create_dir_all(folder)
            .and_then(|()| File::options().create(true).append(true).open(path))
            .ok();
        Self {
            deployment: deployment.to_owned(),
            environment: environment.to_owned(),
            file: file.map(Mutex::new),
            terminal,
        }
    }

    /// Writes a line. Control characters are escaped, as JSON does it.
    pub(crate) fn write(&self, at: Timestamp, level: Level, message: &str, context: &Value) {
        let line = Line {
            timestamp: system::rfc3339(at),
            level: level.word(),
            deployment_id: &self.deployment,
            environment: &self.environment,
            message,
            context,
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
