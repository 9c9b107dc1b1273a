//! Programs that go on when this one has ended. A pid file names them: process id and starting
//! time, so that a process which got the number of one that ended is left alone.

use std::{
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use cap_std::fs::{OpenOptions, OpenOptionsExt};
use process_wrap::tokio::{ChildWrapper, CommandWrap, ProcessSession};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::{
    place::{Spot, follow, resolve},
    process, starting,
};
use crate::{
    action::{Command, Output, Place},
    error::{ErrorKind, MachineError},
};

/// A program that ends this soon could not start: a missing library, a port that is taken.
pub(crate) const START_MOMENT: Duration = Duration::from_millis(100);

/// How long a killed process may take to go away.
const KILL_WAIT: Duration = Duration::from_secs(5);

const POLL: Duration = Duration::from_millis(10);

/// Becomes the program, after it has put down who it is: so there is no moment in which the
/// program runs and nobody knows it. Its input is the pid file.
pub(crate) const BECOME: &str = include_str!("../become.sh");

pub(super) async fn start(
    command: &Command,
    pid_file: &Place,
    log_file: &Place,
    base: &Path,
) -> Result<Output, MachineError> {
    if running(&read(pid_file, base)?).is_some() {
        return Ok(Output::done());
    }
    // Seen here, where it can be told from a program that ends with a status of its own.
    let checked = process::prepare(command, base)?;
    let pid = open(&resolve(base, pid_file)?, OpenOptions::new().truncate(true))?;
    let spot = resolve(base, log_file)?;
    let mut log = open(&spot, OpenOptions::new().append(true).read(true))?;
    let before = log
        .seek(SeekFrom::End(0))
        .map_err(|error| spot.failed("write", &error))?;
    let (out, err) = (log.try_clone(), log.try_clone());
    let mut wrapped = CommandWrap::with_new("/bin/sh", |builder| {
        let checked = checked.as_std();
        builder
            .args(["-c", BECOME, "sh"])
            .arg(checked.get_program())
            .args(checked.get_args());
        builder.env_clear();
        builder.envs(
            checked
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        if let Some(directory) = checked.get_current_dir() {
            builder.current_dir(directory);
        }
        builder.stdin(Stdio::from(pid));
        builder.stdout(out.map_or_else(|_| Stdio::null(), Stdio::from));
        builder.stderr(err.map_or_else(|_| Stdio::null(), Stdio::from));
    });
    wrapped.wrap(ProcessSession);
    let mut child =
        starting::start(|| wrapped.spawn()).map_err(|error| process::not_run(command, &error))?;
    match settled(child.as_mut(), pid_file, base).await? {
        None => Ok(Output::done()),
        Some(status) => {
            let mut said = Vec::new();
            let _ = log.seek(SeekFrom::Start(before));
            let _ = log
                .take(crate::OUTPUT_BYTES_MAX as u64)
                .read_to_end(&mut said);
            let output = Output {
                status,
                stdout: said,
                ..Output::default()
            };
            Err(ended_at_once(command, output))
        }
    }
}

/// It ended before it could have done anything.
pub(crate) fn ended_at_once(command: &Command, output: Output) -> MachineError {
    match output.status {
        Some(127) => process::no_program(command),
        Some(status) => {
            let said = process::tail(&output.stdout);
            let colon = if said.is_empty() { "" } else { ": " };
            let text = format!(
                "`{}` ended at once with status {status}{colon}{said}",
                command.program
            );
            MachineError::new(ErrorKind::Rejected, text).with_output(output)
        }
        None => {
            let text = format!("`{}` was ended at once by a signal", command.program);
            MachineError::new(ErrorKind::Rejected, text).with_output(output)
        }
    }
}

/// Waits a moment: the status of a program that has ended by then, and whether it was put down.
async fn settled(
    child: &mut dyn ChildWrapper,
    pid_file: &Place,
    base: &Path,
) -> Result<Option<Option<i32>>, MachineError> {
    let until = Instant::now() + START_MOMENT;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Ok(Some(status.code()));
        }
        if Instant::now() >= until && read(pid_file, base)?.is_some() {
            return Ok(None);
        }
        tokio::time::sleep(POLL).await;
    }
}

