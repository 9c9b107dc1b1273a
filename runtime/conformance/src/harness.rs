//! Plays: a plugin at work in a world of its own, which the kit answers for. Each play begins anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use engine::{Code, Failure};
use host::{
    Artifacts, Assignment, AuditEntry, AuditSink, HttpClients, Lease, Locks, Mail, MailServer,
    Notes, Secrets, Services, Worker,
};
use machines::{Artifact, ArtifactSource, ErrorKind, MachineError};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Candidate,
    machine::KitMachine,
    other::{Answering, Other},
    trouble::{Part, Trouble},
};

/// The longest that one call takes in the kit, where nothing is slow.
const CALL_TIME: Duration = Duration::from_secs(20);

/// What every world of a candidate is made of.
pub(crate) struct Play<'a> {
    pub(crate) candidate: &'a Candidate,
    settings: Value,
    undeclared: Mutex<BTreeSet<String>>,
}

/// A plugin at work.
pub(crate) struct World {
    pub(crate) worker: Worker,
    pub(crate) other: Answering,
    audit: Arc<Audit>,
    folder: TempDir,
}

impl<'a> Play<'a> {
    pub(crate) fn new(candidate: &'a Candidate, settings: Value) -> Self {
        Self {
            candidate,
            settings,
            undeclared: Mutex::default(),
        }
    }

    /// A world in which nothing has happened.
    pub(crate) fn world(&self) -> io::Result<World> {
        let folder = tempfile::Builder::new().prefix("runtime-kit-").tempdir()?;
        let (root, artifact) = (folder.path().join("root"), folder.path().join("release"));
        fs::create_dir(&root)?;
        fs::create_dir(&artifact)?;
        fs::write(artifact.join("app"), "#!/bin/sh\n")?;
        let other = Arc::new(Other::new(self.candidate.answers.clone()));
        let audit = Arc::new(Audit::default());
        let kept = Arc::new(Kept {
            other: Arc::clone(&other),
            artifact,
            notes: Mutex::default(),
            locks: Arc::default(),
        });
        let services = Services {
            secrets: kept.clone(),
            locks: kept.clone(),
            notes: kept.clone(),
            artifacts: Some(kept.clone()),
            mail: Some(kept),
            audit: audit.clone(),
            logs: Services::nothing().logs,
            http: Arc::new(HttpClients::leading_to(other.clone())),
        };
        let machine = Arc::new(KitMachine::new(&root, Arc::clone(&other)));
        let assignment = Assignment {
            settings: self.settings.clone(),
            time_max: CALL_TIME,
            ..Assignment::new(machine)
        };
        let worker = Worker::new(self.candidate.plugin.clone(), assignment, services);
        Ok(World {
            worker,
            other,
            audit,
            folder,
        })
    }

    /// Keeps what a world saw of calls that the manifest does not declare.
    pub(crate) fn close(&self, world: &World) {
        let mut undeclared = self
            .undeclared
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        undeclared.extend(world.audit.undeclared());
    }

    /// Every call so far that the manifest does not declare.
    pub(crate) fn undeclared(&self) -> Vec<String> {
        let undeclared = self
            .undeclared
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        undeclared.iter().cloned().collect()
    }
}

impl World {
    /// Everything that lies on the machine: contents by path.
    pub(crate) fn tree(&self) -> io::Result<BTreeMap<PathBuf, String>> {
        let mut found = BTreeMap::new();
        let root = self.folder.path().join("root");
        walk(&root, &root, &mut found)?;
        Ok(found)
    }

    /// What it used, how often.
    pub(crate) fn used(&self) -> BTreeMap<Part, u32> {
        let mut used = self.other.used();
        // HTTP to the machine itself goes by one of its sockets.
        if self.audit.has("http")
            && !self.audit.has("sockets")
            && let Some(count) = used.remove(&Part::Sockets)
        {
            *used.entry(Part::Http).or_default() += count;
        }
        used
    }
}

fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            found.insert(name, format!("-> {}", fs::read_link(&path)?.display()));
        } else if kind.is_dir() {
            found.insert(name, "directory".to_owned());
            walk(root, &path, found)?;
        } else {
            let contents = fs::read(&path)?;
            found.insert(name, String::from_utf8_lossy(&contents).into_owned());
        }
    }
    Ok(())
}

/// Every use of a capability.
#[derive(Default)]
struct Audit(Mutex<Vec<AuditEntry>>);

impl AuditSink for Audit {
    fn record(&self, entry: AuditEntry) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(entry);
    }
}

impl Audit {
    fn has(&self, capability: &str) -> bool {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().any(|entry| entry.capability == capability)
    }

    /// The kit grants all that a manifest asks for: what is denied was not asked for.
    fn undeclared(&self) -> Vec<String> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let denied = entries.iter().filter_map(|entry| {
            let what = entry.ended.strip_prefix("denied: ")?;
            what.contains("was not granted").then(|| {
                let name = match what.split_once(" was not granted") {
                    Some((name, _)) => name,
                    None => what,
                };
                format!(
                    "{name} is used ({}), and no request of the manifest covers it",
                    entry.action
                )
            })
        });
        denied.collect()
    }
}

/// What stands behind the other capabilities.
struct Kept {
    other: Answering,
    artifact: PathBuf,
    notes: Mutex<BTreeMap<(String, String, String), Value>>,
    locks: Arc<Mutex<BTreeSet<String>>>,
}

#[async_trait]
impl Secrets for Kept {
    async fn value(&self, name: &str) -> Result<String, Failure> {
        match self.other.trouble(Part::Secrets) {
            None => Ok(format!("kit-value-of-{name}")),
            Some(_) => {
                let text = format!("there is no secret `{name}`");
                Err(Failure::new(Code::Missing, text))
            }
        }
    }
}

struct Held {
    name: String,
    locks: Arc<Mutex<BTreeSet<String>>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.remove(&self.name);
    }
}

#[async_trait]
impl Lease for Held {
    async fn release(self: Box<Self>) {}
}

#[async_trait]
impl Locks for Kept {
    async fn acquire(&self, name: &str, _: &str, _: Duration) -> Result<Box<dyn Lease>, Failure> {
        let trouble: Option<Trouble> = self.other.trouble(Part::Locks);
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.is_some() || !locks.insert(name.to_owned()) {
            let text = format!("the lock `{name}` is held by somebody else");
            return Err(Failure::new(Code::Timeout, text).retryable());
        }
        Ok(Box::new(Held {
            name: name.to_owned(),
            locks: Arc::clone(&self.locks),
        }))
    }
}

#[async_trait]
impl Notes for Kept {
    async fn get(
        &self,
        deployment: &str,
        plugin: &str,
        key: &str,
    ) -> Result<Option<Value>, Failure> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(notes.get(&at(deployment, plugin, key)).cloned())
    }

    async fn set(
        &self,
        deployment: &str,
        plugin: &str,
        key: &str,
        value: Value,
    ) -> Result<(), Failure> {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.insert(at(deployment, plugin, key), value);
        Ok(())
    }
}

fn at(deployment: &str, plugin: &str, key: &str) -> (String, String, String) {
    (deployment.to_owned(), plugin.to_owned(), key.to_owned())
}

#[async_trait]
impl MailServer for Kept {
    async fn send(&self, _: Mail) -> Result<(), Failure> {
        match self.other.trouble(Part::Mail) {
            None => Ok(()),
            Some(_) => {
                let text = "the mail server could not be reached";
                Err(Failure::new(Code::Unavailable, text).retryable())
            }
        }
    }
}

#[async_trait]
impl ArtifactSource for Kept {
    async fn artifact(&self, _: &str) -> Result<Arc<Artifact>, MachineError> {
        let opened = Artifact::open(&self.artifact).map(Arc::new);
        opened.map_err(|error| MachineError::new(ErrorKind::Internal, error.to_string()))
    }
}

#[async_trait]
impl Artifacts for Kept {
    async fn reference(&self, release: &str) -> Result<String, Failure> {
        Ok(format!("registry.example.com/shop:{release}"))
    }

    fn is_open(&self, _: &str) -> bool {
        true
    }
}
