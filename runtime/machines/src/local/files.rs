//! What is done to files here. All of it blocks.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use cap_std::fs::{Metadata, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};

use super::{
    place::{self, Spot, create_directory, follow, is_missing, resolve, resolve_below},
    starting,
};
use crate::{
    action::{Action, Entry, EntryKind, Output, Place, READ_BYTES_MAX},
    artifact::Artifact,
    error::{ErrorKind, MachineError},
};

/// More entries than any directory has that a plugin should look through.
pub(crate) const LIST_ENTRIES_MAX: usize = 10_000;

/// What a new file may be used for: by its owner to write, by all to read.
pub(crate) const FILE_MODE: u32 = 0o644;

pub(super) fn act(base: &Path, action: &Action) -> Result<Output, MachineError> {
    match action {
        Action::Write { at, contents, mode } => write(&resolve(base, at)?, contents, *mode),
        Action::CreateDirectory { at } => create_directory(base, at).map(|()| Output::done()),
        Action::Link { at, points_to } => link(&resolve_below(base, at)?, points_to),
        Action::Rename { from, to } => {
            let (from, to) = (resolve_below(base, from)?, resolve_below(base, to)?);
            let done = from.dir.rename(&from.name, &to.dir, &to.name);
            done.map_err(|error| from.failed("rename", &error))?;
            Ok(Output::done())
        }
        Action::Remove { at } => remove(base, at),
        Action::Read { at } => read(base, at),
        Action::ReadLink { at } => read_link(base, at),
        Action::List { at } => list(base, at),
        Action::Stat { at } => stat(base, at),
        _ => {
            let text = format!("{} is not done to files", action.verb());
            Err(MachineError::new(ErrorKind::Internal, text))
        }
    }
}

fn write(spot: &Spot, contents: &[u8], mode: Option<u32>) -> Result<Output, MachineError> {
    let failed = |error: io::Error| spot.failed("write", &error);
    let mode = match mode {
        Some(mode) => mode,
        None => match spot.dir.symlink_metadata(&spot.name) {
            Ok(there) if there.is_file() => there.permissions().mode() & 0o7777,
            _ => FILE_MODE,
        },
    };
    in_one_step(spot, |temporary| {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        starting::write(|| spot.dir.open_with(temporary, &options)?.write_all(contents))?;
        seal(spot, temporary, mode)
    })
    .map_err(failed)?;
    // The new name lasts only once its directory does. Not every file system can tell.
    let _ = spot.dir.open(".").and_then(|dir| dir.sync_all());
    Ok(Output::done())
}

/// Makes what was written last, without opening it for writing again.
fn seal(spot: &Spot, name: &Path, mode: u32) -> io::Result<()> {
    let file = spot.dir.open(name)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

fn link(spot: &Spot, points_to: &str) -> Result<Output, MachineError> {
    in_one_step(spot, |temporary| {
        spot.dir.symlink_contents(points_to, temporary)
    })
    .map_err(|error| spot.failed("link", &error))?;
    Ok(Output::done())
}

/// Makes something under another name, and renames it.
fn in_one_step(spot: &Spot, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut temporary = OsString::from(".");
    temporary.push(&spot.name);
    temporary.push(format!(".{}-{count}.new", std::process::id()));
    let temporary = Path::new(&temporary);
    // One of that name is from a process that is gone and had our number.
    let _ = spot.dir.remove_file(temporary);
    let done = make(temporary).and_then(|()| spot.dir.rename(temporary, &spot.dir, &spot.name));
    if done.is_err() {
        let _ = spot.dir.remove_file(temporary);
    }
    done
}

fn remove(base: &Path, at: &Place) -> Result<Output, MachineError> {
    let spot = match resolve(base, at) {
        Ok(spot) => spot,
        Err(error) if error.kind == ErrorKind::Missing => return Ok(Output::done()),
        Err(error) => return Err(error),
    };
    remove_spot(&spot, spot.name.as_ref())?;
    Ok(Output::done())
}

fn remove_spot(spot: &Spot, name: &Path) -> Result<(), MachineError> {
    let removed = match spot.dir.symlink_metadata(name) {
        Ok(there) if there.is_dir() => spot.dir.remove_dir_all(name),
        Ok(_) => spot.dir.remove_file(name),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if !is_missing(&error) => Err(spot.failed("remove", &error)),
        _ => Ok(()),
    }
}

fn read(base: &Path, at: &Place) -> Result<Output, MachineError> {
    let Some(spot) = follow(base, at)? else {
        return Ok(Output::missing());
    };
    let failed = |error: io::Error| spot.failed("read", &error);
    let there = spot.dir.symlink_metadata(&spot.name).map_err(failed)?;
    if !there.is_file() {
        let text = format!("{} is not a file", at.path.display());
        return Err(MachineError::new(ErrorKind::Rejected, text));
    }
    let mut contents = Vec::new();
    let file = spot.dir.open(&spot.name).map_err(failed)?;
    file.take(READ_BYTES_MAX as u64 + 1)
        .read_to_end(&mut contents)
        .map_err(failed)?;
    if contents.len() > READ_BYTES_MAX {
        let text = format!("{} has more than {READ_BYTES_MAX} bytes", at.path.display());
        return Err(MachineError::new(ErrorKind::Rejected, text));
    }
    Ok(Output::of(contents))
}

fn read_link(base: &Path, at: &Place) -> Result<Output, MachineError> {
    let Some(spot) = present(base, at)? else {
        return Ok(Output::missing());
    };
    match spot.dir.read_link_contents(&spot.name) {
        Ok(target) => Ok(Output::of(target.as_os_str().as_bytes())),
        Err(error) if is_missing(&error) => Ok(Output::missing()),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let text = format!("{} is not a link", at.path.display());
            Err(MachineError::new(ErrorKind::Rejected, text))
        }
        Err(error) => Err(spot.failed("read the link", &error)),
    }
}

