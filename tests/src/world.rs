//! A folder and an address for one test, and the program run in it. Whatever was started in
//! it ends with it.

use std::{
    cell::Cell,
    env, fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use tempfile::TempDir;

use crate::{
    address, artifact, process,
    programs::{self, Programs},
    ran::{Ran, Running},
};

/// Set to keep the folders of tests that failed.
const KEEP: &str = "TESTS_KEEP";

/// Everything that one test has for itself.
#[derive(Debug)]
pub struct World {
    folder: Option<TempDir>,
    path: PathBuf,
    ip: Ipv4Addr,
    programs: &'static Programs,
    environment: Vec<(String, String)>,
    runs: Cell<u32>,
}

impl World {
    /// An empty world.
    pub fn new() -> Self {
        let programs = programs::programs();
        let folder = tempfile::Builder::new()
            .prefix("runtime-test-")
            .tempdir()
            .unwrap();
        let path = folder.path().canonicalize().unwrap();
        for name in ["home", "output"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        let ip = address::next();
        let (environment, runs) = (Vec::new(), Cell::new(0));
        Self {
            folder: Some(folder),
            path,
            ip,
            programs,
            environment,
            runs,
        }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in its folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// `host:port` on the address that only this world has.
    pub fn at(&self, port: u16) -> String {
        format!("{}:{port}", self.ip)
    }

    /// Adds a variable to the environment of every program run from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Makes the release `hello-VERSION/`.
    pub fn release(&self, version: &str) -> PathBuf {
        self.bad_release(version, "")
    }

    /// Makes the release `hello-VERSION/` that misbehaves (see the application's `behaviour`).
    pub fn bad_release(&self, version: &str, behaviour: &str) -> PathBuf {
        artifact::directory(&self.programs.hello, &self.path, version, behaviour).unwrap()
    }

    /// Writes `runtime.toml` from these parts.
    pub fn configure(&self, parts: &[&str]) {
        self.write("runtime.toml", &parts.join("\n"));
    }

    /// Writes a file.
    pub fn write(&self, name: &str, contents: &str) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// Runs the program to its end.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.start(arguments).wait()
    }

    /// Deploys a version, and wants the exit code to be that one.
    pub fn deploy(&self, version: &str, code: i32) -> Ran {
        self.run(&["deploy", "--yes", "--version", version])
            .expect(code)
    }

    /// Starts the program.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, &[])
    }

    /// Starts the program with more variables in its environment.
    pub fn start_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let number = self.runs.replace(self.runs.get() + 1);
        let output = self.file("output").join(format!(
            "{number}-{}",
            arguments
                .join("-")
                .replace(|c: char| !c.is_ascii_alphanumeric(), "-")
                .chars()
                .take(60)
                .collect::<String>()
        ));
        let variables = variables.iter().copied();
        Running::start(self.command().args(arguments).envs(variables), &output)
    }

    /// The program, with the world's folder to work in and an environment of its own.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.programs.runtime);
        let path = env::var_os("PATH").unwrap_or_default();
        // Compiled plugins are shared by all tests, as they are by all deployments of a user.
        let cache = self.programs.target.join("tests-cache");
        command
            .current_dir(&self.path)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.file("home"))
            .env("USER", "tester")
            .env("XDG_CACHE_HOME", cache)
            .env("RUST_BACKTRACE", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Every file below the world's folder that holds `text`.
    pub fn files_with(&self, text: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        search(&self.path, text.as_bytes(), &mut found);
        found
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        process::end_strays(&self.path);
        if thread::panicking()
            && env::var_os(KEEP).is_some()
            && let Some(folder) = self.folder.take()
        {
            let kept = folder.keep();
            #[expect(
                clippy::print_stderr,
                reason = "the test's own output, shown when it fails"
            )]
            {
                eprintln!("kept {}", kept.display());
            }
        }
    }
}

fn search(folder: &Path, text: &[u8], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            search(&path, text, found);
        } else if kind.is_file() {
            let contents = fs::read(&path).unwrap_or_default();
            if contents.windows(text.len()).any(|part| part == text) {
                found.push(path);
            }
        }
    }
}
