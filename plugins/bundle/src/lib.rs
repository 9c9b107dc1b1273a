//! The plugins that come with the program, as components. The build script builds them; the
//! names are those of their folders.

/// A plugin that comes with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bundled {
    /// The kind, as the folder is called: `strategy`, `load-balancer`, `platform`,
    /// `health-check`, `step`, `notifier`.
    pub kind: &'static str,
    /// The name that `use` says in a configuration; unique among those of its kind.
    pub name: &'static str,
    /// `sha256:` and 64 hexadecimal digits, of the component.
    pub digest: &'static str,
    /// The component.
    pub wasm: &'static [u8],
}

static PLUGINS: &[Bundled] = include!(concat!(env!("OUT_DIR"), "/plugins.rs"));

/// Every plugin that comes with the program, sorted by kind and name.
pub fn plugins() -> &'static [Bundled] {
    PLUGINS
}

/// The plugin of that kind and name.
pub fn plugin(kind: &str, name: &str) -> Option<&'static Bundled> {
    PLUGINS
        .iter()
        .find(|plugin| plugin.kind == kind && plugin.name == name)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use wit_component::{DecodedWasm, decode};

    use super::*;

    /// The interface that each kind exports besides its manifest.
    const INTERFACES: [(&str, &str); 6] = [
        ("health-check", "checking"),
        ("load-balancer", "balancing"),
        ("notifier", "notifying"),
        ("platform", "hosting"),
        ("step", "working"),
        ("strategy", "deployment-strategy"),
    ];

    #[test]
    fn every_folder_is_in_the_bundle() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut folders = Vec::new();
        for (kind, _) in INTERFACES {
            for entry in fs::read_dir(root.join(kind)).unwrap() {
                folders.push((
                    kind.to_owned(),
                    entry.unwrap().file_name().into_string().unwrap(),
                ));
            }
        }
        folders.sort();
        let bundled: Vec<(String, String)> = plugins()
            .iter()
            .map(|plugin| (plugin.kind.to_owned(), plugin.name.to_owned()))
            .collect();
        assert_eq!(bundled, folders);
    }

    #[test]
    fn every_component_exports_its_kind_and_imports_the_contract_alone() {
        for plugin in plugins() {
            let place = format!("{}/{}", plugin.kind, plugin.name);
            let DecodedWasm::Component(resolve, world) = decode(plugin.wasm).unwrap() else {
                panic!("{place} is no component");
            };
            let world = &resolve.worlds[world];
            let names = |items: &mut dyn Iterator<Item = &_>| -> Vec<String> {
                items.map(|key| resolve.name_world_key(key)).collect()
            };
            let mut exports = names(&mut world.exports.keys());
            exports.sort();
            let (_, interface) = INTERFACES
                .iter()
                .find(|(kind, _)| *kind == plugin.kind)
                .unwrap();
            let mut expected = ["manifest", interface]
                .map(|name| format!("deploy:plugin/{name}@0.1.0"))
                .to_vec();
            expected.sort();
            assert_eq!(exports, expected, "{place}");
            for import in names(&mut world.imports.keys()) {
                assert!(
                    import.starts_with("deploy:plugin/"),
                    "{place} imports {import}"
                );
            }
        }
    }
}
