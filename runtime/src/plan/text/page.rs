//! Lines on a terminal, none longer than it is wide where that can be helped.

use anstyle::Style;

use crate::terminal::Terminal;

/// What stands out.
pub(super) const BOLD: Style = Style::new().bold();

/// Where it is printed.
pub(super) struct Page<'a> {
    pub(super) terminal: &'a Terminal,
    /// Cells of a line.
    pub(super) width: usize,
}

impl<'a> Page<'a> {
    /// A page on that terminal, as wide as it is.
    pub(super) fn on(terminal: &'a Terminal) -> Self {
        let width = terminal.width();
        Self { terminal, width }
    }

    /// Prints a line.
    pub(super) fn line(&self, text: &str) {
        self.terminal.line(text);
    }

    /// Begins a section.
    pub(super) fn heading(&self, text: &str) {
        self.line(&format!("\n{BOLD}{text}{BOLD:#}"));
    }

    /// A paragraph behind `first`, which is so many cells wide; further lines begin there, too.
    pub(super) fn wrapped(&self, first: &str, indent: usize, text: &str) {
        let mut lines = wrap(text, self.width.saturating_sub(indent)).into_iter();
        self.line(&format!("{first}{}", lines.next().unwrap_or_default()));
        for line in lines {
            self.line(&format!("{:indent$}{line}", ""));
        }
    }
}

/// Lines of at most so many cells, broken between words; a word that is longer stands alone.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        let fits = line + 1 + word.chars().count() <= width;
        match lines.last_mut() {
            Some(last) if line == 0 => last.push_str(word),
            Some(last) if fits => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        let check = |text: &str, width, expected: &[&str]| {
            assert_eq!(wrap(text, width), expected, "{text} in {width}");
        };
        check("one two three", 20, &["one two three"]);
        check("one two three", 7, &["one two", "three"]);
        check("one two three", 3, &["one", "two", "three"]);
        check(
            "a-word-that-is-long and",
            5,
            &["a-word-that-is-long", "and"],
        );
        check("", 5, &[""]);
    }
}
