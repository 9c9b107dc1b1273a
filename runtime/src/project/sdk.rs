//! The SDK and the contract as they were when this program was built, for projects that have no
//! other way to get them.

use toml::{Table, Value};

use super::File;

/// Where they lie in a project.
pub(super) const FOLDER: &str = ".runtime-sdk";

macro_rules! kept {
    ($($path:literal)*) => {
        &[$(($path, include_str!(concat!("../../../", $path)))),*]
    };
}

const CONTRACT: &[(&str, &str)] = kept! {
    "wit/capabilities.wit"
    "wit/manifest.wit"
    "wit/rollout.wit"
    "wit/types.wit"
    "wit/worlds.wit"
};

const SDK: &[(&str, &str)] = kept! {
    "sdk/README.md"
    "sdk/src/bindings.rs"
    "sdk/src/call.rs"
    "sdk/src/commands.rs"
    "sdk/src/count.rs"
    "sdk/src/duration.rs"
    "sdk/src/export.rs"
    "sdk/src/failure.rs"
    "sdk/src/files.rs"
    "sdk/src/fleet.rs"
    "sdk/src/fleet/soaks.rs"
    "sdk/src/http.rs"
    "sdk/src/imports.rs"
    "sdk/src/kinds.rs"
    "sdk/src/lib.rs"
    "sdk/src/locks.rs"
    "sdk/src/logs.rs"
    "sdk/src/machine.rs"
    "sdk/src/plugin.rs"
    "sdk/src/rollout.rs"
    "sdk/src/settings.rs"
    "sdk/src/sockets.rs"
    "sdk/src/template.rs"
    "sdk/src/testing.rs"
    "sdk/src/testing/imports.rs"
    "sdk/src/testing/imports/machine.rs"
    "sdk/src/testing/records.rs"
    "sdk/src/testing/world.rs"
    "sdk/src/weights.rs"
};

const MANIFEST: &str = include_str!("../../../sdk/Cargo.toml");
const WORKSPACE: &str = include_str!("../../../Cargo.toml");

/// All of it.
pub(super) fn files() -> Vec<File> {
    let sources = SDK
        .iter()
        .map(|(path, text)| File::new(format!("{FOLDER}/{path}"), *text));
    let mut files: Vec<File> = sources.collect();
    files.push(File::new(format!("{FOLDER}/sdk/Cargo.toml"), manifest()));
    files.extend(contract(&format!("{FOLDER}/wit")));
    files
}

/// The contract alone, in that folder.
pub(super) fn contract(folder: &str) -> impl Iterator<Item = File> {
    CONTRACT.iter().map(move |(path, text)| {
        let name = path.trim_start_matches("wit/");
        File::new(format!("{folder}/{name}"), *text)
    })
}

/// The SDK's manifest with what it has from its workspace written out.
fn manifest() -> String {
    let read = |text: &str| text.parse::<Table>().unwrap_or_default();
    let (own, workspace) = (read(MANIFEST), read(WORKSPACE));
    let inherited = |section: &str| {
        let place = workspace
            .get("workspace")
            .and_then(|table| table.get(section));
        place.and_then(Value::as_table).cloned().unwrap_or_default()
    };
    let mut whole = Table::new();
    for (section, from) in [
        ("package", inherited("package")),
        ("dependencies", inherited("dependencies")),
    ] {
        let entries = own
            .get(section)
            .and_then(Value::as_table)
            .into_iter()
            .flatten();
        let entries = entries.filter_map(|(key, value)| {
            let asks = value
                .as_table()
                .is_some_and(|table| table.contains_key("workspace"));
            let value = if asks { from.get(key)? } else { value };
            Some((key.clone(), value.clone()))
        });
        whole.insert(section.to_owned(), Value::Table(entries.collect()));
    }
    whole.to_string()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_file_is_kept() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut found = Vec::new();
        let mut folders = vec!["sdk/src".to_owned(), "wit".to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(root.join(&folder)).unwrap() {
                let entry = entry.unwrap();
                let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(path),
                    false => found.push(path),
                }
            }
        }
        found.push("sdk/README.md".to_owned());
        found.sort();
        let kept = CONTRACT
            .iter()
            .chain(SDK)
            .map(|(path, _)| (*path).to_owned());
        let mut kept: Vec<String> = kept.collect();
        kept.sort();
        assert_eq!(kept, found);
    }

    #[test]
    fn the_manifest_stands_alone() {
        let text = manifest();
        assert!(!text.contains("workspace"), "{text}");
        for needed in [
            "name = \"runtime-sdk\"",
            "edition = ",
            "wit-bindgen",
            "schemars",
        ] {
            assert!(text.contains(needed), "{needed}: {text}");
        }
    }
}
