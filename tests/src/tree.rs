//! What lies on the disk of a world, so that what is said to change nothing can be held to it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::World;

/// Every file, directory and link of a world that a deployment could change, with what is in it.
/// What the tests themselves write is not among them.
pub fn tree(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let mode = entry.metadata().unwrap().permissions().mode();
            let mut seen = format!("{mode:o} ").into_bytes();
            if kind.is_dir() {
                walk(&path, found);
            } else if kind.is_symlink() {
                seen.extend(fs::read_link(&path).unwrap().as_os_str().as_encoded_bytes());
            } else if kind.is_file() {
                seen.extend(fs::read(&path).unwrap());
            }
            found.insert(path, seen);
        }
    }
    let mut found = BTreeMap::new();
    walk(world.path(), &mut found);
    let ours = [world.file("output"), world.file("plan.json")];
    found.retain(|path, _| {
        let log = path.extension().is_some_and(|end| end == "log");
        !log && ours.iter().all(|ours| !path.starts_with(ours))
    });
    found
}

/// Panics unless two such are the same, with each path that differs.
#[track_caller]
pub fn same(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
    let differs = |path: &&PathBuf| before.get(*path) != after.get(*path);
    let paths = before.keys().chain(after.keys());
    let differing: Vec<&PathBuf> = paths.filter(differs).collect();
    assert!(differing.is_empty(), "changed: {differing:#?}");
}
