//! Resolves a path below its root. The links in it are followed first, to tell where it leads;
//! then it is opened through a handle of the root that the operating system does not leave, so
//! that a link swapped in between leads nowhere.

use std::{
    ffi::OsString,
    io,
    path::{Component, Path, PathBuf},
};

use cap_std::{ambient_authority, fs::Dir};

use crate::{
    action::Place,
    error::{ErrorKind, MachineError},
};

/// A name in a directory that is below the root.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) dir: Dir,
    pub(super) name: OsString,
    /// The path as it was asked for.
    pub(super) shown: PathBuf,
}

impl Spot {
    pub(super) fn failed(&self, doing: &str, error: &io::Error) -> MachineError {
        failed(doing, &self.shown, error)
    }
}

/// What went wrong with a path.
pub(super) fn failed(doing: &str, path: &Path, error: &io::Error) -> MachineError {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::Missing,
        io::ErrorKind::PermissionDenied => ErrorKind::Denied,
        _ => ErrorKind::Rejected,
    };
    MachineError::new(
        kind,
        format!("could not {doing} {}: {error}", path.display()),
    )
}

/// Whether the failure says that there is nothing.
pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The last component of the path, in the directory that holds it; the directory must be there.
pub(super) fn resolve(base: &Path, at: &Place) -> Result<Spot, MachineError> {
    check(at)?;
    let path = base.join(&at.path);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        let text = format!("{} cannot be changed as a whole", at.path.display());
        return Err(MachineError::new(ErrorKind::Invalid, text));
    };
    let dir = if at.path == at.root {
        Dir::open_ambient_dir(parent, ambient_authority())
            .map_err(|error| failed("open", parent, &error))?
    } else {
        directory(&base.join(&at.root), parent)?
    };
    Ok(Spot {
        dir,
        name: name.to_owned(),
        shown: at.path.clone(),
    })
}

/// The same for a path that must be strictly below its root: a root that could be replaced by a
/// link would be no root.
pub(super) fn resolve_below(base: &Path, at: &Place) -> Result<Spot, MachineError> {
    if at.path == at.root {
        let text = format!(
            "{} was granted itself: it cannot be replaced",
            at.path.display()
        );
        return Err(MachineError::new(ErrorKind::Denied, text));
    }
    resolve(base, at)
}

/// Where the path leads once links are followed to the end; none where nothing is there.
pub(super) fn follow(base: &Path, at: &Place) -> Result<Option<Spot>, MachineError> {
    check(at)?;
    let path = match base.join(&at.path).canonicalize() {
        Ok(path) => path,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(failed("open", &at.path, &error)),
    };
    let root = base.join(&at.root);
    let root = root
        .canonicalize()
        .map_err(|error| failed("open", &at.root, &error))?;
    let below = below(&root, &path)?;
    let (dir, name) = if below.as_os_str().is_empty() {
        let parent = root.parent().unwrap_or(&root);
        (
            parent.to_owned(),
            root.file_name().unwrap_or(".".as_ref()).to_owned(),
        )
    } else {
        (root, below.into_os_string())
    };
    let dir = Dir::open_ambient_dir(&dir, ambient_authority())
        .map_err(|error| failed("open", &at.root, &error))?;
    Ok(Some(Spot {
        dir,
        name,
        shown: at.path.clone(),
    }))
}

/// Makes the directory and those above it.
pub(super) fn create_directory(base: &Path, at: &Place) -> Result<(), MachineError> {
    check(at)?;
    let failed = |error: io::Error| failed("create directory", &at.path, &error);
    let root = base.join(&at.root);
    std::fs::create_dir_all(&root).map_err(failed)?;
    let root = root.canonicalize().map_err(failed)?;
    let wanted = base.join(&at.path);
    let mut there = wanted.as_path();
    let canonical = loop {
        match there.canonicalize() {
            Ok(path) => break path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A link that leads nowhere is there, but cannot be followed.
                if there.symlink_metadata().is_ok() {
                    return Err(failed(error));
                }
                let Some(parent) = there.parent() else {
                    return Err(failed(error));
                };
                there = parent;
            }
            Err(error) => return Err(failed(error)),
        }
    };
    let below = below(&root, &canonical)?;
    let dir = Dir::open_ambient_dir(&root, ambient_authority()).map_err(failed)?;
    let dir = if below.as_os_str().is_empty() {
        dir
    } else {
        dir.open_dir(below).map_err(failed)?
    };
    match wanted.strip_prefix(there) {
        Ok(rest) if !rest.as_os_str().is_empty() => dir.create_dir_all(rest).map_err(failed),
        _ => Ok(()),
    }
}

fn directory(root: &Path, parent: &Path) -> Result<Dir, MachineError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| failed("open", &path, &error)
    };
    let canonical_root = root.canonicalize().map_err(failed(root))?;
    let canonical = parent.canonicalize().map_err(failed(parent))?;
    let below = below(&canonical_root, &canonical)?;
    let dir = Dir::open_ambient_dir(&canonical_root, ambient_authority()).map_err(failed(root))?;
    if below.as_os_str().is_empty() {
        return Ok(dir);
    }
    dir.open_dir(&below).map_err(failed(parent))
}

fn below(root: &Path, path: &Path) -> Result<PathBuf, MachineError> {
    path.strip_prefix(root).map(Path::to_owned).map_err(|_| {
        let text = format!("{} lies outside of {}", path.display(), root.display());
        MachineError::new(ErrorKind::Denied, text)
    })
}

/// Whether the path is below its root as it is written.
pub(crate) fn check(at: &Place) -> Result<(), MachineError> {
    let wrong = |text: String| Err(MachineError::new(ErrorKind::Denied, text));
    for path in [&at.root, &at.path] {
        if path.components().any(|part| part == Component::ParentDir) {
            return wrong(format!("{} has `..` in it", path.display()));
        }
        if path.as_os_str().is_empty() || path.as_os_str().as_encoded_bytes().contains(&0) {
            let text = format!("{path:?} is no path");
            return Err(MachineError::new(ErrorKind::Invalid, text));
        }
    }
    if !at.path.starts_with(&at.root) {
        return wrong(format!(
            "{} lies outside of {}",
            at.path.display(),
            at.root.display()
        ));
    }
    Ok(())
}
