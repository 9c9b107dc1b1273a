//! Numbers, times and JSON on their way into columns and out of them.

use engine::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use crate::{error::StoreError, place::Place};

/// The largest JSON text that one column takes. Hosts bound what goes into a report; this is for
/// what they forgot.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// A number as a column keeps it. The end of time becomes the end of what a column can say.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A length of time as a column keeps it: so long at most that it can be added to any time.
pub(crate) fn length(milliseconds: u64) -> i64 {
    const MILLISECONDS_MAX: i64 = i64::MAX / 4;
    number(milliseconds).min(MILLISECONDS_MAX)
}

/// A number as it was kept.
pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A time as it was kept.
pub(crate) fn time(value: i64) -> Timestamp {
    Timestamp(unsigned(value))
}

/// The JSON text of a value; fails where it is too large to be kept.
pub(crate) fn text(
    place: &Place,
    what: &'static str,
    value: &impl Serialize,
) -> Result<String, StoreError> {
    let text = serde_json::to_string(value).map_err(|error| unreadable(place, what, &error))?;
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
pub(crate) fn parse<T: DeserializeOwned>(
    place: &Place,
    what: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| unreadable(place, what, &error))
}

fn unreadable(place: &Place, what: &'static str, error: &serde_json::Error) -> StoreError {
    StoreError::Unreadable {
        place: place.clone(),
        what,
        reason: error.to_string(),
    }
}
