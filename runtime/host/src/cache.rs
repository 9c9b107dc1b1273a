//! Compiled code between runs, by the component's digest and the engine's key. Compiled code is
//! run as it is, so it lies where only the user can reach it, and is compared with its digest
//! each time. A cache that does not work is a cache that is empty.

use std::{
    fs,
    hash::{Hash, Hasher},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use bindings::Kind;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use wasmtime::{Engine, component::Component};

use crate::plugin::Description;

/// Files in the cache, two for each plugin and way to compile it: enough for several programs.
const FILES_MAX: usize = 400;

/// Directory of compiled code.
pub(crate) struct Cache {
    directory: PathBuf,
    key: String,
}

/// What one plugin said of settings: a few configurations' worth.
const ANSWERS_MAX: usize = 32;

/// What lies beside compiled code: all that there is to know of a plugin that is not called.
#[derive(Serialize, Deserialize)]
struct Entry {
    /// The digest of the compiled code.
    code: String,
    /// The kind that it was joined as.
    kind: String,
    #[serde(flatten)]
    kept: Kept,
}

/// What is known of a plugin without its code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The interfaces that it imports.
    pub(crate) imports: Vec<String>,
    /// What it says of itself: asking it needs an instance.
    pub(crate) description: Description,
    /// What it said of settings, newest last.
    pub(crate) answers: Vec<Answer>,
}

/// What a plugin said of settings. It was asked with nothing but them, so it would say the same
/// again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Their digest.
    pub(crate) settings: String,
    pub(crate) said: Said,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Said {
    /// Nothing is wrong with them.
    InOrder,
    /// What it can do with them.
    Traits(Vec<String>),
}

/// Adds an answer, newest last; the oldest go where there are many.
pub(crate) fn remember(answers: &mut Vec<Answer>, answer: Answer) {
    answers.retain(|each| *each != answer);
    answers.push(answer);
    let surplus = answers.len().saturating_sub(ANSWERS_MAX);
    answers.drain(..surplus);
}

impl Cache {
    pub(crate) fn new(directory: PathBuf, engine: &Engine) -> Self {
        let mut hasher = Stable(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        let key = hex(&hasher.0.finalize()[..8]);
        Self { directory, key }
    }

    /// What is known of a plugin, and its kind, where its code is there, too.
    pub(crate) fn known(&self, digest: &str) -> Option<(Kind, Kept)> {
        let entry = self.entry(digest)?;
        let (_, code_path) = self.paths(digest);
        (code_path.is_file()).then_some((Kind::named(&entry.kind)?, entry.kept))
    }

    fn entry(&self, digest: &str) -> Option<Entry> {
        private(&self.directory).ok()?;
        let (entry_path, _) = self.paths(digest);
        serde_json::from_slice(&fs::read(entry_path).ok()?).ok()
    }

    /// The compiled component, where it is there and whole.
    pub(crate) fn get(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let entry = self.entry(digest)?;
        let (_, code_path) = self.paths(digest);
        let code = fs::read(&code_path).ok()?;
        if hex(&Sha256::digest(&code)) != entry.code {
            tracing::warn!(path = %code_path.display(), "compiled code is damaged; compiling anew");
            return None;
        }
        match deserialize(engine, &code) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::debug!(%error, "compiled code does not fit this engine");
                None
            }
        }
    }

    /// Keeps a compiled component: the code first, then what names its digest.
    pub(crate) fn put(
        &self,
        digest: &str,
        component: &Component,
        kind: Kind,
        kept: Kept,
    ) -> io::Result<()> {
        create_private(&self.directory)?;
        private(&self.directory)?;
        let code = component.serialize().map_err(io::Error::other)?;
        let entry = Entry {
            code: hex(&Sha256::digest(&code)),
            kind: kind.as_str().to_owned(),
            kept,
        };
        let (entry_path, code_path) = self.paths(digest);
        self.make_room()?;
        replace(&self.directory, &code_path, &code)?;
        replace(&self.directory, &entry_path, &serde_json::to_vec(&entry)?)
    }

    /// Adds to what a plugin said of settings.
    pub(crate) fn learn(&self, digest: &str, answer: Answer) -> io::Result<()> {
        let Some(mut entry) = self.entry(digest) else {
            return Ok(());
        };
        remember(&mut entry.kept.answers, answer);
        let (entry_path, _) = self.paths(digest);
        replace(&self.directory, &entry_path, &serde_json::to_vec(&entry)?)
    }

    /// Removes the oldest where there are too many: those of plugins and programs that were
    /// upgraded since.
    fn make_room(&self) -> io::Result<()> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            // Another process may be doing the same.
            if let Ok(written) = fs::metadata(&path).and_then(|there| there.modified()) {
                found.push((written, path));
            }
        }
        if found.len() < FILES_MAX {
            return Ok(());
        }
        found.sort();
        for (_, path) in &found[..found.len() / 2] {
            let _ = fs::remove_file(path);
        }
        Ok(())
    }

    fn paths(&self, digest: &str) -> (PathBuf, PathBuf) {
        let plain = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let name = match digest.strip_prefix("sha256:") {
            Some(digits) if plain(digits) => digits.to_owned(),
            _ => hex(&Sha256::digest(digest)),
        };
        let at = |ending: &str| self.directory.join(format!("{name}-{}.{ending}", self.key));
        (at("json"), at("cwasm"))
    }
}

#[expect(
    unsafe_code,
    reason = "running compiled code is what a cache of it is for"
)]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: they come from a file in a directory that only this user can write to, were written
    // there by this program, and were just held against the digest taken then.
    unsafe { Component::deserialize(engine, code) }
}

/// Writes beside the path and renames, so that nobody ever reads a part.
fn replace(directory: &Path, path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(contents)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn create_private(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// Fails unless the directory is the user's own and closed to everyone else.
fn private(directory: &Path) -> io::Result<()> {
    let there = fs::metadata(directory)?;
    if there.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("the cache belongs to someone else"));
    }
    if there.mode() & 0o022 != 0 {
        // Whatever lies there may be anyone's.
        return Err(io::Error::other("others can write to the cache"));
    }
    if there.mode() & 0o077 != 0 {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// A hasher whose result is the same in every run.
struct Stable(Sha256);

impl Hasher for Stable {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

#[cfg(test)]
mod tests;