pub(super) async fn stop(
    pid_file: &Place,
    grace: Duration,
    base: &Path,
) -> Result<Output, MachineError> {
    let noted = match read(pid_file, base) {
        Err(error) if error.kind == ErrorKind::Missing => return Ok(Output::done()),
        noted => noted?,
    };
    if let Some(noted) = &noted
        && members(noted).next().is_some()
    {
        signal(noted, Signal::TERM);
        if !gone(noted, grace).await {
            signal(noted, Signal::KILL);
            if !gone(noted, KILL_WAIT).await {
                let text = format!("process {} does not end, not even when killed", noted.pid);
                return Err(MachineError::new(ErrorKind::Timeout, text));
            }
        }
    }
    super::files::act(
        base,
        &crate::Action::Remove {
            at: pid_file.clone(),
        },
    )
}

async fn gone(noted: &Noted, within: Duration) -> bool {
    let until = Instant::now() + within;
    while members(noted).next().is_some() {
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
    true
}

fn signal(noted: &Noted, signal: Signal) {
    for pid in members(noted) {
        if let Some(pid) = Pid::from_raw(pid) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// What a pid file says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Noted {
    pid: i32,
    started: String,
}

fn read(pid_file: &Place, base: &Path) -> Result<Option<Noted>, MachineError> {
    let Some(spot) = follow(base, pid_file)? else {
        return Ok(None);
    };
    let mut text = String::new();
    let file = spot
        .dir
        .open(&spot.name)
        .map_err(|error| spot.failed("read", &error))?;
    // What is not text was not put down by us.
    let _ = file.take(256).read_to_string(&mut text);
    let noted = text.trim().split_once(' ').and_then(|(pid, started)| {
        let pid = pid.parse().ok().filter(|pid| *pid > 1)?;
        Some(Noted {
            pid,
            started: started.trim().to_owned(),
        })
    });
    Ok(noted)
}

fn open(spot: &Spot, options: &mut OpenOptions) -> Result<std::fs::File, MachineError> {
    options.write(true).create(true).mode(0o644);
    let file = spot.dir.open_with(&spot.name, options);
    file.map(cap_std::fs::File::into_std)
        .map_err(|error| spot.failed("write", &error))
}

/// The process that was noted, where it runs still.
fn running(noted: &Option<Noted>) -> Option<i32> {
    let noted = noted.as_ref()?;
    let seen = Seen::of(noted.pid)?;
    (!seen.ended && seen.started == noted.started).then_some(noted.pid)
}

/// What still runs of the session that the process led. A number that is a session's is given
/// to no other process, so where its leader is gone the rest of it is ours, too.
fn members(noted: &Noted) -> impl Iterator<Item = i32> {
    let leader = Seen::of(noted.pid);
    let ours = leader
        .as_ref()
        .is_none_or(|leader| leader.started == noted.started);
    let leads = leader.as_ref().is_some_and(|leader| ours && !leader.ended);
    let session = noted.pid;
    let others = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(move |entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let seen = Seen::of(pid)?;
            (ours && pid != session && seen.session == Some(session) && !seen.ended).then_some(pid)
        });
    leads.then_some(session).into_iter().chain(others)
}

struct Seen {
    started: String,
    session: Option<i32>,
    ended: bool,
}

impl Seen {
    fn of(pid: i32) -> Option<Self> {
        match std::fs::read(format!("/proc/{pid}/stat")) {
            Ok(stat) => {
                // The second field is the program's name, which may hold anything.
                let stat = String::from_utf8_lossy(&stat);
                let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_whitespace().collect();
                Some(Self {
                    started: (*fields.get(19)?).to_owned(),
                    session: fields.get(3)?.parse().ok(),
                    ended: matches!(*fields.first()?, "Z" | "X"),
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && proc_is_there() => None,
            Err(_) => Self::by_ps(pid),
        }
    }

    fn by_ps(pid: i32) -> Option<Self> {
        let mut ps = std::process::Command::new("ps");
        ps.args(["-o", "lstart=", "-p", &pid.to_string()])
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let said = starting::start(|| ps.spawn()).and_then(Child::wait_with_output);
        let said = said.ok()?;
        let started = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        (!started.is_empty()).then_some(Self {
            started,
            session: None,
            ended: false,
        })
    }
}

fn proc_is_there() -> bool {
    Path::new("/proc/self/stat").exists()
}
