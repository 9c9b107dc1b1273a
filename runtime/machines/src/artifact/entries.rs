//! One way through every format: an artifact is a sequence of entries, and someone who takes
//! them. Knows nothing of what is allowed.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufReader, Cursor, Read, Seek},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::PermissionsExt,
    },
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::{
    error::ArtifactError,
    identity::{Hashing, Kept, written},
};

/// Large enough that the disk is not asked too often.
const BUFFER: usize = 64 << 10;

/// What may follow the last entry: padding, which tools write in blocks of some 10 KiB.
const TRAILER_BYTES_MAX: u64 = 1 << 20;

/// No system follows longer links.
const LINK_BYTES_MAX: u64 = 4096;

/// A tar archive without an entry is zeros, in the blocks that tools write.
const EMPTY_TAR_BYTES_MAX: u64 = 20 * 512;

/// How the entries are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Directory,
    Tar,
    TarGz,
    TarZst,
    Zip,
    /// No archive.
    Plain,
}

impl Format {
    /// By what the file begins with; a name can be anything.
    pub(super) fn of(path: &Path) -> Result<Self, ArtifactError> {
        let unreadable = |source| ArtifactError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let there = path.metadata().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ArtifactError::Missing(path.to_owned()),
            _ => unreadable(error),
        })?;
        if there.is_dir() {
            return Ok(Self::Directory);
        }
        let mut start = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(512).read_to_end(&mut start).map_err(unreadable)?;
        Ok(match start.as_slice() {
            [0x1f, 0x8b, ..] => Self::TarGz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::TarZst,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            start if is_tar(start, there.len()) => Self::Tar,
            _ => Self::Plain,
        })
    }
}

/// Whether this is how a tar archive begins: with a header, or, where it has no entry, with zeros.
fn is_tar(start: &[u8], bytes: u64) -> bool {
    let Ok(block) = <&[u8; 512]>::try_from(start) else {
        return false;
    };
    // The oldest format has no name of its own in its headers, but its checksum.
    block[257..262] == *b"ustar"
        || bytes <= EMPTY_TAR_BYTES_MAX && block.iter().all(|byte| *byte == 0)
        || tar::Header::from_byte_slice(block).cksum().ok() == Some(checksum(block))
}

/// Of a header, in which the checksum itself counts as blanks.
fn checksum(block: &[u8; 512]) -> u32 {
    let blank = |place: usize| (148..156).contains(&place);
    let bytes = block.iter().enumerate();
    bytes
        .map(|(place, byte)| if blank(place) { 32 } else { u32::from(*byte) })
        .sum()
}

/// What an entry is.
pub(super) enum What<'a> {
    Directory,
    File {
        size: u64,
        contents: &'a mut dyn Read,
    },
    /// What the link says.
    Symlink(PathBuf),
    /// An earlier entry.
    Hardlink(PathBuf),
    /// In words.
    Other(&'static str),
}

/// One entry, as it is written in the archive.
pub(super) struct Entry<'a> {
    pub(super) path: PathBuf,
    pub(super) mode: u32,
    pub(super) modified: u64,
    pub(super) what: What<'a>,
}

