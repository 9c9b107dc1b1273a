//! What can be asked of a machine, and what it answers.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// How long a command may take where nothing is said.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// What is kept of a command's output, of each of its two streams; the rest is dropped. Enough
/// for any report that a person reads, and bounded for a record that keeps it.
pub const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// The largest file that can be read: configuration files, not data.
pub const READ_BYTES_MAX: usize = 8 << 20;

/// A path, and the granted directory or file below which it must stay once links are followed.
///
/// Relative paths start at the machine's own directory: the configuration's on this machine, the
/// home directory on a remote one. Where several grants cover a path, `root` should be the widest.
/// `path` starts with `root`; neither may have `..` in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// What was granted.
    pub root: PathBuf,
    /// What is meant.
    pub path: PathBuf,
}

impl Place {
    /// A path below a granted root.
    pub fn new(root: impl AsRef<Path>, path: impl AsRef<Path>) -> Self {
        Self {
            root: root.as_ref().to_owned(),
            path: path.as_ref().to_owned(),
        }
    }

    /// A path that was itself granted.
    pub fn exactly(path: impl AsRef<Path>) -> Self {
        Self::new(&path, &path)
    }
}

/// One step on a machine; the verbs of `wit/capabilities.wit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Replaces a file in one step: a reader sees the old contents or the new.
    Write {
        /// Which file. Its directory must be there.
        at: Place,
        /// All of it.
        contents: Vec<u8>,
        /// Its permissions; where none are given it keeps those that it has, and a new one gets
        /// `0o644`.
        mode: Option<u32>,
    },
    /// Makes a directory, and those above it up to the root and beyond.
    CreateDirectory {
        /// Which.
        at: Place,
    },
    /// Puts a symbolic link in place in one step, over one that is there.
    Link {
        /// Where it stands. Never the root itself.
        at: Place,
        /// What it says; not checked, since whatever follows it here is.
        points_to: String,
    },
    /// Renames, over a file that is there.
    Rename {
        /// What is renamed. Never the root itself.
        from: Place,
        /// Its new path. Never the root itself.
        to: Place,
    },
    /// Removes a file, or a directory with all that is in it; missing is no failure.
    Remove {
        /// Which.
        at: Place,
    },
    /// Reads a file into the output's `stdout`; its status is 1 where there is none.
    Read {
        /// Which.
        at: Place,
    },
    /// Reads what a link says into `stdout`; its status is 1 where there is none.
    ReadLink {
        /// Which.
        at: Place,
    },
    /// Lists a directory as a JSON array of [`Entry`], by name; empty where there is none.
    List {
        /// Which.
        at: Place,
    },
    /// Says what is there as a JSON [`Entry`], links not followed; status 1 where nothing is.
    Stat {
        /// What.
        at: Place,
    },
    /// Runs a command, which must end with status 0.
    Run {
        /// Which.
        command: Command,
    },
    /// Unpacks an artifact beside the path and renames it there; nothing is done where it is
    /// there already.
    Unpack {
        /// The directory that appears.
        at: Place,
        /// The id of the release.
        release: String,
    },
    /// Puts the artifact file itself there, in the same way.
    Copy {
        /// The file that appears.
        at: Place,
        /// The id of the release.
        release: String,
    },
    /// Starts a program in the background, in a session of its own; nothing is done where the
    /// process that the pid file names runs already.
    Start {
        /// Which program. Its input is empty, and its timeout is not used.
        command: Command,
        /// Gets process id and starting time.
        pid_file: Place,
        /// Gets what the program writes, appended.
        log_file: Place,
    },
    /// Ends the process that [`Action::Start`] noted and its session: TERM, a wait, KILL. A
    /// missing or stale pid file is no failure.
    Stop {
        /// Where it was noted; gone afterwards.
        pid_file: Place,
        /// How long it may take to end by itself.
        grace: Duration,
    },
}

impl Action {
    /// The verb's name in the contract.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Write { .. } => "write",
            Self::CreateDirectory { .. } => "create-directory",
            Self::Link { .. } => "link",
            Self::Rename { .. } => "rename",
            Self::Remove { .. } => "remove",
            Self::Read { .. } => "read",
            Self::ReadLink { .. } => "read-link",
            Self::List { .. } => "list",
            Self::Stat { .. } => "stat",
            Self::Run { .. } => "run",
            Self::Unpack { .. } => "unpack",
            Self::Copy { .. } => "copy",
            Self::Start { .. } => "start",
            Self::Stop { .. } => "stop",
        }
    }

    /// The path it is about, where it is about one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Write { at, .. }
            | Self::CreateDirectory { at }
            | Self::Link { at, .. }
            | Self::Remove { at }
            | Self::Read { at }
            | Self::ReadLink { at }
            | Self::List { at }
            | Self::Stat { at }
            | Self::Unpack { at, .. }
            | Self::Copy { at, .. } => Some(&at.path),
            Self::Rename { from, .. } => Some(&from.path),
            Self::Start { pid_file, .. } | Self::Stop { pid_file, .. } => Some(&pid_file.path),
            Self::Run { .. } => None,
        }
    }
}

/// A program to run; no shell stands between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Looked up in the machine's `PATH` where it has no slash in it.
    pub program: String,
    /// After the program's name.
    pub arguments: Vec<String>,
    /// Besides `PATH`, `HOME`, `USER` and `LANG`, which are those of the machine.
    pub environment: Vec<(String, String)>,
    /// A relative program with a slash in it is taken from here. A relative directory starts
    /// where relative paths do.
    pub working_directory: Option<PathBuf>,
    /// What it can read.
    pub input: Vec<u8>,
    /// [`COMMAND_TIMEOUT`] where none is given; past it the program's process group is ended.
    pub timeout: Option<Duration>,
}

impl Command {
    /// A program with its arguments.
    pub fn new(
        program: impl Into<String>,
        arguments: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self {
            program: program.into(),
            arguments,
            ..Self::default()
        }
    }

    /// The time it may take.
    pub fn deadline(&self) -> Duration {
        self.timeout.unwrap_or(COMMAND_TIMEOUT)
    }
}

/// What came of an action or a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The exit status; none where a signal ended it.
    pub status: Option<i32>,
    /// What it wrote.
    pub stdout: Vec<u8>,
    /// What it complained about.
    pub stderr: Vec<u8>,
    /// Whether there was more of either.
    pub truncated: bool,
}

impl Output {
    /// Success with nothing to say.
    pub fn done() -> Self {
        Self {
            status: Some(0),
            ..Self::default()
        }
    }

    /// Success, with what was read.
    pub fn of(stdout: impl Into<Vec<u8>>) -> Self {
        Self {
            status: Some(0),
            stdout: stdout.into(),
            ..Self::default()
        }
    }

    /// There was nothing of that name.
    pub fn missing() -> Self {
        Self {
            status: Some(1),
            ..Self::default()
        }
    }
}

/// What kind of thing a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, wherever it points.
    Symlink,
    /// A socket, a device, a pipe.
    Other,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Without its directory.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// In bytes.
    pub size: u64,
}
