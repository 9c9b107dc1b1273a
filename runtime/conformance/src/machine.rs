//! The machine that plugins work on in the kit: its files lie below a folder of their own, whatever
//! their paths say, and its programs are not run but answered for.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use machines::{
    Action, ArtifactSource, Command, Endpoint, ErrorKind, Fence, Local, Machine, MachineError,
    OUTPUT_BYTES_MAX, Output, Place, READ_BYTES_MAX, Stream,
};

use crate::{
    other::{Answering, GARBAGE, OTHER_JSON},
    trouble::{Part, Trouble},
};

const NAME: &str = "kit";

/// A machine below one folder.
pub(crate) struct KitMachine {
    folder: PathBuf,
    files: Local,
    other: Answering,
}

impl KitMachine {
    pub(crate) fn new(folder: &Path, other: Answering) -> Self {
        Self {
            folder: folder.to_owned(),
            files: Local::new(NAME, folder),
            other,
        }
    }

    fn below(&self, path: &Path) -> PathBuf {
        let relative = path.strip_prefix("/").unwrap_or(path);
        self.folder.join(relative)
    }

    fn place(&self, at: &Place) -> Place {
        let place = Place::new(self.below(&at.root), self.below(&at.path));
        // What an operator names is on a machine; what cannot be made fails in the action itself.
        if let Some(above) = place.root.parent() {
            _ = std::fs::create_dir_all(above);
        }
        place
    }

    async fn file(
        &self,
        action: Action,
        artifacts: Option<&dyn ArtifactSource>,
    ) -> Result<Output, MachineError> {
        let reads = matches!(action, Action::Read { .. });
        let trouble = self.other.trouble(Part::Files);
        match trouble {
            Some(Trouble::Refused) => return Err(failed(ErrorKind::Denied, "permission denied")),
            Some(Trouble::Silent) => {
                return Err(failed(ErrorKind::Unavailable, "the machine was lost"));
            }
            Some(Trouble::Huge) if reads => {
                let text = format!("the file is longer than {READ_BYTES_MAX} bytes");
                return Err(failed(ErrorKind::Rejected, &text));
            }
            Some(Trouble::Garbage) if reads => return Ok(Output::of(GARBAGE)),
            _ => {}
        }
        let outputs = self.files.perform(&[action], None, artifacts).await;
        let mut output = outputs?.pop().unwrap_or_else(Output::done);
        if reads && trouble == Some(Trouble::CutOff) {
            output.stdout.truncate(output.stdout.len() / 2);
        }
        Ok(output)
    }

    fn program(&self, command: &Command) -> Result<Output, MachineError> {
        let line = line(command);
        let output = |status, stdout: &[u8]| Output {
            status,
            stdout: stdout.to_vec(),
            ..Output::default()
        };
        Ok(match self.other.trouble(Part::Commands) {
            Some(Trouble::Refused) => {
                let text = format!("there is no program `{}`", command.program);
                return Err(failed(ErrorKind::Missing, &text));
            }
            Some(Trouble::Silent) => {
                let text = format!("`{line}` took longer than {:?}", command.deadline());
                return Err(failed(ErrorKind::Timeout, &text));
            }
            Some(Trouble::Status(status)) => Output {
                status: Some(status.into()),
                stderr: b"the kit says no".to_vec(),
                ..Output::default()
            },
            Some(Trouble::Garbage | Trouble::NoHttp) => output(Some(0), GARBAGE),
            Some(Trouble::OtherJson) => output(Some(0), OTHER_JSON.as_bytes()),
            Some(Trouble::Huge) => Output {
                truncated: true,
                ..output(Some(0), &vec![b'['; OUTPUT_BYTES_MAX])
            },
            Some(Trouble::CutOff) => output(None, b"half of "),
            None => {
                let said = self.other.answers.command(&line);
                Output {
                    status: Some(said.status),
                    stdout: said.stdout.into_bytes(),
                    stderr: said.stderr.into_bytes(),
                    truncated: false,
                }
            }
        })
    }

