//! `[sources.<name>]`: settings that every use of one plugin has.

use crate::{
    plugin,
    tree::{Kind, Node},
};

/// Puts the shared settings below those of each section that uses the plugin.
pub(crate) fn put_below(root: &mut Node) {
    let Some(sources) = root.get("sources").cloned() else {
        return;
    };
    let Some(sections) = root.table_mut() else {
        return;
    };
    for kind in plugin::Kind::ALL {
        let Some(section) = sections.get_mut(kind.section()) else {
            continue;
        };
        match &mut section.node.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| below(item, &sources)),
            _ => below(&mut section.node, &sources),
        }
    }
}

fn below(section: &mut Node, sources: &Node) {
    let shared = section.text_of("use").and_then(|name| sources.get(name));
    if let Some(shared) = shared.filter(|shared| shared.table().is_some()) {
        section.put_below(shared.clone());
    }
}
