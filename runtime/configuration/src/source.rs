//! Texts that values come from, and places in them.

use std::{ops::Range, path::PathBuf, sync::Arc};

/// A text that values come from: a file, or one `--set` of the command line.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// What stands before line and column in a message.
    pub name: String,
    /// The file; none where it is the command line.
    pub path: Option<PathBuf>,
    /// The whole text.
    pub text: String,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The text.
    pub source: Arc<Source>,
    /// The part, in bytes.
    pub span: Range<usize>,
}

impl Place {
    /// Line and column of its beginning, both from 1; the column counts characters.
    pub fn line_column(&self) -> (usize, usize) {
        let before = self
            .source
            .text
            .get(..self.span.start)
            .unwrap_or(&self.source.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before[line_start..].chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }

    /// The line in which it begins.
    pub fn line(&self) -> &str {
        self.source
            .text
            .lines()
            .nth(self.line_column().0 - 1)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let text = "a = 1\nü = ä\n".to_owned();
        let source = Arc::new(Source {
            name: "x".into(),
            path: None,
            text,
        });
        let check = |span: Range<usize>, at, line| {
            let place = Place {
                source: source.clone(),
                span,
            };
            assert_eq!(place.line_column(), at);
            assert_eq!(place.line(), line);
        };
        check(0..1, (1, 1), "a = 1");
        check(11..13, (2, 5), "ü = ä");
        check(14..14, (3, 1), "");
    }
}
