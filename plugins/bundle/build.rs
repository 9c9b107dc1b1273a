//! Builds every plugin under `plugins/` for WebAssembly with one cargo, makes components of
//! them, and writes the table that the library includes.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use sha2::{Digest, Sha256};
use wit_component::ComponentEncoder;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

const TARGET: &str = "wasm32-unknown-unknown";

/// What the outer cargo, or a wrapper around it, sets for the host's build; it would leak into
/// the plugins'.
const NOT_FOR_PLUGINS: [&str; 8] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET_DIR",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_MAKEFLAGS",
];

struct Plugin {
    kind: String,
    name: String,
    package: String,
}

fn main() -> ExitCode {
    for path in [
        "..",
        "../../sdk",
        "../../wit",
        "../../Cargo.toml",
        "../../Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={path}");
    }
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?);
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets no folder")?);
    let plugins = find(&root.join(".."))?;
    ensure_target()?;
    // OUT_DIR is TARGET/PROFILE/build/bundle-HASH/out. Builds, checks and lints of all profiles
    // share the plugins.
    let target = out
        .ancestors()
        .nth(4)
        .ok_or("OUT_DIR is not where cargo puts it")?;
    let target = target.join("plugins");
    compile(&plugins, &target)?;

    let built = target.join(TARGET).join("plugin");
    let mut table = String::from("&[\n");
    for Plugin {
        kind,
        name,
        package,
    } in &plugins
    {
        let module = fs::read(built.join(package.replace('-', "_")).with_extension("wasm"))?;
        let component = componentize(&module).map_err(|error| format!("{package}: {error:#}"))?;
        let mut digest = String::from("sha256:");
        for byte in Sha256::digest(&component) {
            write!(digest, "{byte:02x}")?;
        }
        let file = out.join(format!("{kind}-{name}.wasm"));
        fs::write(&file, component)?;
        writeln!(
            table,
            "    Bundled {{ kind: {kind:?}, name: {name:?}, digest: {digest:?}, wasm: \
             include_bytes!({file:?}) }},"
        )?;
    }
    table.push_str("]\n");
    fs::write(out.join("plugins.rs"), table)?;
    Ok(())
}

/// Every plugin is a folder with a manifest in the folder of its kind.
fn find(plugins: &Path) -> Result<Vec<Plugin>> {
    let mut found = Vec::new();
    for kind in folders(plugins)? {
        for name in folders(&plugins.join(&kind))? {
            let manifest = plugins.join(&kind).join(&name).join("Cargo.toml");
            if !manifest.is_file() {
                continue;
            }
            let text = fs::read_to_string(&manifest)?;
            let package = text.lines().find_map(|line| line.strip_prefix("name = "));
            let package = package.ok_or_else(|| format!("{} has no name", manifest.display()))?;
            let package = package.trim_matches('"').to_owned();
            found.push(Plugin {
                kind: kind.clone(),
                name,
                package,
            });
        }
    }
    Ok(found)
}

fn folders(path: &Path) -> Result<Vec<String>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    folders.sort();
    Ok(folders)
}

/// Adds the target where rustup has not installed it, also where it installs nothing by itself.
fn ensure_target() -> Result<()> {
    let rustc = env::var_os("RUSTC").ok_or("cargo sets no RUSTC")?;
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()?;
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && Path::new(&folder).is_dir() {
        return Ok(());
    }
    let added = Command::new("rustup")
        .args(["target", "add", TARGET])
        .status();
    if added.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Err(format!("the plugins need Rust's {TARGET}; type: rustup target add {TARGET}").into())
}

fn compile(plugins: &[Plugin], target: &Path) -> Result<()> {
    let mut cargo = Command::new(env::var_os("CARGO").ok_or("cargo sets no CARGO")?);
    for variable in NOT_FOR_PLUGINS {
        cargo.env_remove(variable);
    }
    cargo.args([
        "build",
        "--locked",
        "--profile",
        "plugin",
        "--target",
        TARGET,
        "--lib",
    ]);
    cargo.arg("--target-dir").arg(target);
    for plugin in plugins {
        cargo.args(["--package", &plugin.package]);
    }
    let status = cargo.status()?;
    if status.success() {
        Ok(())
    } else {
        Err("the plugins do not build; see above".into())
    }
}

fn componentize(module: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ComponentEncoder::default();
    Ok(encoder.module(module)?.validate(true).encode()?)
}
