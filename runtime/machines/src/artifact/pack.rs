//! What is sent to other machines: a file's bytes with their length and digest, the same for all
//! of them.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use super::{
    check::{self, Rules, Stopped},
    entries::{self, Entry, Format, Taker, What},
    error::ArtifactError,
    identity::{Hashing, Kept, written},
};

/// How bytes to be unpacked are to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A gzipped tar.
    Gzip,
    /// A plain one.
    Tar,
    /// A file that is not unpacked.
    Plain,
}

/// Bytes to be sent.
#[derive(Debug)]
pub(crate) struct Packed {
    form: Form,
    bytes: u64,
    digest: String,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Memory(Bytes),
    File(Arc<File>),
}

impl Packed {
    /// A file as it lies there, which must have that digest when it was sent.
    pub(super) fn as_it_is(form: Form, path: &Path, digest: &str) -> Result<Self, ArtifactError> {
        let unreadable = |source| ArtifactError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        Ok(Self {
            form,
            bytes,
            digest: digest.to_owned(),
            source: Source::File(Arc::new(file)),
        })
    }

    fn of(form: Form, file: File) -> io::Result<Self> {
        if let Some(kept) = Kept::read(&file)? {
            return Ok(Self::kept(form, kept));
        }
        let bytes = file.metadata()?.len();
        (&file).rewind()?;
        let digest = Hashing::new(&file).finish()?;
        Ok(Self {
            form,
            bytes,
            digest,
            source: Source::File(Arc::new(file)),
        })
    }

    /// What is in memory.
    pub(super) fn kept(form: Form, Kept { bytes, digest }: Kept) -> Self {
        Self {
            form,
            bytes: bytes.len() as u64,
            digest,
            source: Source::Memory(bytes),
        }
    }

    /// How they are to be understood.
    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// How many bytes there are.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All of them in order, from the start.
    pub(crate) fn parcel(self: &Arc<Self>) -> Parcel {
        let hash = matches!(self.source, Source::File(_)).then(Sha256::new);
        Parcel {
            packed: Arc::clone(self),
            at: 0,
            hash,
        }
    }
}

/// The bytes on their way to one machine.
pub(crate) struct Parcel {
    packed: Arc<Packed>,
    at: u64,
    hash: Option<Sha256>,
}

impl Parcel {
    /// The next bytes, at most so many; none at the end, or where the file has become shorter.
    /// Blocks where the file is not in memory.
    pub(crate) fn next(&mut self, at_most: usize) -> io::Result<Option<Bytes>> {
        let left = usize::try_from(self.packed.bytes - self.at).unwrap_or(usize::MAX);
        let size = left.min(at_most);
        if size == 0 {
            return Ok(None);
        }
        let chunk = match &self.packed.source {
            Source::Memory(all) => {
                let start = usize::try_from(self.at).unwrap_or(usize::MAX);
                all.slice(start..start + size)
            }
            Source::File(file) => {
                use std::os::unix::fs::FileExt;
                let mut chunk = vec![0; size];
                file.read_exact_at(&mut chunk, self.at)?;
                if let Some(hash) = &mut self.hash {
                    hash.update(&chunk);
                }
                chunk.into()
            }
        };
        self.at += chunk.len() as u64;
        Ok(Some(chunk))
    }

    /// Whether reading the next bytes blocks.
    pub(crate) fn blocks(&self) -> bool {
        self.hash.is_some()
    }

    /// Whether all bytes were those that they should be.
    pub(crate) fn verdict(self) -> bool {
        let whole = self.at == self.packed.bytes;
        whole
            && self
                .hash
                .is_none_or(|hash| written(hash) == self.packed.digest)
    }
}

/// Packs an artifact again, as a tar of which any `tar` can unpack every entry safely. Gives the
/// digest of what was read.
pub(super) fn again(
    form: Form,
    path: &Path,
    format: Format,
    kept: Option<&Kept>,
) -> Result<(Packed, String), ArtifactError> {
    let failed = |source| ArtifactError::Unpacking {
        path: path.to_owned(),
        entry: std::env::temp_dir(),
        source,
    };
    let file = tempfile::tempfile().map_err(failed)?;
    let file = io::BufWriter::new(file);
    let (written, found) = if form == Form::Gzip {
        let gzip = GzEncoder::new(file, Compression::fast());
        let (gzip, found) = tar(path, format, kept, gzip)?;
        (gzip.and_then(GzEncoder::finish), found)
    } else {
        tar(path, format, kept, file)?
    };
    let file = written.map_err(failed)?.into_inner();
    let file = file.map_err(|error| failed(error.into_error()))?;
    Ok((Packed::of(form, file).map_err(failed)?, found))
}

fn tar<W: Write>(
    path: &Path,
    format: Format,
    kept: Option<&Kept>,
    to: W,
) -> Result<(io::Result<W>, String), ArtifactError> {
    let mut packing = Packing {
        rules: Rules::new(path),
        tar: tar::Builder::new(to),
    };
    let found = entries::each(path, format, kept, &mut packing)?;
    Ok((packing.tar.into_inner(), found))
}

struct Packing<W: Write> {
    rules: Rules,
    tar: tar::Builder<W>,
}

impl<W: Write> Taker for Packing<W> {
    fn take(&mut self, archive: &Path, entry: Entry<'_>) -> Result<(), ArtifactError> {
        let path = self.rules.admit(archive, &entry)?;
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        let stopped = |stopped: Stopped| stopped.at(archive, &entry.path, &path);
        let mut header = tar::Header::new_gnu();
        header.set_mtime(entry.modified);
        header.set_size(0);
        header.set_mode(check::mode(
            entry.mode,
            matches!(entry.what, What::Directory),
        ));
        let done = match entry.what {
            What::Directory => {
                header.set_entry_type(tar::EntryType::Directory);
                self.tar.append_data(&mut header, &path, io::empty())
            }
            What::File { size, contents } => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_size(size);
                let mut exact = Exact {
                    contents,
                    left: size,
                    failed: false,
                };
                let done = self.tar.append_data(&mut header, &path, &mut exact);
                if exact.failed {
                    return done.map_err(|error| stopped(Stopped::Reading(error)));
                }
                done
            }
            What::Symlink(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                self.tar.append_link(&mut header, &path, target)
            }
            What::Hardlink(target) => {
                header.set_entry_type(tar::EntryType::Link);
                self.tar.append_link(&mut header, &path, target)
            }
            What::Other(_) => Ok(()),
        };
        done.map_err(|error| stopped(Stopped::Writing(error)))
    }
}

/// Contents that end where they should, or fail.
struct Exact<'a> {
    contents: &'a mut dyn Read,
    left: u64,
    failed: bool,
}

impl Read for Exact<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.contents.read(buffer) {
            Ok(0) if self.left > 0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it is cut off",
            )),
            Ok(count) if count as u64 > self.left => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is longer than announced",
            )),
            read => read,
        };
        match &read {
            Ok(count) => self.left -= *count as u64,
            Err(_) => self.failed = true,
        }
        read
    }
}
