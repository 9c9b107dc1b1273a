//! The demonstration: deploys the small application to two local targets behind the embedded
//! proxy, then rolls a second version out as a canary while clients of every habit use it, and
//! says what they saw.
//!
//!     cargo demo [-- --keep]

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is there to be read"
)]

mod table;

use std::{
    env, fs, io,
    net::TcpListener,
    path::PathBuf,
    process::{Command, ExitCode, ExitStatus, Stdio},
    thread,
};

use tests::{
    Load, artifact,
    load::now_ms,
    process::end_strays,
    programs::{self, Programs},
};

/// What the configuration listens on: the proxy, then the targets.
const PORTS: [u16; 3] = [9100, 9101, 9102];
const PROXY: &str = "127.0.0.1:9100";
const CONFIGURATION: &str = "demo.toml";

/// Why the demonstration came to no good end.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("usage: cargo demo [-- --keep]")]
    Usage,
    #[error(transparent)]
    Programs(#[from] programs::Problem),
    #[error(
        "port {0} of this machine is in use, and the demonstration needs it ({1}); \
         `ss -ltnp 'sport = :{0}'` says by whom"
    )]
    Port(u16, io::Error),
    #[error("cannot prepare {}: {}", .0.display(), .1)]
    Folder(PathBuf, io::Error),
    #[error("`runtime {0}` did not run: {1}")]
    Start(String, io::Error),
    #[error("`runtime {0}` ended with {1}")]
    Ended(String, ExitStatus),
    #[error("clients saw {0} failed requests; there should be none")]
    Failures(usize),
}

fn main() -> ExitCode {
    ignore_interrupts();
    match demonstrate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("\ndemo: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn demonstrate() -> Result<(), Problem> {
    let keep = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [option] if option == "--keep" => true,
        _ => return Err(Problem::Usage),
    };
    println!("Builds the program and the small application that it is to deploy …");
    let programs = programs::build(Stdio::inherit())?;
    let stage = Stage::set(programs)?;
    let result = stage.play();
    if keep {
        stage.leave();
    } else {
        let ended = end_strays(&stage.folder);
        println!("\nEnded what was started: {ended} processes. (`cargo demo -- --keep` does not.)");
    }
    result
}

/// Where it takes place.
struct Stage {
    programs: Programs,
    folder: PathBuf,
}

impl Stage {
    /// An empty folder with the configuration and two releases; whatever an earlier
    /// demonstration left running is ended.
    fn set(programs: Programs) -> Result<Self, Problem> {
        let folder = programs.target.join("demo");
        let failed = |error| Problem::Folder(folder.clone(), error);
        end_strays(&folder);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(failed)?;
        }
        for port in PORTS {
            TcpListener::bind(("127.0.0.1", port)).map_err(|error| Problem::Port(port, error))?;
        }
        fs::create_dir_all(&folder).map_err(failed)?;
        let written = programs::workspace().join("config").join(CONFIGURATION);
        fs::copy(written, folder.join(CONFIGURATION)).map_err(failed)?;
        for version in ["1.0", "2.0"] {
            artifact::directory(&programs.hello, &folder, version, "").map_err(failed)?;
        }
        let folder = folder.canonicalize().map_err(failed)?;
        Ok(Self { programs, folder })
    }

    fn play(&self) -> Result<(), Problem> {
        heading("Version 1.0, where nothing ran before");
        self.runtime(&["deploy", "--yes", "--version", "1.0"])?;

        heading("Version 2.0 as a canary, while clients use the application");
        let load = Load::on(PROXY);
        load.until_answered(50);
        let begin = now_ms();
        let deployed = self.runtime(&["deploy", "--yes", "--version", "2.0"]);
        if deployed.is_ok() {
            load.until_answered(50);
        }
        let end = now_ms();
        let counted = load.end();
        deployed?;

        heading("What the clients saw");
        let shown = self.shown()?;
        println!("{}", table::of(&counted, &shown, begin..end));
        println!("{counted}");
        match counted.failures().len() {
            0 => Ok(()),
            failed => Err(Problem::Failures(failed)),
        }
    }

    /// Runs the program with this terminal.
    fn runtime(&self, arguments: &[&str]) -> Result<(), Problem> {
        println!("$ runtime {} --config {CONFIGURATION}", arguments.join(" "));
        let status = self.command(arguments).status();
        let status = status.map_err(|error| Problem::Start(arguments.join(" "), error))?;
        match status.success() {
            true => Ok(()),
            false => Err(Problem::Ended(arguments.join(" "), status)),
        }
    }

    /// The record of the last deployment.
    fn shown(&self) -> Result<serde_json::Value, Problem> {
        let arguments = ["show", "--format", "json"];
        let ran = self.command(&arguments).output();
        let ran = ran.map_err(|error| Problem::Start(arguments.join(" "), error))?;
        serde_json::from_slice(&ran.stdout)
            .map_err(|_| Problem::Ended(arguments.join(" "), ran.status))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.programs.runtime);
        command
            .args(arguments)
            .args(["--config", CONFIGURATION])
            .current_dir(&self.folder);
        command
    }

    /// Says what runs on, and how to play with it.
    fn leave(&self) {
        let (folder, runtime) = (self.folder.display(), self.programs.runtime.display());
        println!("\nEverything runs on: http://{PROXY}/ answers. To play with it:");
        println!("  cd {folder}");
        for verb in [
            "status",
            "history",
            "show",
            "rollback 1.0",
            "deploy --version 2.0",
        ] {
            println!("  {runtime} {verb} --config {CONFIGURATION}");
        }
        println!("The next `cargo demo` ends it all.");
    }
}

fn heading(text: &str) {
    println!(
        "\n── {text} {}",
        "─".repeat(76_usize.saturating_sub(text.chars().count()))
    );
}

/// Ctrl-C reaches the program, too, which takes back what it did; the demonstration goes on to
/// end what was started.
fn ignore_interrupts() {
    thread::spawn(|| {
        let running = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        if let Ok(running) = running {
            running.block_on(async { while tokio::signal::ctrl_c().await.is_ok() {} });
        }
    });
}
