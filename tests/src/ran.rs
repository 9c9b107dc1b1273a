//! The program as it runs, and what came of it.

use std::{
    fmt, fs,
    fs::File,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::wait;

/// After so long the program is ended and the test with it: nothing here takes this long.
const LIMIT: Duration = Duration::from_secs(240);

/// A program that runs. Its output goes to files, so that neither a full pipe nor a process
/// that inherits one can hold the test up.
#[derive(Debug)]
pub struct Running {
    process: Child,
    name: String,
    output: PathBuf,
    began: Instant,
}

impl Running {
    /// Starts `command` with its output in `PATH.out` and `PATH.err`.
    pub fn start(command: &mut Command, path: &Path) -> Self {
        let file = |end: &str| File::create(path.with_added_extension(end)).unwrap();
        let name = command
            .get_args()
            .map(|part| part.to_string_lossy())
            .collect::<Vec<_>>();
        let name = format!("runtime {}", name.join(" "));
        let process = command
            .stdin(Stdio::null())
            .stdout(file("out"))
            .stderr(file("err"))
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start `{name}`: {error}"));
        Self {
            process,
            name,
            output: path.to_owned(),
            began: Instant::now(),
        }
    }

    /// Waits for its end.
    #[must_use]
    pub fn wait(mut self) -> Ran {
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            if self.began.elapsed() > LIMIT {
                self.signal(Signal::KILL);
                panic!(
                    "`{}` did not end within {LIMIT:?}\n{}",
                    self.name,
                    self.output()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let (stdout, stderr) = (self.read("out"), self.read("err"));
        let (name, took) = (self.name.clone(), self.began.elapsed());
        Ran {
            name,
            status,
            stdout,
            stderr,
            took,
        }
    }

    /// Waits until it has printed `text`. Panics when it ends without.
    pub fn until_printed(&mut self, text: &str) {
        wait::until(&format!("`{}` prints {text:?}", self.name), || {
            let printed = self.output();
            let ended = self.process.try_wait().unwrap();
            if printed.contains(text) {
                return Some(());
            }
            assert!(
                ended.is_none(),
                "`{}` ended without {text:?}:\n{printed}",
                self.name
            );
            None
        });
    }

    /// Everything it has printed so far.
    pub fn output(&self) -> String {
        self.read("out") + &self.read("err")
    }

    /// Its process's number.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    fn read(&self, end: &str) -> String {
        let bytes = fs::read(self.output.with_added_extension(end)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct Ran {
    name: String,
    status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
    /// From start to end.
    pub took: Duration,
}

impl Ran {
    /// Its exit code; none where a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Panics, with everything that was printed, unless it ended with that code.
    pub fn expect(self, code: i32) -> Self {
        assert!(
            self.code() == Some(code),
            "expected exit code {code}\n{self}"
        );
        self
    }

    /// Panics, with everything that was printed, unless it printed `text` somewhere.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.all().contains(text),
            "expected {text:?} in the output\n{self}"
        );
        self
    }

    /// Everything that it printed.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// What it printed, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }

    /// Each line that it printed, as JSON.
    pub fn json_lines(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{self}"))
        };
        self.stdout.lines().map(parse).collect()
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "`{}` ended with {} after {:.2?}",
            self.name, self.status, self.took
        )?;
        writeln!(
            f,
            "--- stdout\n{}--- stderr\n{}---",
            self.stdout, self.stderr
        )
    }
}
