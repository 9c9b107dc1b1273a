//! The two programs under test, built before their first use, so that no test runs against
//! what they were yesterday.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::artifact;

/// Set by `tests/run`, which has just built everything: then nothing is built here.
const BUILT: &str = "TESTS_PROGRAMS_BUILT";

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The program itself.
    pub runtime: PathBuf,
    /// The application to deploy, without its debugging symbols: it is copied a lot.
    pub hello: PathBuf,
    /// The folder that cargo builds into.
    pub target: PathBuf,
}

/// Why there are none.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Problem {
    /// Cargo said no, and why, on standard error.
    #[error("the programs could not be built: {0}")]
    Build(String),
    /// The place of this very program says nothing.
    #[error("this program does not lie where cargo puts programs: {}", .0.display())]
    Place(PathBuf),
    /// It should be there by now.
    #[error("there is no {}: build it with `cargo build -p {}`", .0.display(), .1)]
    Missing(PathBuf, &'static str),
    /// It could not be copied.
    #[error("cannot write {}: {}", .0.display(), .1)]
    Write(PathBuf, String),
}

/// The workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The programs, for a test.
pub fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Result<Programs, Problem>> = OnceLock::new();
    match PROGRAMS.get_or_init(|| build(Stdio::null())) {
        Ok(programs) => programs,
        Err(problem) => panic!("{problem}"),
    }
}

/// Builds the programs with the profile that this one was built with; cargo's progress goes
/// to `progress`.
pub fn build(progress: impl Into<Stdio>) -> Result<Programs, Problem> {
    let place = env::current_exe().map_err(|error| Problem::Build(error.to_string()))?;
    let folders = place
        .ancestors()
        .skip(1)
        .filter(|folder| !folder.ends_with("deps"));
    let [Some(folder), Some(target)] = folders.take(2).map(Some).collect::<Vec<_>>()[..] else {
        return Err(Problem::Place(place));
    };
    if env::var_os(BUILT).is_none() {
        run_cargo(folder, target, progress.into())?;
    }
    let runtime = present(folder.join("runtime"), "runtime")?;
    let hello = present(folder.join("hello"), "hello")?;
    Ok(Programs {
        runtime,
        hello: stripped(&hello)?,
        target: target.to_owned(),
    })
}

fn run_cargo(folder: &Path, target: &Path, progress: Stdio) -> Result<(), Problem> {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args([
            "build",
            "-p",
            "runtime",
            "-p",
            "hello",
            "--profile",
            profile,
            "--target-dir",
        ])
        .arg(target)
        .current_dir(workspace())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(progress)
        .status();
    match built {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Problem::Build(format!(
            "`cargo build -p runtime -p hello`: {status}"
        ))),
        Err(error) => Err(Problem::Build(format!("cargo did not run: {error}"))),
    }
}

fn present(program: PathBuf, package: &'static str) -> Result<PathBuf, Problem> {
    if program.exists() {
        Ok(program)
    } else {
        Err(Problem::Missing(program, package))
    }
}

/// The program without what only a debugger reads. Where there is no `strip`, as it is.
fn stripped(program: &Path) -> Result<PathBuf, Problem> {
    let place = program.with_extension("stripped");
    let modified = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    if modified(&place) > modified(program) {
        return Ok(place);
    }
    // Another process may be at the same: each writes a file of its own, and renames it.
    let mine = program.with_extension(format!("stripped-{}", std::process::id()));
    let done = Command::new("strip")
        .arg("-o")
        .arg(&mine)
        .arg(program)
        .status();
    let written = match done {
        Ok(status) if status.success() => Ok(()),
        _ => artifact::copy(program, &mine),
    };
    let placed: io::Result<()> = written.and_then(|()| fs::rename(&mine, &place));
    placed
        .map(|()| place.clone())
        .map_err(|error| Problem::Write(place, error.to_string()))
}
