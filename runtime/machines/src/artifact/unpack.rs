//! Unpacks into a directory, through a handle that the operating system does not leave.

use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};

use super::{
    check::{self, Rules, Stopped, pump},
    entries::{Entry, Taker, What},
    error::ArtifactError,
};
use crate::local::write_file;

pub(super) struct Unpacking<'a> {
    into: &'a Dir,
    rules: Option<Rules>,
    /// Set at the end: a directory without the right to write would let nothing in.
    modes: Vec<(PathBuf, u32)>,
}

impl<'a> Unpacking<'a> {
    pub(super) fn new(into: &'a Dir) -> Self {
        Self {
            into,
            rules: None,
            modes: Vec::new(),
        }
    }

    /// Sets what could not be set before.
    pub(super) fn finish(self, archive: &Path) -> Result<(), ArtifactError> {
        for (path, mode) in self.modes.into_iter().rev() {
            let set = self
                .into
                .set_permissions(&path, Permissions::from_mode(mode));
            set.map_err(|error| Stopped::Writing(error).at(archive, &path, &path))?;
        }
        Ok(())
    }
}

impl Taker for Unpacking<'_> {
    fn take(&mut self, archive: &Path, entry: Entry<'_>) -> Result<(), ArtifactError> {
        let rules = self.rules.get_or_insert_with(|| Rules::new(archive));
        let path = rules.admit(archive, &entry)?;
        let stopped = |stopped: Stopped| stopped.at(archive, &entry.path, &path);
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
            self.into
                .create_dir_all(above)
                .map_err(|error| stopped(Stopped::Writing(error)))?;
        }
        let made = match entry.what {
            What::Directory => {
                self.modes
                    .push((path.clone(), check::mode(entry.mode, true)));
                self.into.create_dir_all(&path)
            }
            What::File { size, contents } => {
                // The same name again replaces what it stood for.
                let _ = self.into.remove_file(&path);
                let mut options = OpenOptions::new();
                options.write(true).create_new(true).mode(0o600);
                write_file(|| match self.into.open_with(&path, &options) {
                    Ok(mut file) => {
                        pump(contents, &mut file, size).map_err(stopped)?;
                        let mode = check::mode(entry.mode, false);
                        Ok(file.set_permissions(Permissions::from_mode(mode)))
                    }
                    Err(error) => Ok(Err(error)),
                })?
            }
            What::Symlink(target) => self.into.symlink(target, &path),
            What::Hardlink(target) => {
                let _ = self.into.remove_file(&path);
                self.into.hard_link(target, self.into, &path)
            }
            What::Other(_) => Ok(()),
        };
        made.map_err(|error| stopped(Stopped::Writing(error)))
    }
}