    /// A program in the background is a pid file.
    fn start(&self, command: &Command, pid_file: &Place) -> Result<Output, MachineError> {
        let output = self.program(command)?;
        if output.status != Some(0) {
            return ended_well(command, output);
        }
        let path = self.place(pid_file).path;
        let written = std::fs::write(path, "1 1\n");
        written.map_err(|error| failed(ErrorKind::Rejected, &error.to_string()))?;
        Ok(Output::done())
    }

    async fn act(
        &self,
        action: &Action,
        artifacts: Option<&dyn ArtifactSource>,
    ) -> Result<Output, MachineError> {
        let place = |at: &Place| self.place(at);
        let here = match action.clone() {
            Action::Run { command } => return ended_well(&command, self.program(&command)?),
            Action::Start {
                command, pid_file, ..
            } => return self.start(&command, &pid_file),
            Action::Stop { pid_file, .. } => {
                let at = place(&pid_file);
                let _gone_already = std::fs::remove_file(at.path);
                return Ok(Output::done());
            }
            Action::Write { at, contents, mode } => Action::Write {
                at: place(&at),
                contents,
                mode,
            },
            Action::CreateDirectory { at } => Action::CreateDirectory { at: place(&at) },
            Action::Link { at, points_to } => Action::Link {
                at: place(&at),
                points_to,
            },
            Action::Rename { from, to } => Action::Rename {
                from: place(&from),
                to: place(&to),
            },
            Action::Remove { at } => Action::Remove { at: place(&at) },
            Action::Read { at } => Action::Read { at: place(&at) },
            Action::ReadLink { at } => Action::ReadLink { at: place(&at) },
            Action::List { at } => Action::List { at: place(&at) },
            Action::Stat { at } => Action::Stat { at: place(&at) },
            Action::Unpack { at, release } => Action::Unpack {
                at: place(&at),
                release,
            },
            Action::Copy { at, release } => Action::Copy {
                at: place(&at),
                release,
            },
        };
        self.file(here, artifacts).await
    }
}

#[async_trait]
impl Machine for KitMachine {
    fn name(&self) -> &str {
        NAME
    }

    async fn perform(
        &self,
        actions: &[Action],
        _: Option<&Fence>,
        artifacts: Option<&dyn ArtifactSource>,
    ) -> Result<Vec<Output>, MachineError> {
        let mut outputs = Vec::with_capacity(actions.len());
        for (index, action) in actions.iter().enumerate() {
            let output = self.act(action, artifacts).await;
            outputs.push(output.map_err(|mut error| {
                error.index = Some(index);
                error
            })?);
        }
        Ok(outputs)
    }

    async fn run(&self, command: &Command, _: Option<&Fence>) -> Result<Output, MachineError> {
        self.program(command)
    }

    async fn connect(
        &self,
        endpoint: &Endpoint,
        timeout: Duration,
    ) -> Result<Box<dyn Stream>, MachineError> {
        match self.other.trouble(Part::Sockets) {
            Some(Trouble::Refused) => {
                let text = format!("{endpoint}: connection refused");
                Err(failed(ErrorKind::Unavailable, &text))
            }
            Some(Trouble::Silent) => {
                let text = format!("{endpoint} did not answer within {timeout:?}");
                Err(failed(ErrorKind::Timeout, &text))
            }
            trouble => Ok(self.other.answering(trouble)),
        }
    }
}

fn failed(kind: ErrorKind, message: &str) -> MachineError {
    MachineError::new(kind, message)
}

fn line(command: &Command) -> String {
    let words = [&command.program].into_iter().chain(&command.arguments);
    words.map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn ended_well(command: &Command, output: Output) -> Result<Output, MachineError> {
    if output.status == Some(0) {
        return Ok(output);
    }
    let how = match output.status {
        Some(status) => format!("ended with status {status}"),
        None => "was ended by a signal".to_owned(),
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut error = failed(
        ErrorKind::Rejected,
        &format!("`{}` {how}: {said}", line(command)),
    );
    error.output = Some(Box::new(output));
    Err(error)
}
