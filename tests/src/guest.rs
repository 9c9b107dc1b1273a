//! Plugins that do not belong to the workspace, built as their authors would build them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use crate::programs::{programs, workspace};

/// Two builds at once would only wait for each other.
static BUILDING: Mutex<()> = Mutex::new(());

/// Builds a plugin from its one source file, in a crate of its own outside the workspace.
/// Gives back the file that cargo leaves.
pub fn build(name: &str, source: &str) -> PathBuf {
    let _building = BUILDING.lock();
    let target = programs().target.join("tests-guests");
    let folder = tempfile::Builder::new()
        .prefix("runtime-guest-")
        .tempdir()
        .unwrap();
    let sdk = workspace().join("sdk");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [lib]\ncrate-type = [\"cdylib\"]\n\n\
         [dependencies]\nruntime-sdk = {{ path = \"{}\" }}\n\n[workspace]\n",
        sdk.display()
    );
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.path().join("src/lib.rs"), source).unwrap();
    // The same dependencies as here: nothing is fetched that is not there.
    fs::copy(
        workspace().join("Cargo.lock"),
        folder.path().join("Cargo.lock"),
    )
    .unwrap();
    compile(folder.path(), &target);
    target
        .join("wasm32-unknown-unknown/release")
        .join(format!("{name}.wasm"))
}

fn compile(folder: &Path, target: &Path) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--offline",
            "--target",
            "wasm32-unknown-unknown",
        ])
        .arg("--target-dir")
        .arg(target)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
}
