//! Lines of a plugin's log: one line each, escaped, of a bounded length, without secrets.

use bindings::logs::Level;

use crate::{
    audit::escaped,
    call::{CallState, now},
    services::LogLine,
};

/// Characters of a message that are kept: enough for a stack trace on one line.
const MESSAGE_MAX: usize = 8_000;
/// Fields of a line that are kept.
const FIELDS_MAX: usize = 32;
/// Characters of a field that are kept.
const FIELD_MAX: usize = 1_000;

impl CallState {
    pub(crate) fn write_log(&self, level: Level, message: String, fields: Vec<(String, String)>) {
        // Secrets first: an escaped or cut value would no longer be found.
        let redact = |text: String| self.sealed.redact(text);
        self.services.logs.line(LogLine {
            at: now(),
            level,
            plugin: self.plugin.name().to_owned(),
            deployment: self.context.deployment.clone(),
            message: escaped(&redact(message), MESSAGE_MAX),
            fields: fields_of(fields, redact),
        });
    }
}

/// A line's fields as they are kept.
pub(crate) fn fields_of(
    fields: Vec<(String, String)>,
    redact: impl Fn(String) -> String,
) -> Vec<(String, String)> {
    fields
        .into_iter()
        .take(FIELDS_MAX)
        .map(|(name, value)| {
            (
                escaped(&redact(name), FIELD_MAX),
                escaped(&redact(value), FIELD_MAX),
            )
        })
        .collect()
}

/// A line's message as it is kept.
pub(crate) fn message_of(message: &str) -> String {
    escaped(message, MESSAGE_MAX)
}
