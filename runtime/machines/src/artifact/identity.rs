//! Digests.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

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
