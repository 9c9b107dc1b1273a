//! What the command line says over the file: `--set key=value` and `--strategy`.

use std::sync::Arc;

use crate::{
    Overrides, parse,
    problem::Problem,
    source::{Place, Source},
    tree::{Entry, Kind, Node, Table},
};

/// The name of the command line where a file is named otherwise.
const COMMAND_LINE: &str = "command line";

/// Puts the overrides over the tree, in their order; the strategy's name first, so that its
/// settings can be set.
pub(crate) fn apply(root: &mut Node, overrides: &Overrides, problems: &mut Vec<Problem>) {
    if let Some(strategy) = &overrides.strategy {
        let source = source(format!("--strategy {strategy}"));
        let place = Place {
            span: 11..source.text.len(),
            source,
        };
        let value = Node {
            place: place.clone(),
            kind: Kind::Text(strategy.clone()),
        };
        let keys = ["strategy", "use"].map(|key| (key.to_owned(), place.clone()));
        problems.extend(assign(root, &keys, value).err());
    }
    for set in &overrides.set {
        let done = parse_set(set).and_then(|(keys, value)| assign(root, &keys, value));
        problems.extend(done.err());
    }
}

fn source(text: String) -> Arc<Source> {
    Arc::new(Source {
        name: COMMAND_LINE.into(),
        path: None,
        text,
    })
}

/// The keys on the way, outermost first, and the value.
type Assignment = (Vec<(String, Place)>, Node);

fn parse_set(set: &str) -> Result<Assignment, Problem> {
    /// What stands before the operator's words in the line that a problem shows.
    const OPTION: &str = "--set ";
    let source = source(format!("{OPTION}{set}"));
    let place = |span| Place {
        source: source.clone(),
        span,
    };
    let Some((key, value)) = set.split_once('=') else {
        return Err(
            Problem::new("command-line", "`--set` takes a key and a value")
                .at(place(OPTION.len()..source.text.len()), "there is no `=`")
                .help("write it like `--set strategy.soak=30s`"),
        );
    };
    let value_start = OPTION.len() + key.len() + 1;
    Ok((
        keys(&source, OPTION.len(), key)?,
        self::value(&source, value_start, value)?,
    ))
}

/// Reads a dotted key by TOML's own rules.
fn keys(source: &Arc<Source>, offset: usize, key: &str) -> Result<Vec<(String, Place)>, Problem> {
    let whole = Place {
        source: source.clone(),
        span: offset..offset + key.len(),
    };
    let wrong = || {
        Problem::new("command-line", format!("`{key}` is no key"))
            .at(whole.clone(), "not a key of TOML")
            .help("write it like `strategy.soak`, and quote what is not a plain word")
    };
    let assignment = Arc::new(Source {
        name: source.name.clone(),
        path: None,
        text: format!("{key}=0"),
    });
    let mut problems = Vec::new();
    let mut node = parse::document(&assignment, &mut problems);
    if !problems.is_empty() {
        return Err(wrong());
    }
    let mut keys = Vec::new();
    while let Kind::Table(table) = node.kind {
        let (key, entry) = table.into_iter().next().ok_or_else(wrong)?;
        let span = entry.key.span.start + offset..entry.key.span.end + offset;
        keys.push((
            key,
            Place {
                source: source.clone(),
                span,
            },
        ));
        node = entry.node;
    }
    Ok(keys)
}

/// Reads a TOML value; what is none, and does not look as if it should be one, is a text, so that
/// `--set strategy.soak=30s` needs no quotes within quotes.
fn value(source: &Arc<Source>, offset: usize, text: &str) -> Result<Node, Problem> {
    let blank = text.len() - text.trim_start().len();
    let (offset, text) = (offset + blank, text.trim());
    match parse::value(source, offset) {
        Ok(node) => Ok(node),
        Err(problem) if text.starts_with(['"', '\'', '[', '{']) => Err(problem),
        Err(_) => {
            let place = Place {
                source: source.clone(),
                span: offset..offset + text.len(),
            };
            Ok(Node {
                place,
                kind: Kind::Text(text.into()),
            })
        }
    }
}

/// Puts a value where the keys lead, making the tables on the way.
fn assign(root: &mut Node, keys: &[(String, Place)], value: Node) -> Result<(), Problem> {
    let Some(((last, place), way)) = keys.split_last() else {
        return Ok(());
    };
    let mut node = root;
    for (key, place) in way {
        node = enter(node, key, place)?;
    }
    match &mut node.kind {
        Kind::List(items) => {
            let count = items.len();
            let item = last
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get_mut(index));
            *item.ok_or_else(|| no_item(last, place, count))? = value;
        }
        Kind::Table(table) => {
            let other = |entry: &Entry| entry.node.text() != value.text();
            if last == "use" && table.get("use").is_some_and(other) {
                // The settings of one plugin mean nothing to another.
                table.clear();
            }
            table.insert(
                last.clone(),
                Entry {
                    key: place.clone(),
                    node: value,
                },
            );
        }
        _ => return Err(no_table(node, last, place)),
    }
    Ok(())
}

fn enter<'a>(node: &'a mut Node, key: &str, place: &Place) -> Result<&'a mut Node, Problem> {
    let refusal = no_table(node, key, place);
    match &mut node.kind {
        Kind::List(items) => {
            let count = items.len();
            let item = key
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get_mut(index));
            item.ok_or_else(|| no_item(key, place, count))
        }
        Kind::Table(table) => {
            let entry = table.entry(key.to_owned()).or_insert_with(|| Entry {
                key: place.clone(),
                node: Node {
                    place: place.clone(),
                    kind: Kind::Table(Table::new()),
                },
            });
            Ok(&mut entry.node)
        }
        _ => Err(refusal),
    }
}

fn no_item(key: &str, place: &Place, count: usize) -> Problem {
    Problem::new("command-line", format!("`{key}` is no item of this list"))
        .at(place.clone(), "expected the number of an item")
        .help(format!("the list has {count}, counted from 0"))
}

fn no_table(node: &Node, key: &str, place: &Place) -> Problem {
    Problem::new(
        "command-line",
        format!("there can be no `{key}` in {}", node.kind_name()),
    )
    .at(place.clone(), "not a table")
    .note(node.place.clone(), "the value")
}
