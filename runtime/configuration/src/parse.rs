//! From a TOML text to a tree, with every mistake in its grammar that is worth telling.

use std::{ops::Range, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue, Error},
};

use crate::{
    problem::Problem,
    source::{Place, Source},
    tree::{Entry, Kind, Node, Table},
};

/// How the parser calls a key that is there twice; all other messages are about the grammar.
const DUPLICATE: &str = "duplicate key";

/// Reads a whole document.
pub(crate) fn document(source: &Arc<Source>, problems: &mut Vec<Problem>) -> Node {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    tell(source, errors, problems);
    let mut reader = Reader {
        source,
        offset: 0,
        problems,
    };
    let kind = Kind::Table(reader.table(document.into_inner()));
    Node {
        place: Place {
            source: source.clone(),
            span: 0..0,
        },
        kind,
    }
}

/// Reads one value, which begins at `offset` of the source.
pub(crate) fn value(source: &Arc<Source>, offset: usize) -> Result<Node, Problem> {
    let text = source.text.get(offset..).unwrap_or_default();
    let value = DeValue::parse(text).map_err(|error| grammar(source, offset, &error))?;
    let mut problems = Vec::new();
    let mut reader = Reader {
        source,
        offset,
        problems: &mut problems,
    };
    let node = reader.node(value);
    problems.pop().map_or(Ok(node), Err)
}

/// Tells every double key, and the first mistake in the grammar: what comes after one is guessed.
fn tell(source: &Arc<Source>, errors: Vec<Error>, problems: &mut Vec<Problem>) {
    let (double, other): (Vec<_>, Vec<_>) = errors
        .into_iter()
        .partition(|error| error.message() == DUPLICATE);
    let start = |error: &&Error| error.span().map_or(0, |span| span.start);
    problems.extend(double.iter().map(|error| {
        let place = place(source, 0, error);
        let key = source
            .text
            .get(place.span.clone())
            .unwrap_or_default()
            .to_owned();
        Problem::new("duplicate-key", format!("`{key}` is there twice"))
            .at(place, "the second one")
            .help("keep one of them")
    }));
    problems.extend(
        other
            .iter()
            .min_by_key(start)
            .map(|error| grammar(source, 0, error)),
    );
}

fn grammar(source: &Arc<Source>, offset: usize, error: &Error) -> Problem {
    Problem::new("syntax", format!("this is not TOML: {}", error.message()))
        .at(place(source, offset, error), "")
}

fn place(source: &Arc<Source>, offset: usize, error: &Error) -> Place {
    let span = error.span().unwrap_or_default();
    Place {
        source: source.clone(),
        span: span.start + offset..span.end + offset,
    }
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    offset: usize,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        let span = span.start + self.offset..span.end + self.offset;
        Place {
            source: self.source.clone(),
            span,
        }
    }

    fn table(&mut self, table: DeTable<'_>) -> Table {
        let entries = table.into_iter().map(|(key, value)| {
            let place = self.place(key.span());
            let entry = Entry {
                key: place,
                node: self.node(value),
            };
            (key.into_inner().into_owned(), entry)
        });
        entries.collect()
    }

    fn node(&mut self, value: Spanned<DeValue<'_>>) -> Node {
        let place = self.place(value.span());
        let kind = match value.into_inner() {
            DeValue::String(text) => Kind::Text(text.into_owned()),
            DeValue::Integer(number) => {
                let read = i64::from_str_radix(number.as_str(), number.radix());
                Kind::Integer(read.unwrap_or_else(|_| {
                    self.out_of_range(&place);
                    0
                }))
            }
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) if f64::is_finite(number) => Kind::Float(number),
                _ => {
                    self.out_of_range(&place);
                    Kind::Float(0.0)
                }
            },
            DeValue::Boolean(boolean) => Kind::Boolean(boolean),
            DeValue::Datetime(date) => Kind::Date(date.to_string()),
            DeValue::Array(items) => {
                Kind::List(items.into_iter().map(|item| self.node(item)).collect())
            }
            DeValue::Table(table) => Kind::Table(self.table(table)),
        };
        Node { place, kind }
    }

    fn out_of_range(&mut self, place: &Place) {
        let problem = Problem::new("out-of-range", "this number is out of range");
        self.problems
            .push(problem.at(place.clone(), "too large, or not a number at all"));
    }
}
