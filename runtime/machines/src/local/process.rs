//! Runs a program to its end, in a process group of its own, within its time.

use std::{
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::Child,
};

use super::starting;
use crate::{
    action::{Command, OUTPUT_BYTES_MAX, Output},
    error::{ErrorKind, MachineError},
};

/// How long a program that was asked to end may take.
pub(crate) const TERM_GRACE: Duration = Duration::from_secs(2);

/// How long output is read once the program has ended: something that it left behind may hold
/// the pipe open for ever.
const OUTPUT_GRACE: Duration = Duration::from_millis(200);

/// What every program gets, where this process has it.
const PASSED_ON: [&str; 4] = ["PATH", "HOME", "USER", "LANG"];

/// Runs it; any exit status is an answer.
pub(super) async fn run(command: &Command, base: &Path) -> Result<Output, MachineError> {
    let mut builder = prepare(command, base)?;
    builder
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child =
        starting::start(|| builder.spawn()).map_err(|error| not_run(command, &error))?;
    let mut group = Group::of(&child);
    let (mut stdin, stdout, stderr) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async move {
        if let Some(stdin) = &mut stdin {
            // A program need not read its input.
            let _ = stdin.write_all(&command.input).await;
        }
        drop(stdin);
    };
    let (mut out, mut err) = (Kept::default(), Kept::default());
    let ended = {
        let mut read = Box::pin(async { tokio::join!(out.read(stdout), err.read(stderr), feed) });
        let ended = wait_and_read(&mut child, &mut read);
        let ended = tokio::time::timeout(command.deadline(), ended).await;
        if ended.is_err() {
            group.end(&mut child).await;
        }
        ended
    };
    let output = |status: Option<ExitStatus>| Output {
        status: status.and_then(|status| status.code()),
        truncated: out.dropped || err.dropped,
        stdout: out.bytes,
        stderr: err.bytes,
    };
    match ended {
        Ok(Ok(status)) => {
            group.ended();
            Ok(output(Some(status)))
        }
        Ok(Err(error)) => Err(not_run(command, &error)),
        Err(_) => Err(out_of_time(command).with_output(output(None))),
    }
}

async fn wait_and_read<T>(
    child: &mut Child,
    read: &mut (impl Future<Output = T> + Unpin),
) -> io::Result<ExitStatus> {
    tokio::select! {
        status = child.wait() => {
            let status = status?;
            let _ = tokio::time::timeout(OUTPUT_GRACE, read).await;
            Ok(status)
        }
        _ = &mut *read => child.wait().await,
    }
}

/// A builder with program, arguments, environment and directory.
pub(super) fn prepare(
    command: &Command,
    base: &Path,
) -> Result<tokio::process::Command, MachineError> {
    check(command)?;
    let directory = match &command.working_directory {
        Some(directory) => base.join(directory),
        None => base.to_owned(),
    };
    if !directory.is_dir() {
        let text = format!("there is no directory {}", directory.display());
        return Err(MachineError::new(ErrorKind::Missing, text));
    }
    let program = if command.program.contains('/') {
        directory.join(&command.program)
    } else {
        PathBuf::from(&command.program)
    };
    let mut builder = tokio::process::Command::new(program);
    builder
        .arg0(&command.program)
        .args(&command.arguments)
        .env_clear()
        .current_dir(directory);
    builder.envs(
        PASSED_ON
            .iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?))),
    );
    builder.envs(
        command
            .environment
            .iter()
            .map(|(name, value)| (name, value)),
    );
    Ok(builder)
}

/// Whether a command can be written down for an operating system at all.
pub(crate) fn check(command: &Command) -> Result<(), MachineError> {
    let invalid = |text: String| Err(MachineError::new(ErrorKind::Invalid, text));
    if command.program.is_empty() || command.program.starts_with('-') {
        return invalid(format!("{:?} is no program", command.program));
    }
    let texts = command
        .arguments
        .iter()
        .chain(std::iter::once(&command.program));
    if texts
        .chain(command.environment.iter().map(|(_, value)| value))
        .any(|t| t.contains('\0'))
    {
        return invalid(format!("a null byte in the command `{}`", command.program));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (name, _) in &command.environment {
        if name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !name.chars().all(plain)
        {
            return invalid(format!("{name:?} is no name for an environment variable"));
        }
    }
    Ok(())
}

pub(super) fn not_run(command: &Command, error: &io::Error) -> MachineError {
    match error.kind() {
        io::ErrorKind::NotFound => no_program(command),
        io::ErrorKind::PermissionDenied => MachineError::new(
            ErrorKind::Denied,
            format!("`{}` is not executable", command.program),
        ),
        _ => MachineError::new(
            ErrorKind::Rejected,
            format!("could not run `{}`: {error}", command.program),
        ),
    }
}

/// There is none of that name.
pub(crate) fn no_program(command: &Command) -> MachineError {
    MachineError::new(
        ErrorKind::Missing,
        format!("there is no program `{}`", command.program),
    )
}

/// It took too long.
pub(crate) fn out_of_time(command: &Command) -> MachineError {
    let text = format!(
        "`{}` took longer than {:?}",
        line(command),
        command.deadline()
    );
    MachineError::new(ErrorKind::Timeout, text)
}

/// The output of a command that ended with status 0; else the failure.
pub(crate) fn ended_well(command: &Command, output: Output) -> Result<Output, MachineError> {
    if output.status == Some(0) {
        return Ok(output);
    }
    let how = match output.status {
        Some(status) => format!("ended with status {status}"),
        None => "was ended by a signal".to_owned(),
    };
    let said = if output.stderr.is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    let said = tail(said);
    let colon = if said.is_empty() { "" } else { ": " };
    let text = format!("`{}` {how}{colon}{said}", line(command));
    Err(MachineError::new(ErrorKind::Rejected, text).with_output(output))
}

/// The command as a person would write it.
fn line(command: &Command) -> String {
    const LINE_CHARS_MAX: usize = 120;
    let mut line = command.program.clone();
    for argument in &command.arguments {
        line.push(' ');
        line.push_str(argument);
    }
    if line.chars().count() > LINE_CHARS_MAX {
        line = line
            .chars()
            .take(LINE_CHARS_MAX)
            .chain(std::iter::once('…'))
            .collect();
    }
    line
}

/// The end of what a program said: that is where the reason stands.
pub(crate) fn tail(said: &[u8]) -> String {
    const TAIL_BYTES: usize = 1000;
    let start = said.len().saturating_sub(TAIL_BYTES);
    String::from_utf8_lossy(&said[start..]).trim().to_owned()
}

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    dropped: bool,
}

impl Kept {
    async fn read(&mut self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(mut stream) = stream else { return };
        let mut chunk = vec![0; 16 << 10];
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            let room = (OUTPUT_BYTES_MAX - self.bytes.len()).min(count);
            self.bytes.extend_from_slice(&chunk[..room]);
            self.dropped |= room < count;
        }
    }
}

/// Ends the group when dropped before its leader has ended.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }

    async fn end(&mut self, child: &mut Child) {
        let Some(pid) = self.0.take() else { return };
        let _ = kill_process_group(pid, Signal::TERM);
        let _ = tokio::time::timeout(TERM_GRACE, child.wait()).await;
        let _ = kill_process_group(pid, Signal::KILL);
    }

    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}
