//! TOML as a tree in which each key and value knows where it was written.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{pointer, source::Place};

/// A value and its place. A table's place is its header, where it has one.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// JSON has none: plugins get the text.
    Date(String),
    List(Vec<Node>),
    Table(Table),
}

/// The entries of a table, by key.
pub(crate) type Table = BTreeMap<String, Entry>;

/// A key's place, and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Place,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn table(&self) -> Option<&Table> {
        match &self.kind {
            Kind::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(crate) fn table_mut(&mut self) -> Option<&mut Table> {
        match &mut self.kind {
            Kind::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The items of a list; none of anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The value of a key, where this is a table that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.table()?.get(key).map(|entry| &entry.node)
    }

    /// The text of a key, where this is a table that has it and it is a text.
    pub(crate) fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// The value at a JSON Pointer, or the nearest one around it with what is missing of the way.
    pub(crate) fn locate(&self, pointer: &str) -> (&Self, Option<String>) {
        let mut node = self;
        for key in pointer::keys(pointer) {
            let next = match &node.kind {
                Kind::Table(table) => table.get(&key).map(|entry| &entry.node),
                Kind::List(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => return (node, Some(key)),
            }
        }
        (node, None)
    }

    /// What the value is, in a sentence.
    pub(crate) fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Text(_) => "a text",
            Kind::Integer(_) => "a whole number",
            Kind::Float(_) => "a number with a fraction",
            Kind::Boolean(_) => "true or false",
            Kind::Date(_) => "a date or time",
            Kind::List(_) => "a list",
            Kind::Table(_) => "a table",
        }
    }

    /// The value without its places.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Text(text) | Kind::Date(text) => text.as_str().into(),
            Kind::Integer(number) => (*number).into(),
            Kind::Float(number) => (*number).into(),
            Kind::Boolean(boolean) => (*boolean).into(),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Table(table) => table
                .iter()
                .map(|(key, entry)| (key.clone(), entry.node.to_json()))
                .collect(),
        }
    }

    /// Whether the section uses another plugin than `other`, so that settings of the one mean
    /// nothing to the other.
    fn uses_another_plugin(&self, other: &Self) -> bool {
        matches!((self.text_of("use"), other.text_of("use")), (Some(a), Some(b)) if a != b)
    }

    /// Puts what this value does not say below it from `base`. Tables are put together key by
    /// key, except where they use different plugins.
    pub(crate) fn put_below(&mut self, base: Self) {
        if self.uses_another_plugin(&base) {
            return;
        }
        let (Kind::Table(table), Kind::Table(base)) = (&mut self.kind, base.kind) else {
            return;
        };
        for (key, entry) in base {
            match table.get_mut(&key) {
                Some(own) => own.node.put_below(entry.node),
                None => _ = table.insert(key, entry),
            }
        }
    }

    /// Calls `visit` with each text in the value.
    pub(crate) fn each_text(&mut self, visit: &mut impl FnMut(&Place, &mut String)) {
        match &mut self.kind {
            Kind::Text(text) => visit(&self.place, text),
            Kind::List(items) => items.iter_mut().for_each(|item| item.each_text(visit)),
            Kind::Table(table) => {
                table
                    .values_mut()
                    .for_each(|entry| entry.node.each_text(visit));
            }
            _ => {}
        }
    }
}
