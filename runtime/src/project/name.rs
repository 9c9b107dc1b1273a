//! The name of a new plugin, and what it is called in code.

/// Names of crates that the compiler has for itself.
const RESERVED: [&str; 6] = ["alloc", "core", "proc-macro", "runtime-sdk", "std", "test"];

/// What the SDK's prelude calls so.
const TAKEN: [&str; 30] = [
    "Count",
    "Deployment",
    "Desired",
    "Duration",
    "Event",
    "Failure",
    "HealthCheck",
    "InstalledRelease",
    "JsonSchema",
    "LoadBalancer",
    "Member",
    "MemberState",
    "MetricSource",
    "Notifier",
    "Percent",
    "Platform",
    "Plugin",
    "Pool",
    "Problem",
    "Reading",
    "Release",
    "Report",
    "Request",
    "Route",
    "Sample",
    "Secret",
    "SecretSource",
    "Step",
    "Strategy",
    "Window",
];

/// Names that only look free: of the standard prelude, and others of the SDK's.
const ALSO_TAKEN: [&str; 12] = [
    "Box",
    "Deserialize",
    "Err",
    "None",
    "Occasion",
    "Ok",
    "Option",
    "Result",
    "Serialize",
    "Some",
    "String",
    "Target",
];

/// A plugin's name: small letters, digits and `-`, a letter first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PluginName(String);

impl PluginName {
    /// Reads a name; fails with what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let well = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(plain)
            && !text.ends_with('-')
            && !text.contains("--");
        if !well {
            return Err("a name has small letters, digits and `-`, a letter first".to_owned());
        }
        if RESERVED.contains(&text) {
            return Err("Rust, or the SDK, has that name for itself".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// As a type is called: `pager-duty` is `PagerDuty`.
    pub(crate) fn as_type(&self) -> String {
        let capital = |word: &str| {
            let mut letters = word.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        };
        let name: String = self.0.split('-').map(capital).collect();
        if TAKEN.contains(&name.as_str()) || ALSO_TAKEN.contains(&name.as_str()) {
            return format!("Own{name}");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_crate_and_a_type() {
        let named = |text: &str| PluginName::parse(text).map(|name| name.as_type());
        assert_eq!(named("pager-duty").as_deref(), Ok("PagerDuty"));
        assert_eq!(named("step").as_deref(), Ok("OwnStep"));
        for wrong in ["", "Pager", "2fa", "a_b", "a-", "a--b", "core", "a/b"] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }
}
