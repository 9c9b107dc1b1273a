//! Templates in settings: `{target}`, `{release.version}` and the like.

use crate::{Deployment, Event, Failure, Occasion, Problem, Release, Result, Target, problem};

/// The names that [`Values::target`] brings.
pub const TARGET: &[&str] = &[
    "target",
    "target.name",
    "target.group",
    "target.address",
    "target.host",
    "target.port",
];

/// The names that [`Values::release`] brings.
pub const RELEASE: &[&str] = &[
    "release",
    "release.id",
    "release.version",
    "release.digest",
    "version",
];

/// The names that an [`Occasion`] brings, besides [`RELEASE`] and, where it has one target,
/// [`TARGET`].
pub const OCCASION: &[&str] = &[
    "application",
    "environment",
    "targets",
    "point",
    "deployment",
];

/// What stands for what.
#[derive(Clone, Debug, Default)]
pub struct Values {
    values: Vec<(&'static str, String)>,
}

impl Values {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// `{target}`, `{target.name}`, `{target.group}`, and, where it has one, `{target.address}`,
    /// `{target.host}` and `{target.port}`.
    #[must_use]
    pub fn target(mut self, target: &Target) -> Self {
        self = self.set("target", &target.name);
        self = self
            .set("target.name", &target.name)
            .set("target.group", &target.group);
        let Some(address) = &target.address else {
            return self;
        };
        self = self.set("target.address", address);
        match address.rsplit_once(':') {
            Some((host, port)) => self.set("target.host", host).set("target.port", port),
            None => self.set("target.host", address),
        }
    }

    /// `{targets}`: their names, with spaces between.
    #[must_use]
    pub fn targets(self, targets: &[Target]) -> Self {
        let names: Vec<&str> = targets.iter().map(AsRef::as_ref).collect();
        self.set("targets", &names.join(" "))
    }

    /// `{release}`, `{release.id}`, `{release.version}`, `{release.digest}` and `{version}`.
    #[must_use]
    pub fn release(self, release: &Release) -> Self {
        self.set("release", &release.id)
            .set("release.id", &release.id)
            .set("release.version", &release.version)
            .set("release.digest", &release.digest)
            .set("version", &release.version)
    }

    /// `{application}` and `{environment}`.
    #[must_use]
    pub fn application(self, application: &str, environment: &str) -> Self {
        self.set("application", application)
            .set("environment", environment)
    }

    /// `{name}`, whatever it stands for.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: &str) -> Self {
        self.values.push((name, value.to_owned()));
        self
    }

    /// The text with every template replaced. `{{` and `}}` stand for the braces themselves; a
    /// brace that begins no name stands for itself, too.
    pub fn expand(&self, text: &str) -> Result<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(place) = rest.find(['{', '}']) {
            out.push_str(&rest[..place]);
            rest = &rest[place..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                out.push_str(&rest[..1]);
                rest = &rest[2..];
            } else if let Some(name) = name_at(rest) {
                out.push_str(self.get(name)?);
                rest = &rest[name.len() + 2..];
            } else {
                out.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Every text of a list with its templates replaced.
    pub fn expand_all(&self, texts: &[String]) -> Result<Vec<String>> {
        texts.iter().map(|text| self.expand(text)).collect()
    }

    fn get(&self, name: &str) -> Result<&str> {
        let found = self.values.iter().rev().find(|(each, _)| *each == name);
        found.map(|(_, value)| value.as_str()).ok_or_else(|| {
            let known: Vec<&str> = self.values.iter().map(|(name, _)| *name).collect();
            Failure::invalid(format!(
                "`{{{name}}}` stands for nothing here; there is {}; write `{{{{{name}}}}}` for \
                 the text itself",
                known.join(", ")
            ))
        })
    }
}

impl From<&Deployment> for Values {
    fn from(deployment: &Deployment) -> Self {
        Self::new()
            .application(&deployment.application, &deployment.environment)
            .release(&deployment.release)
            .targets(&deployment.targets)
    }
}

impl From<&Occasion> for Values {
    fn from(occasion: &Occasion) -> Self {
        let values = Self::new()
            .application(&occasion.application, &occasion.environment)
            .release(&occasion.release)
            .targets(&occasion.targets)
            .set("point", &occasion.point)
            .set("deployment", &occasion.deployment);
        // With one target, as where the step runs on each, it is known by its own names, too.
        match &occasion.targets[..] {
            [target] => values.target(target),
            _ => values,
        }
    }
}

impl From<&Event> for Values {
    fn from(event: &Event) -> Self {
        Self::new()
            .application(&event.application, &event.environment)
            .release(&event.release)
            .set("deployment", &event.deployment)
    }
}

/// A problem for each name in the text, the setting at that JSON Pointer, that is in none of the
/// lists: found at validation, not when the name should stand for something.
pub fn problems(pointer: &str, text: &str, known: &[&[&str]]) -> Vec<Problem> {
    let unknown = names(text)
        .into_iter()
        .filter(|name| !known.iter().any(|list| list.contains(name)));
    let say = |name: &str| {
        let known = known.concat().join("`, `");
        let message = format!(
            "`{{{name}}}` stands for nothing here; known are `{known}`; write `{{{{{name}}}}}` for \
             the text itself"
        );
        problem(pointer, message)
    };
    unknown.map(say).collect()
}

/// The names that the text uses.
fn names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(place) = rest.find(['{', '}']) {
        rest = &rest[place..];
        let skip = if rest.starts_with("{{") || rest.starts_with("}}") {
            2
        } else if let Some(name) = name_at(rest) {
            names.push(name);
            name.len() + 2
        } else {
            1
        };
        rest = &rest[skip..];
    }
    names
}

/// The name in braces that the text begins with.
fn name_at(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let letters = |c: char| c.is_ascii_lowercase() || c == '.' || c == '-';
    (!name.is_empty() && name.chars().all(letters)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_replaced() {
        let values = Values::new().set("target", "web01").set("version", "5.0.0");
        for (text, expected) in [
            ("/srv/{target}/x", "/srv/web01/x"),
            ("{version}{target}", "5.0.0web01"),
            ("{{target}}", "{target}"),
            (r#"{"a": 1}"#, r#"{"a": 1}"#),
            ("${HOME}", "${HOME}"),
            ("}{", "}{"),
            ("", ""),
        ] {
            assert_eq!(values.expand(text).unwrap(), expected);
        }
    }

    #[test]
    fn an_unknown_name_is_a_failure_that_lists_the_known_ones() {
        let failure = Values::new()
            .set("target", "web01")
            .expand("{traget}")
            .unwrap_err();
        assert_eq!(failure.code, "invalid");
        assert!(
            failure.message.contains("there is target;"),
            "{}",
            failure.message
        );
    }

    #[test]
    fn names_are_found_without_values() {
        assert_eq!(
            names("{target.address}:{{x}}{version}{ y }"),
            ["target.address", "version"]
        );
    }
}