fn list(base: &Path, at: &Place) -> Result<Output, MachineError> {
    let mut entries = Vec::new();
    if let Some(spot) = follow(base, at)? {
        let failed = |error: io::Error| spot.failed("list", &error);
        for entry in spot.dir.read_dir(&spot.name).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            match entry.metadata() {
                Ok(there) => entries.push(described(&entry.file_name(), &there)),
                // It went away meanwhile.
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(failed(error)),
            }
            if entries.len() > LIST_ENTRIES_MAX {
                let text = format!(
                    "{} has more than {LIST_ENTRIES_MAX} entries",
                    at.path.display()
                );
                return Err(MachineError::new(ErrorKind::Rejected, text));
            }
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    json(&entries)
}

fn stat(base: &Path, at: &Place) -> Result<Output, MachineError> {
    let Some(spot) = present(base, at)? else {
        return Ok(Output::missing());
    };
    match spot.dir.symlink_metadata(&spot.name) {
        Ok(there) => json(&described(&spot.name, &there)),
        Err(error) if is_missing(&error) => Ok(Output::missing()),
        Err(error) => Err(spot.failed("look at", &error)),
    }
}

fn present(base: &Path, at: &Place) -> Result<Option<Spot>, MachineError> {
    match resolve(base, at) {
        Ok(spot) => Ok(Some(spot)),
        Err(error) if error.kind == ErrorKind::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

fn described(name: &std::ffi::OsStr, there: &Metadata) -> Entry {
    let kind = if there.is_symlink() {
        EntryKind::Symlink
    } else if there.is_dir() {
        EntryKind::Directory
    } else if there.is_file() {
        EntryKind::File
    } else {
        EntryKind::Other
    };
    Entry {
        name: name.to_string_lossy().into_owned(),
        kind,
        size: there.len(),
    }
}

fn json(value: &impl serde::Serialize) -> Result<Output, MachineError> {
    let text = serde_json::to_vec(value).map_err(|error| {
        MachineError::new(
            ErrorKind::Internal,
            format!("could not describe entries: {error}"),
        )
    })?;
    Ok(Output::of(text))
}

/// Unpacks beside the path, and renames.
pub(super) fn unpack(base: &Path, at: &Place, artifact: &Artifact) -> Result<Output, MachineError> {
    appear(base, at, |spot, partial| {
        spot.dir
            .create_dir(partial)
            .map_err(|error| spot.failed("unpack to", &error))?;
        let dir = spot
            .dir
            .open_dir(partial)
            .map_err(|error| spot.failed("unpack to", &error))?;
        artifact.unpack(&dir).map_err(MachineError::from)
    })
}

/// Copies beside the path, and renames.
pub(super) fn copy(base: &Path, at: &Place, artifact: &Artifact) -> Result<Output, MachineError> {
    appear(base, at, |spot, partial| {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let failed = |error: io::Error| spot.failed("copy to", &error);
        let mode = starting::write(|| {
            let mut file = spot.dir.open_with(partial, &options).map_err(failed)?;
            Ok::<_, MachineError>(artifact.copy(&mut file)?)
        })?;
        seal(spot, partial, mode).map_err(failed)
    })
}

fn appear(
    base: &Path,
    at: &Place,
    make: impl FnOnce(&Spot, &Path) -> Result<(), MachineError>,
) -> Result<Output, MachineError> {
    let spot = resolve(base, at)?;
    match spot.dir.symlink_metadata(&spot.name) {
        Ok(_) => return Ok(Output::done()),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(place::failed("look at", &at.path, &error)),
    }
    let mut partial = spot.name.clone();
    partial.push(".partial");
    let partial = Path::new(&partial);
    remove_spot(&spot, partial)?;
    let done = make(&spot, partial).and_then(|()| {
        let renamed = spot.dir.rename(partial, &spot.dir, &spot.name);
        renamed.map_err(|error| spot.failed("rename to", &error))
    });
    if done.is_err() {
        // What stays is recognised by its name, and replaced the next time.
        let _ = remove_spot(&spot, partial);
    }
    done.map(|()| Output::done())
}
