//! Rules about secrets: how they are named, and the sources that come with the program.

use crate::{
    plugin,
    problem::Problem,
    schema,
    secret::{self, FILE},
    structure,
    tree::{Kind, Node},
};

pub(super) fn check(root: &Node, problems: &mut Vec<Problem>) {
    let reference = schema::secret_reference();
    for kind in plugin::Kind::ALL {
        let Some(section) = root.get(kind.section()) else {
            continue;
        };
        let entries = uses(section)
            .iter()
            .filter_map(Node::table)
            .flat_map(|table| table.values());
        entries.for_each(|entry| references(&entry.node, &reference, problems));
    }
    for source in root.get("secrets").map(uses).unwrap_or_default() {
        self::source(source, problems);
    }
}

/// The tables of a section that may be one or a list of them.
fn uses(section: &Node) -> &[Node] {
    match &section.kind {
        Kind::List(items) => items,
        _ => std::slice::from_ref(section),
    }
}

/// Checks each `{ secret = "NAME" }` in a value.
fn references(node: &Node, schema: &serde_json::Value, problems: &mut Vec<Problem>) {
    if secret::is_reference(node) {
        problems.extend(structure::check(node, schema));
        return;
    }
    match &node.kind {
        Kind::List(items) => items
            .iter()
            .for_each(|item| references(item, schema, problems)),
        Kind::Table(table) => {
            table
                .values()
                .for_each(|entry| references(&entry.node, schema, problems));
        }
        _ => {}
    }
}

fn source(source: &Node, problems: &mut Vec<Problem>) {
    let Some(name) = source.text_of("use") else {
        return;
    };
    let Some(schema) = schema::secret_source(name) else {
        return;
    };
    problems.extend(structure::check_settings(source, &schema, &["use"]));
    let has = |key| source.get(key).is_some();
    if name == FILE && has("file") == has("directory") {
        problems.push(
            Problem::new("missing-key", "secrets are in a file or in a directory")
                .at(source.place.clone(), "needs one of `file` and `directory`"),
        );
    }
}
