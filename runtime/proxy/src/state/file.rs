//! Keeps the state in a file, so that a reader sees the old or the new one whatever happens, and
//! belongs to one proxy at a time.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::State;
use crate::error::ProxyError;

/// The largest state that is read: several times what the largest state that passes the check
/// takes.
pub(crate) const BYTES_MAX: u64 = 16 << 20;

/// The state's file, and the files beside it.
#[derive(Clone, Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
}

impl StateFile {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// Makes the directory that it stands in.
    pub(crate) fn prepare(&self) -> Result<(), ProxyError> {
        let directory = self.directory();
        fs::create_dir_all(directory).map_err(|source| failed(directory, source))
    }

    /// The state that was kept; the empty one where none ever was.
    pub(crate) fn read(&self) -> Result<State, ProxyError> {
        let text = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::empty()),
            Ok(found) if found.len() > BYTES_MAX => Err(io::ErrorKind::FileTooLarge.into()),
            Ok(_) => fs::read(&self.path),
            Err(error) => Err(error),
        };
        let text = text.map_err(|source| failed(&self.path, source))?;
        State::parse(&text).map_err(|source| ProxyError::State {
            path: self.path.clone(),
            source,
        })
    }

    /// Replaces what is kept. When it returns, the new state outlives a power cut.
    pub(crate) fn write(&self, state: &State) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(state)?;
        text.push(b'\n');
        let temporary = self.beside("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .open(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        File::open(self.directory())?.sync_all()
    }

    /// Makes this process the one that the state belongs to, for as long as the file is open.
    pub(crate) fn lock(&self) -> Result<File, ProxyError> {
        let path = self.beside("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| failed(&path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(ProxyError::Locked {
                path: self.path.clone(),
            }),
            Err(TryLockError::Error(source)) => Err(failed(&path, source)),
        }
    }

    /// The file of that ending beside the state.
    pub(crate) fn beside(&self, ending: &str) -> PathBuf {
        let mut name: OsString = self.path.clone().into();
        name.push(".");
        name.push(ending);
        name.into()
    }

    fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }
}

pub(crate) fn failed(path: &Path, source: io::Error) -> ProxyError {
    ProxyError::File {
        path: path.into(),
        source,
    }
}
