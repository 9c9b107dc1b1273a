//! The audit: who did what, in rows that only grow, each sealed with all rows before it.
//!
//! A row that is changed, removed from the middle or put in between no longer fits the hashes
//! after it. Rows cut from the end fit; they show only against a head that was kept elsewhere.

use engine::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{error::StoreError, place::Place};

/// Something that was done, by whom.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// In which deployment, where in one.
    pub deployment: Option<String>,
    /// The application.
    pub application: String,
    /// The environment.
    pub environment: String,
    /// What, for example `lease_broken` or `http_send`.
    pub action: String,
    /// The person, the service, or the plugin.
    pub actor: String,
    /// The machine or address that the actor came from.
    pub host: String,
    /// Anything else.
    pub details: Value,
}

/// An entry with its place and seal.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    /// Counts from 1, without a gap.
    pub sequence: u64,
    /// What was done.
    pub entry: AuditEntry,
    /// Seals this row and all before it: 64 hexadecimal digits.
    pub hash: String,
}

/// The end of the audit. Kept elsewhere, it shows later whether rows were cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// How many rows there are.
    pub rows: u64,
    /// The last row's hash; that of nothing where there are none.
    pub hash: String,
}

impl AuditHead {
    /// The head of an audit without rows.
    pub(crate) fn empty() -> Self {
        Self {
            rows: 0,
            hash: "0".repeat(64),
        }
    }

    /// Moves on by one row, whose details are given as they are kept.
    pub(crate) fn advance(&mut self, entry: &AuditEntry, details: &str) {
        self.rows += 1;
        self.hash = seal(&self.hash, self.rows, entry, details);
    }

    /// Fails where the audit should end elsewhere.
    pub(crate) fn ends(self, place: &Place, kept: Option<&Self>) -> Result<Self, StoreError> {
        if kept == Some(&self) {
            Ok(self)
        } else {
            Err(tampered(place, self.rows + 1))
        }
    }
}

/// A row, and its details as they are kept: the seal is over that text.
pub(crate) struct Sealed {
    pub(crate) row: AuditRow,
    pub(crate) details: String,
}

/// Moves on to the next row, where it is the next one and has the seal that it must have.
pub(crate) fn verified(
    place: &Place,
    head: &mut AuditHead,
    sealed: &Sealed,
) -> Result<(), StoreError> {
    let Sealed { row, details } = sealed;
    head.advance(&row.entry, details);
    if row.sequence == head.rows && row.hash == head.hash {
        Ok(())
    } else {
        Err(tampered(place, head.rows))
    }
}

fn tampered(place: &Place, sequence: u64) -> StoreError {
    StoreError::Tampered {
        place: place.clone(),
        sequence,
    }
}

/// The hash of a row. Each part goes in with its length, so that no two rows read the same.
fn seal(previous: &str, sequence: u64, entry: &AuditEntry, details: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(previous.as_bytes());
    hash.update(sequence.to_be_bytes());
    hash.update(entry.at.0.to_be_bytes());
    hash.update([u8::from(entry.deployment.is_some())]);
    let deployment = entry.deployment.as_deref().unwrap_or_default();
    for part in [
        deployment,
        &entry.application,
        &entry.environment,
        &entry.action,
        &entry.actor,
        &entry.host,
        details,
    ] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hexadecimal(&hash.finalize())
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}
