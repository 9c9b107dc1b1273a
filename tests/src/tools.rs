//! The tools that make components of Python and JavaScript, as `tests/run` installs them.

use std::path::PathBuf;

use crate::programs::programs;

/// The folder with componentize-py.
pub fn python() -> PathBuf {
    installed("python/bin", "componentize-py")
}

/// The folder with jco.
pub fn javascript() -> PathBuf {
    installed("javascript/node_modules/.bin", "jco")
}

fn installed(folder: &str, tool: &str) -> PathBuf {
    let folder = programs().target.join("tests-tools").join(folder);
    assert!(
        folder.join(tool).exists(),
        "there is no {tool} in {}; `tests/run` puts it there",
        folder.display()
    );
    folder
}
