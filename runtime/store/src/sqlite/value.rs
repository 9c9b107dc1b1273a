//! Numbers, times and JSON on their way into columns and out of them.

use std::path::Path;

use engine::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use crate::error::StoreError;

/// The largest JSON text that one column takes. Hosts bound what goes into a report; this is for
/// what they forgot.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// A number as a column keeps it. The end of time becomes the end of what a column can say.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number as it was kept.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A time as it was kept.
pub(super) fn time(value: i64) -> Timestamp {
    Timestamp(unsigned(value))
}

/// The JSON text of a value; fails where it is too large to be kept.
pub(super) fn text(
    path: &Path,
    what: &'static str,
    value: &impl Serialize,
) -> Result<String, StoreError> {
    let text = serde_json::to_string(value).map_err(|error| unreadable(path, what, &error))?;
    if text.len() > TEXT_BYTES_MAX {
        let (what, size) = (what.to_owned(), text.len());
        return Err(StoreError::TooLarge {
            what,
            size,
            limit: TEXT_BYTES_MAX,
        });
    }
    Ok(text)
}

/// The value that a JSON text says.
pub(super) fn parse<T: DeserializeOwned>(
    path: &Path,
    what: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| unreadable(path, what, &error))
}

fn unreadable(path: &Path, what: &'static str, error: &serde_json::Error) -> StoreError {
    StoreError::Unreadable {
        path: path.to_owned(),
        what,
        reason: error.to_string(),
    }
}
