//! The one place that prints: results to standard output, the rest to standard error.

use std::io::{IsTerminal, Write};

/// The cells of a line where nobody looks, and the fewest of a terminal that are reckoned with.
const WIDTH: usize = 100;
const WIDTH_MIN: usize = 40;

/// The program's own output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// Whether a person looks at standard output.
    pub(crate) interactive: bool,
}

impl Terminal {
    /// Looks at what standard output is.
    pub(crate) fn new() -> Self {
        Self {
            interactive: std::io::stdout().is_terminal(),
        }
    }

    /// How many cells a line has: what `COLUMNS` says, else what the terminal does.
    pub(crate) fn width(&self) -> usize {
        let said = std::env::var("COLUMNS").ok();
        let said = said.and_then(|columns| columns.parse().ok());
        let size = || rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        let seen = || size().map(|size| usize::from(size.ws_col));
        let width = said.or_else(|| seen().filter(|_| self.interactive));
        width
            .filter(|width| *width > 0)
            .unwrap_or(WIDTH)
            .max(WIDTH_MIN)
    }

    /// Prints text as it is. A reader that went away (`| head`) is no error.
    pub(crate) fn print(&self, text: &str) {
        let mut out = anstream::stdout().lock();
        let _closed_pipe = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Prints a line.
    pub(crate) fn line(&self, text: &str) {
        let mut out = anstream::stdout().lock();
        let _closed_pipe = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    /// Prints a line beside the results.
    pub(crate) fn aside(&self, text: &str) {
        let mut out = anstream::stderr().lock();
        let _closed_pipe = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    /// Prints rows under headings, each column as wide as its widest cell.
    pub(crate) fn table<const N: usize>(&self, headings: [&str; N], rows: &[[String; N]]) {
        let mut widths = headings.map(str::len);
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |cells: [&str; N]| {
            let padded = cells
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}"));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.line(&line(headings.map(|heading| heading)));
        for row in rows {
            self.line(&line(std::array::from_fn(|column| row[column].as_str())));
        }
    }
}
