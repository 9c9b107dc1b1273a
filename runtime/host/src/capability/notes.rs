//! What a plugin puts down for its later calls in the same deployment.

use engine::Failure;
use serde_json::Value;

use crate::{
    call::{CallState, invalid},
    grants::Wanted,
};

/// A note is a handle on something kept elsewhere, such as a thread's name.
const NOTE_BYTES_MAX: usize = 64 << 10;
/// Longer names are no names.
const KEY_BYTES_MAX: usize = 200;

impl CallState {
    pub(crate) async fn read_note(&self, key: &str) -> Result<Option<String>, Failure> {
        let found = self
            .services
            .notes
            .get(&self.context.deployment, self.plugin.name(), key);
        Ok(found.await?.map(|value| value.to_string()))
    }

    pub(crate) async fn write_note(&self, key: &str, value: &str) -> Result<(), Failure> {
        if key.len() > KEY_BYTES_MAX || value.len() > NOTE_BYTES_MAX {
            return Err(invalid(format!(
                "a note is at most {NOTE_BYTES_MAX} bytes long"
            )));
        }
        self.grants().check(&Wanted::Note(key))?;
        let value: Value = serde_json::from_str(value)
            .map_err(|error| invalid(format!("the note `{key}` is not JSON: {error}")))?;
        let name = self.plugin.name();
        self.services
            .notes
            .set(&self.context.deployment, name, key, value)
            .await
    }
}
