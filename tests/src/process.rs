//! Processes that end with whoever started them, also when a test panics.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::wait;

/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(3);

/// A server in the foreground, ended when dropped.
#[derive(Debug)]
pub struct Server {
    name: String,
    process: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a server whose output goes to `NAME.log` in `folder`.
    pub fn start(name: &str, folder: &Path, command: &mut Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let started = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn();
        let process = started.unwrap_or_else(|error| {
            let program = command.get_program().display();
            panic!("{name}: cannot start {program}: {error}; `tests/run` installs what is missing")
        });
        Self {
            name: name.to_owned(),
            process,
            log,
        }
    }

    /// Waits until `probe` says that the server is there. Panics with the server's own words
    /// when it ends before.
    pub fn until_ready<T>(&mut self, mut probe: impl FnMut() -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(answer) = probe() {
                return answer;
            }
            let ended = self.process.try_wait().unwrap();
            assert!(
                ended.is_none() && begin.elapsed() < wait::PATIENCE,
                "{} did not come up ({ended:?}):\n{}",
                self.name,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What it printed.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(self.pid(), || {
            matches!(self.process.try_wait(), Ok(Some(_)) | Err(_))
        });
    }
}

/// Ends a process: asks it to, and makes it after a while.
fn end(pid: Pid, mut ended: impl FnMut() -> bool) {
    for signal in [Signal::TERM, Signal::KILL] {
        let _ = kill_process(pid, signal);
        let begin = Instant::now();
        while begin.elapsed() < GRACE {
            if ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Ends every process that belongs to `folder`: whose program, working directory or arguments
/// lie below it. What a deployment starts in the background is found this way and no other.
/// Gives back how many there were.
pub fn end_strays(folder: &Path) -> usize {
    let strays = strays(folder);
    for pid in &strays {
        let _ = kill_process(*pid, Signal::TERM);
    }
    for pid in &strays {
        // Not our child: it is gone when it can no longer be seen.
        end(*pid, || test_kill_process(*pid).is_err() || is_zombie(*pid));
    }
    strays.len()
}

/// The processes that belong to `folder`.
pub fn strays(folder: &Path) -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = processes.flatten().filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let pid = Pid::from_raw(number)?;
        let mine = number as u32 == std::process::id() || is_zombie(pid);
        (!mine && belongs(&entry.path(), folder)).then_some(pid)
    });
    pids.collect()
}

fn belongs(process: &Path, folder: &Path) -> bool {
    let below =
        |link: &str| fs::read_link(process.join(link)).is_ok_and(|path| path.starts_with(folder));
    let named = || {
        let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
        let folder = folder.as_os_str().as_bytes();
        arguments
            .split(|byte| *byte == 0)
            .map(|argument| OsStr::from_bytes(argument).as_bytes())
            .any(|argument| argument.windows(folder.len()).any(|part| part == folder))
    };
    below("exe") || below("cwd") || named()
}

fn is_zombie(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    status.is_ok_and(|text| {
        text.rsplit_once(')')
            .is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
    })
}
