//! Files and directories that were granted, and the root below which a path must stay.

use std::{fmt, path::PathBuf};

use machines::Place;

use super::pattern::Pattern;

/// A scope of `files`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileScope {
    write: bool,
    absolute: bool,
    components: Vec<Pattern>,
}

/// A path as it is compared: nothing but names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CleanPath {
    absolute: bool,
    components: Vec<String>,
}

impl CleanPath {
    /// Reads a path; the error completes "the path".
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("is empty");
        }
        if text.contains('\0') {
            return Err("has a zero byte in it");
        }
        let parts = text.split('/').filter(|part| !matches!(*part, "" | "."));
        let components: Vec<String> = parts.map(str::to_owned).collect();
        if components.iter().any(|component| component == "..") {
            return Err("has `..` in it");
        }
        Ok(Self {
            absolute: text.starts_with('/'),
            components,
        })
    }

    /// The first so many components.
    fn first(&self, count: usize) -> PathBuf {
        let mut path = if self.absolute {
            PathBuf::from("/")
        } else {
            PathBuf::new()
        };
        path.extend(&self.components[..count]);
        if path.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            path
        }
    }

    pub(crate) fn whole(&self) -> PathBuf {
        self.first(self.components.len())
    }

    /// The path below the root that its first components are.
    pub(crate) fn below(&self, root_length: usize) -> Place {
        Place::new(self.first(root_length), self.whole())
    }
}

impl FileScope {
    /// Reads a scope; none where it is not one.
    pub(super) fn new(write: bool, path: &Pattern) -> Option<Self> {
        let (absolute, components) = path.components()?;
        (absolute || !components.is_empty()).then_some(Self {
            write,
            absolute,
            components,
        })
    }

    /// How many of the path's components the scope names, where the path is at or below it.
    pub(crate) fn covers(&self, path: &CleanPath, write: bool) -> Option<usize> {
        let length = self.components.len();
        let fits = self.absolute == path.absolute
            && (self.write || !write)
            && path.components.len() >= length
            && self
                .components
                .iter()
                .zip(&path.components)
                .all(|(pattern, component)| pattern.matches(component, true));
        fits.then_some(length)
    }

    /// What both allow.
    pub(super) fn shared(&self, other: &Self) -> Option<Self> {
        let pairs = || self.components.iter().zip(&other.components);
        if self.absolute != other.absolute || !pairs().all(|(one, other)| one.meets(other)) {
            return None;
        }
        let narrower = |(one, other): (&Pattern, &Pattern)| match one.covers(other) {
            true => other.clone(),
            false => one.clone(),
        };
        let longer = match self.components.len() > other.components.len() {
            true => self,
            false => other,
        };
        let mut components: Vec<Pattern> = pairs().map(narrower).collect();
        components.extend_from_slice(&longer.components[components.len()..]);
        Some(Self {
            write: self.write && other.write,
            absolute: self.absolute,
            components,
        })
    }
}

impl fmt::Display for FileScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.write { "write:" } else { "read:" })?;
        if self.absolute && self.components.is_empty() {
            return f.write_str("/");
        }
        for (place, component) in self.components.iter().enumerate() {
            if self.absolute || place > 0 {
                f.write_str("/")?;
            }
            write!(f, "{component}")?;
        }
        Ok(())
    }
}
