//! Projects in Python and JavaScript: a component by componentize-py or jco, which the project
//! brings itself, or the `PATH` has.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use host::Kind;

use crate::report::{Problem, Reason};

/// By componentize-py.
pub(super) fn python(folder: &Path, out: Option<&Path>) -> Result<PathBuf, Problem> {
    let text = read(&folder.join("pyproject.toml"))?;
    let manifest = text.parse::<toml::Table>().unwrap_or_default();
    let name = manifest
        .get("project")
        .and_then(|project| project.get("name")?.as_str());
    let (world, out) = (world(folder, "app.py")?, place(folder, name, out)?);
    let mut command = tool(folder, ".venv/bin", "componentize-py");
    command
        .args([
            "-d",
            "wit",
            "-w",
            world,
            "componentize",
            "--stub-wasi",
            "app",
        ])
        .arg("-o")
        .arg(&out);
    run(
        command,
        "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
    )?;
    Ok(out)
}

/// By jco, with the small one of its engines.
pub(super) fn javascript(folder: &Path, out: Option<&Path>) -> Result<PathBuf, Problem> {
    let text = read(&folder.join("package.json"))?;
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let name = manifest["name"].as_str();
    let (world, out) = (world(folder, "plugin.js")?, place(folder, name, out)?);
    let mut command = tool(folder, "node_modules/.bin", "jco");
    command
        .args(["componentize", "plugin.js", "-w", "wit", "-n", world])
        .args(["--backend", "qjs"])
        .args(["--backend-qjs-stub-wasi", "--backend-qjs-disable-async"])
        .arg("-o")
        .arg(&out);
    run(command, "npm install")?;
    Ok(out)
}

/// The world that the project exports: its kind, told by the interface that it names.
fn world(folder: &Path, file: &str) -> Result<&'static str, Problem> {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).map_err(|error| {
        Problem::new(Reason::Usage, format!("{} cannot be read", path.display())).cause(error)
    })?;
    // `class Notifying` in Python, `export const notifying` in JavaScript.
    let text = text.to_lowercase();
    let exports = |kind: &Kind| {
        let name = kind.interface();
        [
            format!("class {}", name.replace('-', "")),
            format!("export const {}", name.replace('-', "")),
        ]
        .iter()
        .any(|line| text.contains(line))
    };
    match Kind::ALL.iter().find(|kind| exports(kind)) {
        Some(kind) => Ok(kind.as_str()),
        None => {
            let title = format!(
                "{} exports no interface of a kind of plugin",
                path.display()
            );
            let names = Kind::ALL.map(Kind::interface).join(", ");
            Err(Problem::new(Reason::Usage, title).hint(format!("it exports one of {names}")))
        }
    }
}

/// Where the component goes, by an absolute path: the tool runs in the project's folder.
fn place(folder: &Path, name: Option<&str>, out: Option<&Path>) -> Result<PathBuf, Problem> {
    let usual = || folder.join(format!("{}.wasm", name.unwrap_or("plugin")));
    let out = out.map_or_else(usual, Path::to_owned);
    std::path::absolute(&out).map_err(|error| {
        Problem::new(Reason::Usage, format!("{} is no path", out.display())).cause(error)
    })
}

fn read(path: &Path) -> Result<String, Problem> {
    fs::read_to_string(path).map_err(|error| {
        Problem::new(Reason::Usage, format!("{} cannot be read", path.display())).cause(error)
    })
}

fn tool(folder: &Path, own: &str, name: &str) -> Command {
    let own = folder.join(own).join(name);
    let own = own.canonicalize().ok().filter(|path| path.is_file());
    let mut command = Command::new(own.unwrap_or_else(|| PathBuf::from(name)));
    // Its own folder is a module's place in Python.
    command.current_dir(folder).stdin(Stdio::null());
    if let Some(path) = env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

fn run(mut command: Command, install: &str) -> Result<(), Problem> {
    let name = command.get_program().to_string_lossy().into_owned();
    let refused = |title: String| Problem::new(Reason::Refused, title);
    match command.stdout(io::stderr()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(refused(format!("{name} did not build it: {status}"))
            .cause("what it says stands above")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(refused(format!(
            "there is no {name}, neither in the project nor in the PATH"
        ))
        .hint(format!("type in the project: {install}"))),
        Err(error) => Err(refused(format!("{name} could not be run")).cause(error)),
    }
}
