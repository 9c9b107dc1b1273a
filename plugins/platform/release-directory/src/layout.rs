//! What lies where below the application's root.
//!
//! ```text
//! current -> releases/5.0.0-20251116T103045Z
//! releases/5.0.0-20251116T103045Z/
//! releases/5.0.0-20251116T103045Z.partial   while that is put there, or removed
//! shared/
//! application.pid, application.log          with `start`
//! ```

use std::collections::BTreeMap;

use runtime_sdk::{Failure, InstalledRelease, Result, machine::Batch};

const MARKER: &str = ".partial";

/// The paths of one target.
pub(crate) struct Layout {
    root: String,
}

impl Layout {
    pub(crate) fn new(root: &str) -> Self {
        let trimmed = root.trim_end_matches('/');
        Self {
            root: if trimmed.is_empty() { root } else { trimmed }.to_owned(),
        }
    }

    pub(crate) fn root(&self) -> String {
        self.root.clone()
    }

    pub(crate) fn current(&self) -> String {
        self.path("current")
    }

    pub(crate) fn releases(&self) -> String {
        self.path("releases")
    }

    pub(crate) fn pid_file(&self) -> String {
        self.path("application.pid")
    }

    pub(crate) fn log_file(&self) -> String {
        self.path("application.log")
    }

    pub(crate) fn release(&self, id: &str) -> Result<String> {
        // Else it would be some other path, or be taken for a marker.
        if id.is_empty() || id.contains('/') || id.starts_with('.') || id.ends_with(MARKER) {
            return Err(Failure::invalid(format!(
                "`{id}` cannot be the name of a directory"
            )));
        }
        Ok(self.path(&format!("releases/{id}")))
    }

    pub(crate) fn marker(&self, id: &str) -> Result<String> {
        self.release(id).map(|path| path + MARKER)
    }

    /// Links one shared entry into the release at `path`.
    pub(crate) fn share(&self, batch: Batch, path: &str, entry: &str) -> Batch {
        let (entry, is_directory) = match entry.strip_suffix('/') {
            Some(entry) => (entry, true),
            None => (entry, false),
        };
        let shared = self.path(&format!("shared/{entry}"));
        let above = |path: &str| path.rsplit_once('/').map(|(above, _)| above.to_owned());
        let needed = if is_directory {
            Some(shared)
        } else {
            above(&shared)
        };
        let mut batch = batch.create_directory(needed.unwrap_or_default());
        if let Some(above) = above(entry) {
            batch = batch.create_directory(format!("{path}/{above}"));
        }
        // From the release's directory up to the root, and from there down again.
        let up = "../".repeat(entry.split('/').count() + 1);
        let link = format!("{path}/{entry}");
        // The artifact may have brought one of its own.
        batch
            .remove(&link)
            .link(link, format!("{up}shared/{entry}"))
    }

    fn path(&self, below: &str) -> String {
        if self.root.ends_with('/') {
            format!("{}{below}", self.root)
        } else {
            format!("{}/{below}", self.root)
        }
    }
}

/// What `current` says where that release runs.
pub(crate) fn points_to(id: &str) -> String {
    format!("releases/{id}")
}

/// The release that a link points to.
pub(crate) fn release_of(points_to: &str) -> String {
    let path = points_to.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// The releases among what lies in `releases/`.
pub(crate) fn installed<'a>(names: impl Iterator<Item = &'a str>) -> Vec<InstalledRelease> {
    let mut complete = BTreeMap::new();
    // What begins with a dot is not yet, or no longer, a release.
    for name in names.filter(|name| !name.starts_with('.')) {
        match name.strip_suffix(MARKER) {
            Some(id) => _ = complete.insert(id, false),
            None => _ = complete.entry(name).or_insert(true),
        }
    }
    let release = |(id, complete): (&str, bool)| InstalledRelease {
        id: id.to_owned(),
        complete,
        details: "{}".to_owned(),
    };
    complete.into_iter().map(release).collect()
}

/// Whether the path is one that stays below where it begins.
pub(crate) fn is_below(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
