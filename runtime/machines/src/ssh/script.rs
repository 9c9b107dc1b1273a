//! Writes down actions as a script, in the words of `script.sh`. Every value is quoted; what is
//! large is sent behind the script, with its length in it.

use std::{fmt::Write as _, path::Path, sync::Arc, time::Duration};

use crate::{
    action::{Action, Command, OUTPUT_BYTES_MAX, Place, READ_BYTES_MAX},
    artifact::{ArtifactSource, Form, Packed},
    error::{ErrorKind, MachineError},
    fence::Fence,
    local::{BECOME, FENCE_WAIT, LIST_ENTRIES_MAX, artifact, check_command, check_place},
};

/// Larger contents are sent behind the script: a shell holds all of its script in memory, with
/// up to four characters for a byte.
const INLINE_BYTES_MAX: usize = 32 << 10;

/// How long work on files may take.
const FILES_TIMEOUT: Duration = Duration::from_secs(60);

/// What a command may take besides its own time: to be asked to end, and then to be killed.
const COMMAND_MARGIN: Duration = Duration::from_secs(10);

/// How long nothing may be heard while a release is unpacked.
const UNPACK_TIMEOUT: Duration = Duration::from_secs(120);

/// What is sent behind the script. Each is followed by a line that says whether it was meant.
pub(super) enum Blob {
    Bytes(bytes::Bytes),
    /// For the action in that place, which may have no use for it.
    Artifact(usize, Arc<Packed>),
}

/// A script of at most so many bytes is read line by line.
const LINES_BYTES_MAX: usize = 4 << 10;

/// What the script does for one action.
pub(super) struct Part {
    pub(super) timeout: Duration,
    /// How much of its output is kept.
    pub(super) keep: usize,
    /// Whether it is a program, which must be ended where the call is given up.
    pub(super) runs: bool,
}

/// A script with all that goes with it.
pub(super) struct Script {
    text: String,
    pub(super) nonce: String,
    pub(super) blobs: Vec<Blob>,
    pub(super) parts: Vec<Part>,
    /// How long it may take until the first action begins.
    pub(super) prelude: Duration,
    /// The last action with something behind the script.
    last_blob: Option<usize>,
    pub(super) fence: Option<Fence>,
}

impl Script {
    /// Writes down actions, of which the commands must end with status 0.
    pub(super) async fn of_actions(
        actions: &[Action],
        fence: Option<&Fence>,
        artifacts: Option<&dyn ArtifactSource>,
    ) -> Result<Self, MachineError> {
        let mut script = Self::new(fence)?;
        let mut packed = Vec::with_capacity(actions.len());
        for (index, action) in actions.iter().enumerate() {
            let sent = sent(action, artifacts).await;
            packed.push(sent.map_err(|error| error.at(index))?);
        }
        script.last_blob = actions.iter().rposition(has_blob);
        for (index, (action, packed)) in actions.iter().zip(packed).enumerate() {
            script
                .action(index, action, packed)
                .map_err(|error| error.at(index))?;
        }
        Ok(script)
    }

    /// Writes down one command, of which any status is an answer.
    pub(super) fn of_command(
        command: &Command,
        fence: Option<&Fence>,
    ) -> Result<Self, MachineError> {
        let mut script = Self::new(fence)?;
        script.line("go 0");
        script.command(command)?;
        Ok(script)
    }

    fn new(fence: Option<&Fence>) -> Result<Self, MachineError> {
        let nonce = nonce()?;
        let mut script = Self {
            text: format!("{{\nN={nonce} i=- behind=0\nboth begin\n"),
            nonce,
            blobs: Vec::new(),
            parts: Vec::new(),
            prelude: FILES_TIMEOUT,
            last_blob: None,
            fence: fence.cloned(),
        };
        if let Some(fence) = fence {
            let directory = quoted_path(&fence.directory)?;
            let name = quoted(&fence.file_name())?;
            let wait = FENCE_WAIT.as_secs();
            script.line(&format!("fence {directory} {name} {} {wait}", fence.token));
            script.prelude += FENCE_WAIT;
        }
        Ok(script)
    }

    /// The whole request, as the loop at the end of `script.sh` reads it. The braces make a shell
    /// read to the end before it does anything: half a script is none.
    pub(super) fn request(&self) -> Vec<u8> {
        let script = format!("{}mark end\nexit $behind\n}}\n", self.text);
        let head = if script.len() <= LINES_BYTES_MAX {
            format!("lines {}", script.matches('\n').count())
        } else {
            format!("bytes {}", script.len())
        };
        format!("{head}\n{script}").into_bytes()
    }

