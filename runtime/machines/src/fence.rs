//! Keeps a deployment that lost its lease from changing a machine: a file there carries the
//! newest token seen, and an older one is refused.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// Who acts, in the order of the lease. The file is locked while the actions run: side by side
/// for the same token, one after the other for different ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// Where the file lies on the machine; made where it is missing. Everyone who deploys there
    /// must be able to write in it. Relative paths start where those of [`crate::Place`] do.
    pub directory: PathBuf,
    /// What the lease is for, for example `application/environment`.
    pub key: String,
    /// Grows with each holder.
    pub token: u64,
}

impl Fence {
    /// Its file.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join(self.file_name())
    }

    /// The name of its file: legible, and different for different keys.
    pub(crate) fn file_name(&self) -> String {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '-'
            }
        };
        let legible: String = self.key.chars().take(64).map(plain).collect();
        let hash = Sha256::digest(self.key.as_bytes());
        let short: String = hash
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{legible}-{short}.fence")
    }
}
