//! A small web application to deploy. Which version it is stands in a file `VERSION` of its
//! release, and how it misbehaves, where it does, in a file `BEHAVIOUR` beside it.
//!
//!     hello --listen 127.0.0.1:9101

#![forbid(unsafe_code)]

mod behaviour;
mod pages;
mod serve;
mod socket;

use std::{
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Instant,
};

use crate::{behaviour::Behaviour, pages::Application};

/// Why the application did not start, or stopped.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("usage: hello --listen ADDRESS:PORT")]
    Usage,
    #[error("cannot read {}", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("{}: {}", .0.display(), .1)]
    Behaviour(PathBuf, behaviour::Unknown),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
}

#[tokio::main]
#[expect(clippy::print_stderr, reason = "its standard error is its log")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("hello: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Problem> {
    let started = Instant::now();
    let listen = listen_address(env::args().skip(1))?;
    let folder = release_folder();
    let version = read(&folder.join("VERSION"))?;
    let path = folder.join("BEHAVIOUR");
    let behaviour = match path.exists() {
        true => {
            Behaviour::parse(&read(&path)?).map_err(|unknown| Problem::Behaviour(path, unknown))?
        }
        false => Behaviour::default(),
    };
    behaviour.schedule_crash();
    let application = Application::new(version.trim().to_owned(), behaviour, started);
    serve::until_terminated(listen, Arc::new(application)).await
}

fn listen_address(mut arguments: impl Iterator<Item = String>) -> Result<SocketAddr, Problem> {
    match (
        arguments.next().as_deref(),
        arguments.next(),
        arguments.next(),
    ) {
        (Some("--listen"), Some(address), None) => address.parse().map_err(|_| Problem::Usage),
        _ => Err(Problem::Usage),
    }
}

/// The folder above `bin/` where the program lies, with every link resolved, so that a release
/// keeps its version when `current` moves on; else the working directory.
fn release_folder() -> PathBuf {
    let program = env::current_exe().and_then(fs::canonicalize).ok();
    let above = program
        .as_deref()
        .and_then(Path::parent)
        .and_then(Path::parent);
    match above {
        Some(folder) if folder.join("VERSION").exists() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn read(path: &Path) -> Result<String, Problem> {
    fs::read_to_string(path).map_err(|source| Problem::Unreadable(path.to_owned(), source))
}
