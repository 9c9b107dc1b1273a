//! What an artifact may hold. Whatever unpacks one asks here first, for every entry: an archive
//! is as trustworthy as whoever built it, and more than one of them was.

use std::{
    collections::HashMap,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use super::{
    entries::{self, Entry, Format, Taker, What},
    error::ArtifactError,
    identity::Kept,
};

/// More than any release holds that is sent to a fleet; less than the disks of a server.
const UNPACKED_BYTES_MAX: u64 = 16 << 30;

/// Below this, how well an archive is packed says nothing.
const RATIO_FROM_BYTES: u64 = 64 << 20;

/// Nothing real packs better than this; a bomb does.
const RATIO_MAX: u64 = 300;

/// Files of an application with all that it depends on; a file system gets slow with more.
const ENTRIES_MAX: usize = 1_000_000;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// Whether any `tar` may unpack it as it is: nothing in it has special permissions.
    pub(super) as_it_is: bool,
    /// How long all files are together.
    pub(super) bytes: u64,
}

/// What kind of thing stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
    Link,
}

/// Lets entries pass, or refuses them.
pub(super) struct Rules {
    seen: HashMap<PathBuf, Kind>,
    bytes: u64,
    bytes_max: u64,
    as_it_is: bool,
}

impl Rules {
    pub(super) fn new(path: &Path) -> Self {
        // A directory's own size says nothing, but what is in it is already there.
        let packed = path.metadata().map_or(0, |there| {
            if there.is_dir() {
                u64::MAX
            } else {
                there.len()
            }
        });
        let bytes_max = packed
            .saturating_mul(RATIO_MAX)
            .clamp(RATIO_FROM_BYTES, UNPACKED_BYTES_MAX);
        Self {
            seen: HashMap::new(),
            bytes: 0,
            bytes_max,
            as_it_is: true,
        }
    }

    /// The path below the artifact's root under which the entry may be made; empty for the root
    /// itself.
    pub(super) fn admit(
        &mut self,
        archive: &Path,
        entry: &Entry<'_>,
    ) -> Result<PathBuf, ArtifactError> {
        let refuse = |reason: &str| ArtifactError::Hostile {
            path: archive.to_owned(),
            entry: entry.path.display().to_string(),
            reason: reason.to_owned(),
        };
        let path = inside(&entry.path).map_err(refuse)?;
        let kind = match &entry.what {
            What::Directory => Kind::Directory,
            What::File { size, .. } => {
                self.count(*size).map_err(refuse)?;
                Kind::File
            }
            What::Symlink(target) => {
                stays(&path, target).map_err(refuse)?;
                Kind::Link
            }
            What::Hardlink(target) => {
                let target = inside(target).map_err(|_| refuse("is a link that leaves it"))?;
                if self.seen.get(&target) != Some(&Kind::File) {
                    return Err(refuse("is a link to what is no earlier file in it"));
                }
                Kind::File
            }
            What::Other(what) => return Err(refuse(what)),
        };
        if path.as_os_str().is_empty() {
            return if kind == Kind::Directory {
                Ok(path)
            } else {
                Err(refuse("has no name"))
            };
        }
        for above in path
            .ancestors()
            .skip(1)
            .filter(|above| !above.as_os_str().is_empty())
        {
            match self.seen.get(above) {
                Some(Kind::Directory) => break,
                Some(_) => return Err(refuse("lies below what is no directory")),
                None => _ = self.seen.insert(above.to_owned(), Kind::Directory),
            }
        }
        match self.seen.insert(path.clone(), kind) {
            Some(before) if before != kind || kind == Kind::Link => {
                return Err(refuse("stands for two things"));
            }
            _ => {}
        }
        if self.seen.len() > ENTRIES_MAX {
            return Err(refuse("is one entry too many for a release"));
        }
        self.as_it_is &= entry.mode & 0o7000 == 0;
        Ok(path)
    }

    fn count(&mut self, size: u64) -> Result<(), &'static str> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.bytes_max {
            Err("unpacks to more than any release holds")
        } else {
            Ok(())
        }
    }
}

/// The path without its dots.
fn inside(path: &Path) -> Result<PathBuf, &'static str> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir => return Err("has `..` in its path"),
            Component::RootDir | Component::Prefix(_) => return Err("has an absolute path"),
        }
    }
    if plain.as_os_str().as_encoded_bytes().contains(&0) {
        return Err("has a null byte in its path");
    }
    Ok(plain)
}

