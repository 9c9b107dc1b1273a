//! Digests.

use std::{
    fs::File,
    io::{self, Read, Seek},
};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

/// Up to here a file stays in memory once it was read: what is unpacked and sent later is what
/// was looked through. Larger ones are read, and hashed, again.
pub(super) const KEPT_BYTES_MAX: u64 = 16 << 20;

/// All of a file, or of the tar in it, with the digest of the file.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) bytes: Bytes,
    pub(super) digest: String,
}

impl Kept {
    /// Reads a file, where it is not too large.
    pub(super) fn read(mut file: &File) -> io::Result<Option<Self>> {
        let bytes = file.metadata()?.len();
        if bytes > KEPT_BYTES_MAX {
            return Ok(None);
        }
        let mut all = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        file.rewind()?;
        file.take(KEPT_BYTES_MAX + 1).read_to_end(&mut all)?;
        if all.len() as u64 > KEPT_BYTES_MAX {
            return Ok(None);
        }
        let digest = written(Sha256::new_with_prefix(&all));
        Ok(Some(Self {
            bytes: all.into(),
            digest,
        }))
    }

    /// What was gzipped; none where it is large.
    pub(super) fn gunzipped(&self) -> io::Result<Option<Self>> {
        let mut all = Vec::with_capacity(self.bytes.len());
        let gzip = MultiGzDecoder::new(self.bytes.as_ref());
        gzip.take(KEPT_BYTES_MAX + 1).read_to_end(&mut all)?;
        let small = all.len() as u64 <= KEPT_BYTES_MAX;
        Ok(small.then(|| Self {
            bytes: all.into(),
            digest: self.digest.clone(),
        }))
    }
}

/// Hashes what is read through it.
pub(super) struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Hashing<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
        }
    }

    /// Reads what is left, and gives the digest of all.
    pub(super) fn finish(&mut self) -> io::Result<String> {
        let mut chunk = vec![0; 64 << 10];
        while self.read(&mut chunk)? > 0 {}
        Ok(written(std::mem::take(&mut self.hash)))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

/// The digest as it is written everywhere.
pub(super) fn written(hash: Sha256) -> String {
    let digits: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{digits}")
}