    /// Whether something behind the script is for a later action than this.
    pub(super) fn more_after(&self, index: usize) -> bool {
        self.last_blob.is_some_and(|last| last > index)
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn part(&mut self, timeout: Duration, keep: usize) {
        self.parts.push(Part {
            timeout,
            keep,
            runs: false,
        });
    }

    fn action(
        &mut self,
        index: usize,
        action: &Action,
        packed: Option<(Arc<Packed>, u32)>,
    ) -> Result<(), MachineError> {
        self.line(&format!("go {index}"));
        let files = |script: &mut Self| script.part(FILES_TIMEOUT, READ_BYTES_MAX);
        match action {
            Action::Write { at, contents, mode } => {
                files(self);
                self.write(at, contents, *mode)?;
            }
            Action::CreateDirectory { at } => {
                files(self);
                self.create_directory(at)?;
            }
            Action::Link { at, points_to } => {
                files(self);
                let name = self.strictly(at)?;
                self.line(&format!("link {name} {}", quoted(points_to)?));
            }
            Action::Rename { from, to } => {
                files(self);
                let name = self.strictly(from)?;
                self.line(&format!("old=$PWD/{name}"));
                let name = self.strictly(to)?;
                self.line(&format!("rename \"$old\" {name}"));
            }
            Action::Remove { at } => self.maybe(at, "remove", "", "ok")?,
            Action::Read { at } => {
                self.maybe(at, "contents", &READ_BYTES_MAX.to_string(), "ok 1")?
            }
            Action::ReadLink { at } => self.maybe(at, "target", "", "ok 1")?,
            Action::List { at } => self.maybe(
                at,
                "entries",
                &LIST_ENTRIES_MAX.to_string(),
                "mark list; ok",
            )?,
            Action::Stat { at } => self.maybe(at, "entry", "", "ok 1")?,
            Action::Run { command } => {
                self.command(command)?;
                // A shell that has more to read than it will is not used again.
                let behind = if self.more_after(index) {
                    "1"
                } else {
                    "$behind"
                };
                self.line(&format!("[ \"$s\" = 0 ] || {{ mark end; exit {behind}; }}"));
            }
            Action::Unpack { at, .. } => self.appear(index, "unpack", at, packed)?,
            Action::Copy { at, .. } => self.appear(index, "copy", at, packed)?,
            Action::Start {
                command,
                pid_file,
                log_file,
            } => self.start(command, pid_file, log_file)?,
            Action::Stop { pid_file, grace } => {
                self.part(*grace + FILES_TIMEOUT, OUTPUT_BYTES_MAX);
                let directory = quoted_path(above(pid_file)?)?;
                self.line(&format!("if there {directory}; then"));
                let name = self.go_to(pid_file)?;
                self.line(&format!("stop {name} {}\nelse ok; fi", grace.as_millis()));
            }
        }
        Ok(())
    }

    /// Goes to the directory of a path, and gives the quoted name in it.
    fn go_to(&mut self, at: &Place) -> Result<String, MachineError> {
        check_place(at)?;
        let directory = quoted_path(above(at)?)?;
        if at.path == at.root {
            self.line(&format!("beside {directory}"));
        } else {
            self.line(&format!("below {} {directory}", quoted_path(&at.root)?));
        }
        name(at)
    }

    fn strictly(&mut self, at: &Place) -> Result<String, MachineError> {
        if at.path == at.root {
            let text = format!(
                "{} was granted itself: it cannot be replaced",
                at.path.display()
            );
            return Err(MachineError::new(ErrorKind::Denied, text));
        }
        self.go_to(at)
    }

    /// What has an answer also where there is nothing.
    fn maybe(
        &mut self,
        at: &Place,
        word: &str,
        more: &str,
        none: &str,
    ) -> Result<(), MachineError> {
        self.part(FILES_TIMEOUT, READ_BYTES_MAX);
        check_place(at)?;
        self.line(&format!("if there {}; then", quoted_path(above(at)?)?));
        let name = self.go_to(at)?;
        self.line(&format!("{word} {name} {more}\nelse {none}; fi"));
        Ok(())
    }

    fn write(
        &mut self,
        at: &Place,
        contents: &[u8],
        mode: Option<u32>,
    ) -> Result<(), MachineError> {
        let name = self.go_to(at)?;
        self.line(&format!("temporary {name}"));
        // What others must not read they must not read for a moment either.
        let mask = if mode.is_some_and(|mode| mode & 0o077 != 0o044) {
            "umask 077"
        } else {
            ""
        };
        self.line(mask);
        if contents.len() <= INLINE_BYTES_MAX {
            self.line(&format!(
                "printf -- {} >\"./$t\" || fail rejected",
                printf(contents)
            ));
        } else {
            self.line(&format!(
                "take {} >\"./$t\" || fail rejected\nmeant",
                contents.len()
            ));
            self.blobs
                .push(Blob::Bytes(bytes::Bytes::copy_from_slice(contents)));
        }
        let mode = mode.map_or_else(|| "''".to_owned(), |mode| format!("{mode:o}"));
        self.line(&format!("umask 022\nwritten {name} {mode}"));
        Ok(())
    }

    fn create_directory(&mut self, at: &Place) -> Result<(), MachineError> {
        check_place(at)?;
        let mut line = format!("directory {}", quoted_path(&at.root)?);
        let below = at.path.strip_prefix(&at.root).unwrap_or(Path::new(""));
        for part in below.components() {
            let _ = write!(line, " {}", quoted_path(Path::new(part.as_os_str()))?);
        }
        self.line(&line);
        Ok(())
    }

    fn appear(
        &mut self,
        index: usize,
        word: &str,
        at: &Place,
        packed: Option<(Arc<Packed>, u32)>,
    ) -> Result<(), MachineError> {
        self.part(UNPACK_TIMEOUT, OUTPUT_BYTES_MAX);
        let Some((packed, mode)) = packed else {
            return Err(MachineError::new(
                ErrorKind::Internal,
                "an artifact was not packed",
            ));
        };
        let name = self.go_to(at)?;
        let bytes = packed.bytes();
        let how = match packed.form() {
            Form::Gzip => "gzip".to_owned(),
            Form::Tar => "tar".to_owned(),
            Form::Plain => format!("{mode:o}"),
        };
        self.line(&format!(
            "if absent {name}; then {word} {name} {bytes} {how}"
        ));
        // Only where more follows must it be read all the same.
        if self.more_after(index) {
            self.line(&format!(
                "else take {bytes} >/dev/null; IFS= read -r said; fi"
            ));
        } else {
            self.line("else behind=1; fi");
        }
        self.blobs.push(Blob::Artifact(index, packed));
        Ok(())
    }

    fn command(&mut self, command: &Command) -> Result<(), MachineError> {
        let timeout = command.deadline() + COMMAND_MARGIN;
        self.parts.push(Part {
            timeout,
            keep: OUTPUT_BYTES_MAX,
            runs: true,
        });
        self.enter(command)?;
        let seconds = seconds(command.deadline());
        let run = format!(
            "( {}within {seconds} {} )",
            exports(command)?,
            words(command)?
        );
        if command.input.is_empty() {
            self.line(&format!("{run} </dev/null; ran $?"));
        } else if command.input.len() <= INLINE_BYTES_MAX {
            self.line(&format!(
                "printf -- {} | {run}; ran $?",
                printf(&command.input)
            ));
        } else {
            self.line("t=$(mktemp) || fail rejected\npartial=$t");
            self.line(&format!(
                "take {} >\"$t\" || fail rejected\nmeant",
                command.input.len()
            ));
            self.line(&format!(
                "{run} <\"$t\"; s=$?; rm -f -- \"$t\"; partial=; ran $s"
            ));
            self.blobs
                .push(Blob::Bytes(bytes::Bytes::copy_from_slice(&command.input)));
        }
        Ok(())
    }

    fn start(&mut self, command: &Command, pid: &Place, log: &Place) -> Result<(), MachineError> {
        self.part(FILES_TIMEOUT, OUTPUT_BYTES_MAX);
        let name = self.go_to(pid)?;
        self.line(&format!("pids=$PWD/{name}"));
        let name = self.go_to(log)?;
        self.line(&format!("logs=$PWD/{name}"));
        self.line("if running \"$pids\"; then ok; else");
        self.enter(command)?;
        let start = format!("start \"$pids\" \"$logs\" {}", words(command)?);
        self.line(&format!("become={}", quoted(BECOME)?));
        self.line(&format!(
            "( {}{start} ) || exit 1\nok; fi",
            exports(command)?
        ));
        Ok(())
    }

    fn enter(&mut self, command: &Command) -> Result<(), MachineError> {
        check_command(command)?;
        match &command.working_directory {
            Some(directory) => {
                let directory = quoted_path(directory)?;
                self.line(&format!("full {directory}; enter \"$p\""));
            }
            None => self.line("cd \"$home\""),
        }
        Ok(())
    }
}

/// What is sent for an action, and its permissions.
async fn sent(
    action: &Action,
    artifacts: Option<&dyn ArtifactSource>,
) -> Result<Option<(Arc<Packed>, u32)>, MachineError> {
    let (release, unpack) = match action {
        Action::Unpack { release, .. } => (release, true),
        Action::Copy { release, .. } => (release, false),
        _ => return Ok(None),
    };
    let artifact = artifact(artifacts, release).await?;
    Ok(Some((artifact.packed(unpack).await?, artifact.mode())))
}

fn has_blob(action: &Action) -> bool {
    match action {
        Action::Write { contents, .. } => contents.len() > INLINE_BYTES_MAX,
        Action::Run { command } => command.input.len() > INLINE_BYTES_MAX,
        Action::Unpack { .. } | Action::Copy { .. } => true,
        _ => false,
    }
}

fn words(command: &Command) -> Result<String, MachineError> {
    let mut words = quoted(&command.program)?;
    for argument in &command.arguments {
        let _ = write!(words, " {}", quoted(argument)?);
    }
    Ok(words)
}

fn exports(command: &Command) -> Result<String, MachineError> {
    let mut exports = "unset LC_ALL; ".to_owned();
    for (name, value) in &command.environment {
        let _ = write!(exports, "export {name}={}; ", quoted(value)?);
    }
    Ok(exports)
}

/// In whole seconds where it can be: some know no others.
fn seconds(time: Duration) -> String {
    match time.subsec_millis() {
        0 => time.as_secs().max(1).to_string(),
        _ => format!("{}.{:03}", time.as_secs(), time.subsec_millis()),
    }
}

fn above(at: &Place) -> Result<&Path, MachineError> {
    match at.path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(parent) => Ok(parent),
        None => {
            let text = format!("{} cannot be changed as a whole", at.path.display());
            Err(MachineError::new(ErrorKind::Invalid, text))
        }
    }
}