/// Takes entries in their order.
pub(super) trait Taker {
    fn take(&mut self, archive: &Path, entry: Entry<'_>) -> Result<(), ArtifactError>;
}

/// Hands each entry to the taker, and gives the digest of what was read.
pub(super) fn each(
    path: &Path,
    format: Format,
    kept: Option<&Kept>,
    taker: &mut dyn Taker,
) -> Result<String, ArtifactError> {
    if format == Format::Directory {
        return directory(path, taker);
    }
    let unreadable = |source| ArtifactError::Unreadable {
        path: path.to_owned(),
        source,
    };
    match (format, kept) {
        (Format::Zip, Some(kept)) => {
            zip_entries(path, Cursor::new(kept.bytes.clone()), taker)?;
            Ok(kept.digest.clone())
        }
        (_, Some(kept)) => {
            tarball(path, format, Cursor::new(kept.bytes.clone()), taker)?;
            Ok(kept.digest.clone())
        }
        (Format::Zip, None) => {
            // It is not read from its start to its end.
            let file = File::open(path).map_err(unreadable)?;
            let digest = Hashing::new(&file).finish().map_err(unreadable)?;
            zip_entries(path, file, taker)?;
            Ok(digest)
        }
        (_, None) => {
            let mut file = Hashing::new(File::open(path).map_err(unreadable)?);
            tarball(path, format, &mut file, taker)?;
            file.finish().map_err(unreadable)
        }
    }
}

fn tarball(
    path: &Path,
    format: Format,
    file: impl Read,
    taker: &mut dyn Taker,
) -> Result<(), ArtifactError> {
    match format {
        Format::Tar => tar_entries(path, BufReader::with_capacity(BUFFER, file), taker),
        Format::TarGz => {
            let file = BufReader::with_capacity(BUFFER, file);
            tar_entries(path, MultiGzDecoder::new(file), taker)
        }
        Format::TarZst => {
            let decoder = zstd::Decoder::new(file);
            let decoder = decoder.map_err(|error| broken(path, Path::new(""), &error))?;
            tar_entries(path, decoder, taker)
        }
        Format::Zip | Format::Directory | Format::Plain => {
            Err(ArtifactError::Unknown(path.to_owned()))
        }
    }
}

fn tar_entries(path: &Path, reader: impl Read, taker: &mut dyn Taker) -> Result<(), ArtifactError> {
    let mut last = PathBuf::new();
    let mut archive = tar::Archive::new(reader);
    let entries = archive
        .entries()
        .map_err(|error| broken(path, &last, &error))?;
    for entry in entries {
        let mut entry = entry.map_err(|error| broken(path, &last, &error))?;
        let name = PathBuf::from(OsString::from_vec(entry.path_bytes().into_owned()));
        last.clone_from(&name);
        let mode = entry
            .header()
            .mode()
            .map_err(|error| broken(path, &name, &error))?;
        let modified = entry.header().mtime().unwrap_or(0);
        let target = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
        let target = PathBuf::from(OsString::from_vec(target.unwrap_or_default()));
        let what = match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                What::File {
                    size: entry.size(),
                    contents: &mut entry,
                }
            }
            tar::EntryType::Directory => What::Directory,
            tar::EntryType::Symlink => What::Symlink(target),
            tar::EntryType::Link => What::Hardlink(target),
            tar::EntryType::XGlobalHeader => continue,
            tar::EntryType::Block | tar::EntryType::Char => What::Other("is a device"),
            tar::EntryType::Fifo => What::Other("is a pipe"),
            _ => What::Other("is of a kind that no release needs"),
        };
        taker.take(
            path,
            Entry {
                path: name,
                mode,
                modified,
                what,
            },
        )?;
    }
    // What a compressed archive ends with is its checksum.
    let mut rest = archive.into_inner().take(TRAILER_BYTES_MAX);
    io::copy(&mut rest, &mut io::sink()).map_err(|error| broken(path, &last, &error))?;
    if rest.limit() == 0 {
        let path = path.to_owned();
        let reason = "goes on for long after its end".to_owned();
        return Err(ArtifactError::Hostile {
            path,
            entry: "the archive".to_owned(),
            reason,
        });
    }
    Ok(())
}

