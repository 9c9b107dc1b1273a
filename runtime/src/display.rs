//! Shows a deployment while it runs: a live board on a terminal, plain lines elsewhere, JSON
//! lines on request; and writes the log.

mod board;
mod facts;
mod narration;
mod story;
mod view;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use anstyle::{AnsiColor, Style};
use engine::{Brief, Event, Observer, StepRule, Timestamp};
use serde_json::{Value, json};

pub(crate) use self::narration::{
    Level, both_ways, closing, count, describe, duration, heeded, names, origin, percentage,
    remedies, shares, taken_back_by, word,
};
pub(crate) use self::story::Story;
use self::{board::Board, narration::Sentence, view::View};
use crate::{cli::Format, log::Log, terminal::Terminal};

/// Shows a deployment while it runs.
pub(crate) struct Display {
    terminal: Terminal,
    format: Format,
    log: Arc<Log>,
    subject: String,
    /// Before every line where several deployments share the output.
    label: String,
    started: Timestamp,
    steps: Vec<StepRule>,
    view: Arc<Mutex<View>>,
    cut: AtomicU64,
    board: Option<Arc<Board>>,
}

impl Display {
    /// Begins to show. The board appears only where a person looks.
    pub(crate) fn new(
        brief: &Brief,
        format: Format,
        terminal: Terminal,
        log: Arc<Log>,
        started: Timestamp,
    ) -> Self {
        let view = Arc::new(Mutex::new(View::new(brief)));
        let live = format == Format::Human && terminal.interactive;
        let board = live.then(|| Board::new(view.clone(), started));
        Self {
            terminal,
            format,
            log,
            subject: format!("{} {}", brief.application, brief.release.version),
            label: String::new(),
            started,
            steps: brief.rules.steps.clone(),
            view,
            cut: AtomicU64::new(0),
            board,
        }
    }

    /// The same, with that before every line.
    pub(crate) fn labelled(self, label: String) -> Self {
        Self { label, ..self }
    }

    /// Prints a line, above the board where there is one.
    pub(crate) fn line(&self, text: &str) {
        match &self.board {
            Some(board) => board.line(text),
            None if self.format == Format::Human => {
                self.terminal.line(&format!("{}{text}", self.label));
            }
            None => {}
        }
    }

    /// Says that the deployment begins: the first line, also of the log.
    pub(crate) fn opening(&self, text: &str, context: &Value) {
        self.log.write(self.started, Level::Info, text, context);
        self.line(text);
    }

    /// What was cut off by drains, in words; none where nothing was.
    pub(crate) fn cut_off(&self) -> Option<String> {
        let cut = self.cut.load(Ordering::Relaxed);
        (cut > 0).then(|| narration::cut_off(cut))
    }

    /// Takes the board away, so that what follows is printed below what was.
    pub(crate) fn close(&self) {
        if let Some(board) = &self.board {
            board.clear();
        }
    }

    fn say(&self, sentence: &Sentence) {
        if sentence.level == Level::Debug {
            return;
        }
        let (mark, colour) = match sentence.level {
            Level::Error => ("✗", AnsiColor::Red),
            Level::Warn => ("!", AnsiColor::Yellow),
            _ => ("·", AnsiColor::Green),
        };
        let style = Style::new().fg_color(Some(colour.into()));
        self.line(&format!("  {style}{mark}{style:#} {}", sentence.text));
    }
}

impl Observer for Display {
    fn event(&self, at: Timestamp, event: &Event<'_>) {
        self.view
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .follow(event);
        if let Event::Ended(_, outcome) = event {
            self.cut
                .fetch_add(narration::cut(outcome), Ordering::Relaxed);
        }
        if let Some(mut sentence) = narration::tell(event, &self.steps) {
            sentence.context["event"] = json!(name(event));
            if let Event::Closed(_) = event {
                let took = at.since_ms(self.started);
                sentence.context["duration_ms"] = json!(took);
                sentence.text = format!("{} {} ({})", self.subject, sentence.text, duration(took));
            }
            self.log
                .write(at, sentence.level, &sentence.text, &sentence.context);
            // The verdict is printed at the very end, with what to do next.
            if !matches!(event, Event::Closed(_)) {
                self.say(&sentence);
            }
        }
        if let Some(board) = &self.board {
            board.draw();
        }
    }
}

/// The event's name in the log.
fn name(event: &Event<'_>) -> &'static str {
    match event {
        Event::Started(_) => "started",
        Event::Ended(..) => "ended",
        Event::Stage(_) => "stage",
        Event::Traffic(_) => "traffic",
        Event::Health { .. } => "health",
        Event::Waiting { .. } => "waiting",
        Event::LeftOut { .. } => "left-out",
        Event::Resumed { .. } => "resumed",
        Event::Heeded(_) => "heeded",
        Event::Interrupted(_) => "interrupted",
        Event::Undoing { .. } => "undoing",
        Event::Closed(_) => "closed",
    }
}
