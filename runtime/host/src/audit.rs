//! Writes down each use of a capability at its end, also where it is cut off.

use std::{sync::Arc, time::Instant};

use engine::Failure;

use crate::{
    call::{CallState, now},
    secret::Sealed,
    services::{AuditEntry, AuditSink},
};

/// Characters of a subject that are kept.
const SUBJECT_MAX: usize = 500;

/// A use of a capability that goes on.
pub(crate) struct Use {
    entry: Option<AuditEntry>,
    began: Instant,
    sink: Arc<dyn AuditSink>,
    sealed: Arc<Sealed>,
}

impl Use {
    pub(crate) fn begin(
        call: &CallState,
        capability: &'static str,
        action: &str,
        subject: &str,
        machine: Option<String>,
    ) -> Self {
        let entry = AuditEntry {
            at: now(),
            plugin: call.plugin.name().to_owned(),
            version: call.plugin.version().to_owned(),
            deployment: call.context.deployment.clone(),
            call: call.context.id.clone(),
            capability,
            action: action.to_owned(),
            subject: call.sealed.redact(escaped(subject, SUBJECT_MAX)),
            machine,
            secrets: Vec::new(),
            took_ms: 0,
            ended: String::new(),
        };
        Self {
            entry: Some(entry),
            began: Instant::now(),
            sink: Arc::clone(&call.services.audit),
            sealed: Arc::clone(&call.sealed),
        }
    }

    /// The values of these secrets go out with it.
    pub(crate) fn with_secrets(&mut self, names: &[String]) {
        if let Some(entry) = &mut self.entry {
            for name in names {
                if !entry.secrets.contains(name) {
                    entry.secrets.push(name.clone());
                }
            }
        }
    }

    /// Writes it down, with how it ended, and passes the result on.
    pub(crate) fn ended<T>(mut self, result: Result<T, Failure>) -> Result<T, Failure> {
        self.ended_with(&result, |_| "ok".to_owned());
        result
    }

    /// The same, where an answer has more to say than that there was one.
    pub(crate) fn ended_as<T>(
        mut self,
        result: Result<T, Failure>,
        say: impl FnOnce(&T) -> String,
    ) -> Result<T, Failure> {
        self.ended_with(&result, say);
        result
    }

    fn ended_with<T>(&mut self, result: &Result<T, Failure>, say: impl FnOnce(&T) -> String) {
        let ended = match result {
            Ok(answer) => say(answer),
            Err(failure) => format!("{}: {}", failure.code, failure.message),
        };
        self.record(&ended);
    }

    fn record(&mut self, ended: &str) {
        if let Some(mut entry) = self.entry.take() {
            entry.took_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            entry.ended = self.sealed.redact(escaped(ended, SUBJECT_MAX));
            self.sink.record(entry);
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.record("cut off");
    }
}

/// One line of at most so many characters, in which nothing moves a terminal's cursor.
pub(crate) fn escaped(text: &str, longest: usize) -> String {
    escaped_but(text, longest, |_| false)
}

/// The same, of several lines: what a program wrote, as a rule.
pub(crate) fn escaped_lines(text: &str, longest: usize) -> String {
    escaped_but(text, longest, |c| c == '\n' || c == '\t')
}

fn escaped_but(text: &str, longest: usize, kept: impl Fn(char) -> bool) -> String {
    let mut line = String::with_capacity(text.len().min(longest));
    for (count, c) in text.chars().enumerate() {
        if count >= longest {
            line.push('…');
            break;
        }
        // Also the marks that turn the direction of what follows.
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let breaks = c == '\u{2028}' || c == '\u{2029}';
        if !kept(c) && (c.is_control() || turns || breaks) {
            line.extend(c.escape_debug());
        } else {
            line.push(c);
        }
    }
    line
}
