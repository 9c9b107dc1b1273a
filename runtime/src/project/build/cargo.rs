//! A project in Rust: a module by cargo, and a component of it.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    catalogue::from_file,
    report::{Problem, Reason},
};

const TARGET: &str = "wasm32-unknown-unknown";

pub(super) fn build(folder: &Path, out: Option<&Path>) -> Result<PathBuf, Problem> {
    let (name, module) = module(folder)?;
    let source = from_file(&name, None, &module).map_err(|reason| {
        Problem::new(
            Reason::Refused,
            "what cargo built cannot be made a component",
        )
        .cause(reason)
    })?;
    let out = out.map_or_else(|| folder.join(format!("{name}.wasm")), Path::to_owned);
    std::fs::write(&out, &source.wasm).map_err(|error| {
        Problem::new(
            Reason::Usage,
            format!("{} cannot be written", out.display()),
        )
        .cause(error)
    })?;
    Ok(out)
}

/// The package's name, and the module that cargo leaves.
fn module(folder: &Path) -> Result<(String, PathBuf), Problem> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(&cargo)
        .args(["build", "--release", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let built = built.map_err(|error| {
        Problem::new(Reason::Refused, "cargo could not be run")
            .cause(error)
            .hint("Rust comes with rustup: https://rustup.rs")
    })?;
    if !built.status.success() {
        return Err(
            Problem::new(Reason::Refused, "cargo did not build it; see above").hint(format!(
                "where the target is missing: `rustup target add {TARGET}`"
            )),
        );
    }
    let text = String::from_utf8_lossy(&built.stdout);
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    // The last one is the project's own: what it depends on comes before.
    messages
        .filter_map(|message| left(&message))
        .next_back()
        .ok_or_else(|| {
            Problem::new(Reason::Refused, "cargo built no WebAssembly module")
                .hint("Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`")
        })
}

/// The module that one of cargo's messages is about, and the name of its package.
fn left(message: &Value) -> Option<(String, PathBuf)> {
    let target = &message["target"];
    let kinds = target["crate_types"].as_array()?;
    if !kinds.iter().any(|kind| kind == "cdylib") {
        return None;
    }
    let mut files = message["filenames"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str);
    let module = files.rfind(|file| file.ends_with(".wasm"))?;
    // `path+file:///srv/pager#0.1.0`, or `…#pager@0.1.0`.
    let id = message["package_id"].as_str()?;
    let (place, name) = id.rsplit_once('#')?;
    let name = match name.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit('/').next()?,
    };
    Some((name.to_owned(), PathBuf::from(module)))
}