/// A link stays inside when all its `..` come first and are no more than the directories above
/// it: those are real ones, and each further link that it passes stays inside, too.
fn stays(path: &Path, target: &Path) -> Result<(), &'static str> {
    let mut above = path.components().count().saturating_sub(1);
    let mut down = false;
    if target.as_os_str().is_empty() {
        return Err("is a link to nothing");
    }
    for part in target.components() {
        match part {
            Component::Normal(_) => down = true,
            Component::CurDir => {}
            Component::ParentDir if down || above == 0 => return Err("is a link that leaves it"),
            Component::ParentDir => above -= 1,
            Component::RootDir | Component::Prefix(_) => return Err("is a link that leaves it"),
        }
    }
    Ok(())
}

/// The permissions with which an entry is unpacked: never for others to write, never with the
/// rights of someone else, always for the owner to read.
pub(super) fn mode(mode: u32, directory: bool) -> u32 {
    if directory {
        mode & 0o755 | 0o700
    } else {
        mode & 0o755 | 0o600
    }
}

/// Looks through all of it: its digest, and what was found.
pub(super) fn look_through(
    path: &Path,
    format: Format,
    kept: Option<&Kept>,
) -> Result<(String, Summary), ArtifactError> {
    let mut looking = Looking(Rules::new(path));
    let digest = entries::each(path, format, kept, &mut looking)?;
    Ok((
        digest,
        Summary {
            as_it_is: looking.0.as_it_is,
            bytes: looking.0.bytes,
        },
    ))
}

struct Looking(Rules);

impl Taker for Looking {
    fn take(&mut self, archive: &Path, mut entry: Entry<'_>) -> Result<(), ArtifactError> {
        self.0.admit(archive, &entry)?;
        if let What::File { size, contents } = &mut entry.what {
            pump(contents, &mut io::sink(), *size)
                .map_err(|stopped| stopped.at(archive, &entry.path, &entry.path))?;
        }
        Ok(())
    }
}

/// Why contents did not get through.
pub(super) enum Stopped {
    Reading(io::Error),
    Writing(io::Error),
}

impl Stopped {
    pub(super) fn at(self, archive: &Path, name: &Path, entry: &Path) -> ArtifactError {
        let path = archive.to_owned();
        match self {
            Self::Reading(error) => ArtifactError::Broken {
                path,
                place: format!("in {}", name.display()),
                reason: error.to_string(),
            },
            Self::Writing(source) => ArtifactError::Unpacking {
                path,
                entry: entry.to_owned(),
                source,
            },
        }
    }
}

/// Moves exactly as many bytes as were announced.
pub(super) fn pump(from: &mut dyn Read, to: &mut dyn io::Write, size: u64) -> Result<(), Stopped> {
    let mut chunk = vec![0; 64 << 10];
    let mut moved = 0;
    loop {
        let count = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Stopped::Reading(error)),
        };
        moved += count as u64;
        if moved > size {
            let text = "it is longer than announced";
            return Err(Stopped::Reading(io::Error::new(
                io::ErrorKind::InvalidData,
                text,
            )));
        }
        to.write_all(&chunk[..count]).map_err(Stopped::Writing)?;
    }
    if moved < size {
        let text = "it is cut off";
        return Err(Stopped::Reading(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            text,
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_inside() {
        for (path, target) in [
            ("a", "b"),
            ("a/b", "../c"),
            ("a/b/c", "../../d/e"),
            ("a", "./b/c"),
        ] {
            assert_eq!(
                stays(path.as_ref(), target.as_ref()),
                Ok(()),
                "{path} -> {target}"
            );
        }
        for (path, target) in [
            ("a", "/b"),
            ("a", ".."),
            ("a", "../b"),
            ("a/b", "../../c"),
            ("a/b", "c/../../.."),
            ("a", ""),
        ] {
            assert!(
                stays(path.as_ref(), target.as_ref()).is_err(),
                "{path} -> {target}"
            );
        }
    }

    #[test]
    fn permissions_are_tamed() {
        assert_eq!(mode(0o4777, false), 0o755);
        assert_eq!(mode(0o020, false), 0o600);
        assert_eq!(mode(0o1777, true), 0o755);
        assert_eq!(mode(0o644, false), 0o644);
    }
}
