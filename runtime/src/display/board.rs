//! The live part of the terminal: one line a target, and one for what is under way.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use engine::Timestamp;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    display::{
        narration::{duration, percentage},
        view::{Row, State, View},
    },
    system,
};

/// More targets than this are shown group by group.
const ROWS_MAX: usize = 16;
/// Cells of the bar that shows a target's part of the traffic.
const BAR: usize = 20;
/// How often the clock on the board moves.
const TICK: Duration = Duration::from_millis(100);

/// The live part of the terminal.
pub(crate) struct Board {
    screen: MultiProgress,
    lines: Vec<ProgressBar>,
    footer: ProgressBar,
    view: Arc<Mutex<View>>,
    started: Timestamp,
}

impl Board {
    /// Draws the board. Its footer's clock moves by itself.
    pub(crate) fn new(view: Arc<Mutex<View>>, started: Timestamp) -> Arc<Self> {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let count = shown(&lock(&view)).len();
        let plain =
            ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let line = |_| {
            let bar = ProgressBar::new(0).with_style(plain.clone());
            screen.add(bar)
        };
        let lines: Vec<ProgressBar> = (0..count).map(line).collect();
        let footer =
            screen.add(ProgressBar::new_spinner().with_style(
                ProgressStyle::with_template("{spinner} {msg}").unwrap_or(plain.clone()),
            ));
        let board = Arc::new(Self {
            screen,
            lines,
            footer,
            view,
            started,
        });
        board.draw();
        board.clone().tick();
        board
    }

    /// Prints a line above the board.
    pub(crate) fn line(&self, text: &str) {
        for line in text.lines() {
            let _closed = self.screen.println(line);
        }
    }

    /// Draws what is to be seen now.
    pub(crate) fn draw(&self) {
        let view = lock(&self.view);
        for (line, text) in self.lines.iter().zip(shown(&view)) {
            line.set_message(text);
        }
        let now = system::now();
        let mut parts = Vec::new();
        if view.undoing {
            parts.push("taking everything back".to_owned());
        }
        parts.extend(view.stage.clone());
        if let Some(until) = view.until.filter(|until| *until > now) {
            parts.push(format!("{} left", duration(until.since_ms(now))));
        }
        parts.push(format!("{} elapsed", duration(now.since_ms(self.started))));
        if !view.undoing {
            parts.push("Ctrl-C takes it back".to_owned());
        }
        self.footer.set_message(parts.join(" · "));
        self.footer.tick();
    }

    /// Takes the board away.
    pub(crate) fn clear(&self) {
        self.footer.finish_and_clear();
        let _closed = self.screen.clear();
        self.screen.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// Lives as long as the board does: it holds the board only while it draws.
    fn tick(self: Arc<Self>) {
        let board = Arc::downgrade(&self);
        drop(self);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(TICK);
                match board.upgrade() {
                    Some(board) if !board.footer.is_finished() => board.draw(),
                    _ => return,
                }
            }
        });
    }
}

/// The lines of the board.
fn shown(view: &View) -> Vec<String> {
    if view.rows.len() <= ROWS_MAX {
        let width = view
            .rows
            .iter()
            .map(|row| row.target.as_str().len())
            .max()
            .unwrap_or(0);
        let group = view
            .rows
            .iter()
            .map(|row| row.group.as_str().len())
            .max()
            .unwrap_or(0);
        return view
            .rows
            .iter()
            .map(|row| target(row, width, group))
            .collect();
    }
    let mut groups: Vec<(&str, f64, usize, usize)> = Vec::new();
    for row in &view.rows {
        let name = row.group.as_str();
        let healthy = usize::from(row.state == State::Healthy);
        match groups.iter_mut().find(|(group, ..)| *group == name) {
            Some((_, percent, count, well)) => {
                *percent += row.percent;
                *count += 1;
                *well += healthy;
            }
            None => groups.push((name, row.percent, 1, healthy)),
        }
    }
    let line = |(name, percent, count, well): (&str, f64, usize, usize)| {
        let part = percentage(percent);
        format!(
            "  {name:12} {} {part:>7}  {well} of {count} healthy",
            bar(percent)
        )
    };
    groups.into_iter().map(line).collect()
}

fn target(row: &Row, name: usize, group: usize) -> String {
    let colour = match row.state {
        State::Healthy => Some(AnsiColor::Green),
        State::Failed | State::LeftOut => Some(AnsiColor::Red),
        State::Idle => None,
        _ => Some(AnsiColor::Yellow),
    };
    let style = Style::new().fg_color(colour.map(Into::into));
    let release = row.active.as_ref().map_or("-", |id| id.as_str());
    format!(
        "  {:name$}  {:group$}  {} {:>7}  {release}  {style}{}{style:#}",
        row.target,
        row.group,
        bar(row.percent),
        percentage(row.percent),
        row.state.word(),
    )
}

fn bar(percent: f64) -> String {
    // A part that is not 0 is never drawn as nothing.
    let full = match percent {
        0.0 => 0,
        percent => ((percent / 100.0 * BAR as f64).round() as usize).clamp(1, BAR),
    };
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}

fn lock(view: &Mutex<View>) -> std::sync::MutexGuard<'_, View> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}
