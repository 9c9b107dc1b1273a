//! What is deployed: an archive or a directory on this machine. It is looked through once, before
//! anything is done with it; what unpacks it later finds only what was found then.

mod check;
mod entries;
mod error;
mod identity;
mod pack;
mod unpack;

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use cap_std::fs::Dir;
use tokio::sync::Mutex;

pub use self::error::ArtifactError;
pub(crate) use self::pack::{Form, Packed, Parcel};
use self::{
    check::Summary,
    entries::Format,
    identity::{Hashing, Kept},
};
use crate::error::MachineError;

/// What gzip must leave of a release, in percent, for it to be worth a machine's time: `gzip` takes
/// a machine many times as long as `tar` alone. Images, archives and compiled code that is
/// compressed already do not get there.
const GZIPPED_PERCENT_MAX: u64 = 80;

/// Knows the artifact of each release.
#[async_trait]
pub trait ArtifactSource: Send + Sync {
    /// The artifact of the release with that id; shared by all machines.
    async fn artifact(&self, release: &str) -> Result<Arc<Artifact>, MachineError>;
}

/// An artifact that was looked through from end to end: it can be unpacked safely, and its
/// digest is known.
#[derive(Debug)]
pub struct Artifact {
    path: PathBuf,
    format: Format,
    digest: String,
    summary: Summary,
    /// All of it, where it is a small file.
    kept: Option<Kept>,
    packed: OnceLock<Arc<Packed>>,
    plain: OnceLock<Arc<Packed>>,
    packing: Mutex<()>,
    /// The permissions of a copy.
    mode: u32,
}

