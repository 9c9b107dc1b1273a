//! What every plugin says of itself, and how it asks the host for things.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Problem, Request};

/// A plugin: the struct that its settings are read into.
///
/// The documentation comments of its fields become the descriptions in the settings' schema.
/// Give it `#[serde(rename_all = "kebab-case", deny_unknown_fields)]`.
pub trait Plugin: DeserializeOwned + JsonSchema {
    /// One line for `runtime plugin list`.
    const SUMMARY: &'static str;

    /// What the host must know before it starts, in JSON, as `wit/manifest.wit` lists it.
    const DETAILS: &'static str = "{}";

    /// The settings' JSON Schema, for plugins that keep it in a file to be smaller. A test that
    /// calls `testing::check_schema` keeps it true.
    const SCHEMA: Option<&'static str> = None;

    /// Everything that the plugin may ever ask the host for; see [`read()`] and [`change`].
    fn requests() -> Vec<Request> {
        Vec::new()
    }

    /// Every problem that the schema cannot express.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }
}

/// Asks for something whose use changes nothing.
pub fn read(capability: &str, scope: &str, reason: &str) -> Request {
    request(capability, scope, "read", reason)
}

/// Asks for something whose use changes the world.
pub fn change(capability: &str, scope: &str, reason: &str) -> Request {
    request(capability, scope, "change", reason)
}

/// One thing wrong with the settings, at the JSON Pointer given.
pub fn problem(pointer: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem {
        pointer: pointer.into(),
        message: message.into(),
    }
}

impl Request {
    /// The same, which the plugin can do without.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

fn request(capability: &str, scope: &str, purpose: &str, reason: &str) -> Request {
    Request {
        capability: capability.into(),
        scope: scope.into(),
        purpose: purpose.into(),
        reason: reason.into(),
        optional: false,
    }
}
