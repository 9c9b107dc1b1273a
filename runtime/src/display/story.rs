//! Tells a rehearsed run line by line, each with the virtual time since its beginning.

use std::sync::OnceLock;

use engine::{Brief, Event, Observer, StepRule, Timestamp};

use super::narration::{self, Level};
use crate::terminal::Terminal;

/// Prints what it hears.
pub(crate) struct Story {
    terminal: Terminal,
    steps: Vec<StepRule>,
    began: OnceLock<Timestamp>,
}

impl Story {
    /// For a deployment of this.
    pub(crate) fn new(brief: &Brief, terminal: Terminal) -> Self {
        Self {
            terminal,
            steps: brief.rules.steps.clone(),
            began: OnceLock::new(),
        }
    }
}

impl Observer for Story {
    fn event(&self, at: Timestamp, event: &Event<'_>) {
        let began = *self.began.get_or_init(|| at);
        let sentence = narration::tell(event, &self.steps);
        let Some(sentence) = sentence.filter(|sentence| sentence.level != Level::Debug) else {
            return;
        };
        let mark = match sentence.level {
            Level::Error => "✗",
            Level::Warn => "!",
            _ => "·",
        };
        let since = narration::duration(at.since_ms(began));
        self.terminal
            .line(&format!("{since:>8}  {mark} {}", sentence.text));
    }
}