impl Artifact {
    /// Looks through all of it, which takes as long as reading it does: call it from a thread
    /// that may block. A file that is no archive can only be copied.
    ///
    /// Fails when it is not there, is broken, or holds what must not be unpacked: paths or links
    /// that leave it, devices, more than any release has.
    pub fn open(path: &Path) -> Result<Self, ArtifactError> {
        let format = Format::of(path)?;
        let kept = match format {
            Format::Directory => None,
            _ => File::open(path)
                .and_then(|file| Kept::read(&file))
                .map_err(|source| ArtifactError::Unreadable {
                    path: path.to_owned(),
                    source,
                })?,
        };
        let mode = path.metadata().map_or(0o644, |there| {
            check::mode(there.permissions().mode(), false)
        });
        let tar = match (format, &kept) {
            // What is wrong with it is told by whoever looks through it.
            (Format::TarGz, Some(kept)) => kept.gunzipped().unwrap_or(None),
            _ => None,
        };
        let (digest, summary) = match (format, &kept, &tar) {
            (Format::Plain, Some(kept), _) => (kept.digest.clone(), Summary::default()),
            (Format::Plain, None, _) => (digest(path)?, Summary::default()),
            (_, _, Some(tar)) => check::look_through(path, Format::Tar, Some(tar))?,
            (_, _, None) => check::look_through(path, format, kept.as_ref())?,
        };
        let bytes = kept.as_ref().map_or(0, |kept| kept.bytes.len() as u64);
        let tar = tar.filter(|_| summary.as_it_is && !pays(bytes, &summary));
        let packed = tar.map(|tar| Arc::new(Packed::kept(Form::Tar, tar)));
        Ok(Self {
            path: path.to_owned(),
            format,
            digest,
            summary,
            kept,
            packed: packed.map_or_else(OnceLock::new, OnceLock::from),
            plain: OnceLock::new(),
            packing: Mutex::default(),
            mode,
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `sha256:` and 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Unpacks all of it into an empty directory, and fails where it is no longer what it was.
    pub(crate) fn unpack(&self, into: &Dir) -> Result<(), ArtifactError> {
        self.unpackable()?;
        let mut unpacking = unpack::Unpacking::new(into);
        let found = entries::each(&self.path, self.format, self.kept.as_ref(), &mut unpacking)?;
        unpacking.finish(&self.path)?;
        self.compare(&found)
    }

    /// Copies the file, and fails where it is no longer what it was. Returns the permissions that
    /// the copy should have.
    pub(crate) fn copy(&self, to: &mut impl Write) -> Result<u32, ArtifactError> {
        let unreadable = |source| ArtifactError::Unreadable {
            path: self.path.clone(),
            source,
        };
        if self.format == Format::Directory {
            return Err(ArtifactError::NotAFile(self.path.clone()));
        }
        if let Some(kept) = &self.kept {
            to.write_all(&kept.bytes).map_err(unreadable)?;
        } else {
            let mut file = Hashing::new(File::open(&self.path).map_err(unreadable)?);
            io::copy(&mut file, to).map_err(unreadable)?;
            self.compare(&file.finish().map_err(unreadable)?)?;
        }
        Ok(self.mode)
    }

    /// Makes ready what is sent to other machines, so that the first of them need not wait for it.
    pub async fn prepare(self: &Arc<Self>) -> Result<(), ArtifactError> {
        self.packed(true).await.map(drop)
    }

    /// What is sent to another machine, to be unpacked there or copied. For unpacking it is a tar
    /// in which nothing needs care, gzipped where that helps. Made once, also where many ask at a
    /// time.
    pub(crate) async fn packed(
        self: &Arc<Self>,
        unpack: bool,
    ) -> Result<Arc<Packed>, ArtifactError> {
        let ready = if unpack { &self.packed } else { &self.plain };
        if let Some(packed) = ready.get() {
            return Ok(Arc::clone(packed));
        }
        let _one = self.packing.lock().await;
        if let Some(packed) = ready.get() {
            return Ok(Arc::clone(packed));
        }
        let artifact = Arc::clone(self);
        let pack = move || {
            if unpack {
                artifact.to_unpack()
            } else {
                artifact.to_copy()
            }
        };
        let packed = match tokio::task::spawn_blocking(pack).await {
            Ok(packed) => Arc::new(packed?),
            Err(error) => {
                let path = self.path.clone();
                return Err(ArtifactError::Unreadable {
                    path,
                    source: error.into(),
                });
            }
        };
        Ok(Arc::clone(ready.get_or_init(|| packed)))
    }

    /// The permissions of a copy.
    pub(crate) fn mode(&self) -> u32 {
        self.mode
    }

    fn to_unpack(&self) -> Result<Packed, ArtifactError> {
        self.unpackable()?;
        let gzipped = if self.format == Format::TarGz && self.summary.as_it_is {
            self.as_it_is(Form::Gzip)?
        } else {
            self.again(Form::Gzip)?
        };
        // A large one would need as much room again here.
        if pays(gzipped.bytes(), &self.summary) || self.kept.is_none() {
            Ok(gzipped)
        } else {
            self.again(Form::Tar)
        }
    }

    fn again(&self, form: Form) -> Result<Packed, ArtifactError> {
        let kept = self.kept.as_ref();
        let (packed, found) = pack::again(form, &self.path, self.format, kept)?;
        self.compare(&found)?;
        Ok(packed)
    }

    fn to_copy(&self) -> Result<Packed, ArtifactError> {
        if self.format == Format::Directory {
            return Err(ArtifactError::NotAFile(self.path.clone()));
        }
        self.as_it_is(Form::Plain)
    }

    fn as_it_is(&self, form: Form) -> Result<Packed, ArtifactError> {
        match &self.kept {
            Some(kept) => Ok(Packed::kept(form, kept.clone())),
            None => Packed::as_it_is(form, &self.path, &self.digest),
        }
    }

    /// Fails where it is nothing that can be unpacked: a file that can only be copied.
    pub fn unpackable(&self) -> Result<(), ArtifactError> {
        let empty = self.kept.as_ref().is_some_and(|kept| kept.bytes.is_empty());
        match self.format {
            Format::Plain if empty => Err(ArtifactError::Empty(self.path.clone())),
            Format::Plain => Err(ArtifactError::Unknown(self.path.clone())),
            _ => Ok(()),
        }
    }

    fn compare(&self, found: &str) -> Result<(), ArtifactError> {
        if found == self.digest {
            return Ok(());
        }
        Err(ArtifactError::Changed {
            path: self.path.clone(),
            expected: self.digest.clone(),
            found: found.to_owned(),
        })
    }
}

/// Whether gzip leaves so little of a release that it is worth a machine's time.
fn pays(gzipped: u64, summary: &Summary) -> bool {
    gzipped <= summary.bytes / 100 * GZIPPED_PERCENT_MAX
}

/// The digest of an artifact: of a file its bytes', of a directory that of its sorted paths,
/// modes, link targets and contents. Reads all of it: call it from a thread that may block.
pub fn digest(path: &Path) -> Result<String, ArtifactError> {
    let unreadable = |source| ArtifactError::Unreadable {
        path: path.to_owned(),
        source,
    };
    match path.metadata() {
        Ok(there) if there.is_dir() => {
            check::look_through(path, Format::Directory, None).map(|(digest, _)| digest)
        }
        Ok(_) => {
            let file = File::open(path).map_err(unreadable)?;
            Hashing::new(file).finish().map_err(unreadable)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(ArtifactError::Missing(path.to_owned()))
        }
        Err(source) => Err(unreadable(source)),
    }
}