fn name(at: &Place) -> Result<String, MachineError> {
    let Some(name) = at.path.file_name() else {
        let text = format!("{} has no name", at.path.display());
        return Err(MachineError::new(ErrorKind::Invalid, text));
    };
    quoted_path(Path::new(name))
}

fn quoted_path(path: &Path) -> Result<String, MachineError> {
    let Some(text) = path.to_str() else {
        let text = format!("{} is not text", path.display());
        return Err(MachineError::new(ErrorKind::Invalid, text));
    };
    quoted(text)
}

/// The text as one word of a shell, whatever is in it.
fn quoted(text: &str) -> Result<String, MachineError> {
    if text.contains('\0') {
        let text = format!("a null byte in {text:?}");
        return Err(MachineError::new(ErrorKind::Invalid, text));
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// The bytes as the format of a `printf`, quoted.
fn printf(bytes: &[u8]) -> String {
    let mut format = String::with_capacity(bytes.len() + 2);
    format.push('\'');
    for byte in bytes {
        match byte {
            b'%' => format.push_str("%%"),
            b'\'' | b'\\' => {
                let _ = write!(format, "\\{byte:03o}");
            }
            b' '..=b'~' | b'\n' => format.push(char::from(*byte)),
            _ => {
                let _ = write!(format, "\\{byte:03o}");
            }
        }
    }
    format.push('\'');
    format
}

/// What no one can guess.
fn nonce() -> Result<String, MachineError> {
    let mut bytes = [0; 16];
    let failed = |error| MachineError::new(ErrorKind::Internal, format!("no randomness: {error}"));
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).map_err(failed)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::start_program;

    #[test]
    fn shells_read_back_what_was_quoted() {
        let texts = ["", "it's", "$HOME `id` \"x\" \\ \n*", "'''", "ä-%s"];
        for text in texts {
            let script = format!("printf %s {}", quoted(text).unwrap());
            assert_eq!(said(&script), text.as_bytes(), "{text}");
        }
        assert!(quoted("a\0b").is_err());
    }

    #[test]
    fn shells_write_every_byte() {
        let all: Vec<u8> = (0..=255).chain([b'7', b'%', b'\\', b'\'']).collect();
        assert_eq!(said(&format!("printf -- {}", printf(&all))), all);
        assert_eq!(said(&format!("printf -- {}", printf(b""))), b"");
        assert_eq!(said(&format!("printf -- {}", printf(b"-n"))), b"-n");
    }

    fn said(script: &str) -> Vec<u8> {
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", script]);
        start_program(|| shell.output()).unwrap().stdout
    }
}
