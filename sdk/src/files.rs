//! Files on the machine that the plugin works on, below the paths that were granted.

pub use crate::bindings::imports::files::Entry;
use crate::{Failure, Result, imports::files};

/// The file's contents; none where there is none.
pub fn read(path: &str) -> Result<Option<Vec<u8>>> {
    match files::read(path) {
        Ok(contents) => Ok(Some(contents)),
        Err(failure) if failure.is("missing") => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The file's contents as text; none where there is none.
pub fn read_text(path: &str) -> Result<Option<String>> {
    let Some(contents) = read(path)? else {
        return Ok(None);
    };
    let text = String::from_utf8(contents);
    text.map(Some)
        .map_err(|_| Failure::rejected(format!("{path} is not text")))
}

/// Replaces the file in one step.
pub fn write(path: &str, contents: impl AsRef<[u8]>) -> Result<()> {
    files::write(path, contents.as_ref())
}

/// What is at the path; none where nothing is.
pub fn stat(path: &str) -> Result<Option<Entry>> {
    files::stat(path)
}

/// What is in the directory, sorted by name; nothing where there is none.
pub fn list(path: &str) -> Result<Vec<Entry>> {
    files::list(path)
}

/// Creates the directory and those above it.
pub fn create_directory(path: &str) -> Result<()> {
    files::create_directory(path)
}

/// Puts a symbolic link at `path` in one step, over one that is there.
pub fn link(path: &str, points_to: &str) -> Result<()> {
    files::link(path, points_to)
}

/// What the link says; none where there is none.
pub fn read_link(path: &str) -> Result<Option<String>> {
    match files::read_link(path) {
        Ok(points_to) => Ok(Some(points_to)),
        Err(failure) if failure.is("missing") => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Gives what is there another path, over a file that has it.
pub fn rename(from: &str, to: &str) -> Result<()> {
    files::rename(from, to)
}

/// Removes a file, or a directory with all that is in it.
pub fn remove(path: &str) -> Result<()> {
    files::remove(path)
}