fn zip_entries(
    path: &Path,
    file: impl Read + Seek,
    taker: &mut dyn Taker,
) -> Result<(), ArtifactError> {
    let mut last = PathBuf::new();
    let fault = |last: &Path, error: zip::result::ZipError| broken(path, last, &error.into());
    let file = BufReader::with_capacity(BUFFER, file);
    let mut archive = zip::ZipArchive::new(file).map_err(|error| fault(&last, error))?;
    for index in 0..archive.len() {
        let mut file = archive
            .by_index(index)
            .map_err(|error| fault(&last, error))?;
        let name = file
            .name()
            .map_err(|error| fault(&last, error))?
            .into_owned();
        // Archives that were made elsewhere say nothing of permissions.
        let mode = file
            .unix_mode()
            .unwrap_or(if file.is_dir() { 0o755 } else { 0o644 });
        let name = PathBuf::from(name);
        last.clone_from(&name);
        let what = if file.is_dir() {
            What::Directory
        } else if file.is_symlink() {
            let mut target = Vec::new();
            let read = (&mut file).take(LINK_BYTES_MAX).read_to_end(&mut target);
            read.map_err(|error| broken(path, &name, &error))?;
            What::Symlink(PathBuf::from(OsString::from_vec(target)))
        } else {
            What::File {
                size: file.size(),
                contents: &mut file,
            }
        };
        taker.take(
            path,
            Entry {
                path: name,
                mode,
                modified: 0,
                what,
            },
        )?;
    }
    Ok(())
}

/// In the order of the paths' bytes, so that its digest is the same wherever it lies.
fn directory(root: &Path, taker: &mut dyn Taker) -> Result<String, ArtifactError> {
    let mut paths = Vec::new();
    walk(root, &PathBuf::new(), &mut paths)?;
    paths.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    let mut hash = Sha256::new();
    for relative in paths {
        let path = root.join(&relative);
        let unreadable = |source| ArtifactError::Unreadable {
            path: path.clone(),
            source,
        };
        let there = path.symlink_metadata().map_err(unreadable)?;
        let mode = there.permissions().mode();
        let modified = there
            .modified()
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map_or(0, |since| since.as_secs());
        let entry = |what| Entry {
            path: relative.clone(),
            mode,
            modified,
            what,
        };
        if there.is_dir() {
            taker.take(root, entry(What::Directory))?;
            identify(
                &mut hash,
                b'd',
                super::check::mode(mode, true),
                &relative,
                b"",
            );
        } else if there.is_file() {
            let mut file = Hashing::new(File::open(&path).map_err(unreadable)?);
            taker.take(
                root,
                entry(What::File {
                    size: there.len(),
                    contents: &mut file,
                }),
            )?;
            let contents = file.finish().map_err(unreadable)?;
            let mode = super::check::mode(mode, false);
            identify(&mut hash, b'f', mode, &relative, contents.as_bytes());
        } else if there.is_symlink() {
            let target = path.read_link().map_err(unreadable)?;
            identify(&mut hash, b'l', 0, &relative, target.as_os_str().as_bytes());
            taker.take(root, entry(What::Symlink(target)))?;
        } else {
            taker.take(root, entry(What::Other("is no file, directory or link")))?;
        }
    }
    Ok(written(hash))
}

/// Each part is preceded by its length, so that no two trees look the same.
fn identify(hash: &mut Sha256, kind: u8, mode: u32, path: &Path, what: &[u8]) {
    let path = path.as_os_str().as_bytes();
    hash.update([kind]);
    hash.update(mode.to_be_bytes());
    for part in [path, what] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
}

fn walk(root: &Path, below: &Path, paths: &mut Vec<PathBuf>) -> Result<(), ArtifactError> {
    let path = root.join(below);
    let unreadable = |source| ArtifactError::Unreadable {
        path: path.clone(),
        source,
    };
    for entry in path.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let relative = below.join(entry.file_name());
        if entry.file_type().map_err(unreadable)?.is_dir() {
            walk(root, &relative, paths)?;
        }
        paths.push(relative);
    }
    Ok(())
}

fn broken(path: &Path, after: &Path, error: &io::Error) -> ArtifactError {
    let place = if after.as_os_str().is_empty() {
        "at its start".to_owned()
    } else {
        format!("at or after {}", after.display())
    };
    ArtifactError::Broken {
        path: path.to_owned(),
        place,
        reason: error.to_string(),
    }
}
