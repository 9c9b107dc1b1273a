//! What stands behind the plugins' capabilities here: secrets, locks, notes, artifacts, the
//! audit and the log.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use configuration::{Contents, SecretOrigin};
use engine::{Code, Failure};
use host::{AuditSink, Lease, Level, Locks, LogLine, LogSink, Notes, Secrets};
use serde_json::{Value, json};
use store::{AuditEntry, Lock, LockError, Store};
use tokio::time::{Instant, sleep};

use crate::{display, log::Log, release::Artifacts, system};

/// How long a lock lasts without being renewed.
const LOCK_MS: u64 = 30_000;
/// How often a lock is renewed, and how often one that is held is asked for again.
const LOCK_RENEWAL: Duration = Duration::from_secs(10);
const LOCK_KNOCK: Duration = Duration::from_millis(250);

/// Secrets from the environment and from files, asked in the operator's order.
pub(crate) struct SecretSources(Vec<SecretSource>);

/// Where the values of secrets come from.
enum SecretSource {
    /// The variable of the secret's name.
    Environment {
        /// What stands before the name.
        prefix: String,
    },
    /// A file of `NAME=value` lines, which only its owner may read.
    File(PathBuf),
    /// A directory with a file for each secret.
    Directory(PathBuf),
}

impl SecretSources {
    /// Those that the configuration names.
    pub(crate) fn new(contents: &Contents, folder: &Path) -> Self {
        let mut sources = Vec::new();
        for source in &contents.secrets {
            match source.origin() {
                SecretOrigin::Environment(from) => {
                    sources.push(SecretSource::Environment {
                        prefix: from.prefix,
                    });
                }
                SecretOrigin::File(from) => {
                    sources.extend(from.file.map(|file| SecretSource::File(folder.join(file))));
                    let directory = from.directory.map(|directory| folder.join(directory));
                    sources.extend(directory.map(SecretSource::Directory));
                }
                // The catalogue refused it: none comes with this version.
                SecretOrigin::Plugin(_) => {}
            }
        }
        Self(sources)
    }
}

#[async_trait]
impl Secrets for SecretSources {
    async fn value(&self, name: &str) -> Result<String, Failure> {
        let mut asked = Vec::new();
        for source in &self.0 {
            match source {
                SecretSource::Environment { prefix } => {
                    if let Ok(value) = std::env::var(format!("{prefix}{name}")) {
                        return Ok(value);
                    }
                    asked.push("the environment".to_owned());
                }
                SecretSource::Directory(path) => {
                    if let Some(value) = in_directory(path, name)? {
                        return Ok(value);
                    }
                    asked.push(path.display().to_string());
                }
                SecretSource::File(path) => {
                    if let Some(value) = in_file(path, name)? {
                        return Ok(value);
                    }
                    asked.push(path.display().to_string());
                }
            }
        }
        let text = format!("there is no secret `{name}` in {}", asked.join(" or "));
        Err(Failure::new(Code::Missing, text))
    }
}

fn in_file(path: &PathBuf, name: &str) -> Result<Option<String>, Failure> {
    use std::os::unix::fs::PermissionsExt;
    let unusable = |code, reason: String| {
        Failure::new(
            code,
            format!("the secrets in {} cannot be read: {reason}", path.display()),
        )
    };
    let metadata =
        std::fs::metadata(path).map_err(|error| unusable(Code::Missing, error.to_string()))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        let reason = "others may read the file; `chmod 600` it".to_owned();
        return Err(unusable(Code::Denied, reason));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| unusable(Code::Unavailable, error.to_string()))?;
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let mut pairs = lines.filter_map(|line| line.split_once('='));
    Ok(pairs
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned()))
}

/// One file a secret, as systemd, Docker and Kubernetes make it.
fn in_directory(path: &Path, name: &str) -> Result<Option<String>, Failure> {
    // A name is a name: it must not lead out of the directory.
    if name.contains('/') || name.starts_with('.') {
        return Ok(None);
    }
    match std::fs::read_to_string(path.join(name)) {
        Ok(value) => Ok(Some(value.trim_end_matches('\n').to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let text = format!("the secrets in {} cannot be read: {error}", path.display());
            Err(Failure::new(Code::Unavailable, text))
        }
    }
}

/// Named locks, in the state store.
pub(crate) struct StoreLocks(pub(crate) Arc<dyn Store>);

#[async_trait]
impl Locks for StoreLocks {
    async fn acquire(
        &self,
        name: &str,
        owner: &str,
        wait: Duration,
    ) -> Result<Box<dyn Lease>, Failure> {
        let end = Instant::now() + wait;
        loop {
            match self.0.lock(name, owner, LOCK_MS, system::now()).await {
                Ok(lock) => return Ok(Box::new(HeldLock::new(self.0.clone(), lock))),
                Err(LockError::Held { .. }) if Instant::now() < end => sleep(LOCK_KNOCK).await,
                Err(error @ LockError::Held { .. }) => {
                    return Err(Failure::new(Code::Timeout, error.to_string()).retryable());
                }
                Err(error) => return Err(Failure::new(Code::Unavailable, error.to_string())),
            }
        }
    }
}

/// A lock that is renewed until it is let go of.
struct HeldLock {
    store: Arc<dyn Store>,
    lock: Lock,
    renewal: tokio::task::JoinHandle<()>,
    released: bool,
}

impl HeldLock {
    fn new(store: Arc<dyn Store>, lock: Lock) -> Self {
        let renewing = store.clone();
        let mut held = lock.clone();
        let renewal = tokio::spawn(async move {
            loop {
                sleep(LOCK_RENEWAL).await;
                match renewing.renew_lock(&held, LOCK_MS, system::now()).await {
                    Ok(renewed) => held = renewed,
                    Err(LockError::Store(_)) => {}
                    Err(_) => return,
                }
            }
        });
        Self {
            store,
            lock,
            renewal,
            released: false,
        }
    }
}

#[async_trait]
impl Lease for HeldLock {
    async fn release(mut self: Box<Self>) {
        self.released = true;
        self.renewal.abort();
        // A lock that cannot be let go of now runs out by itself.
        let _runs_out = self.store.unlock(&self.lock).await;
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        self.renewal.abort();
        if !self.released
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (store, lock) = (self.store.clone(), self.lock.clone());
            runtime.spawn(async move { store.unlock(&lock).await });
        }
    }
}

/// Notes of plugins, in the state store.
pub(crate) struct StoreNotes(pub(crate) Arc<dyn Store>);

#[async_trait]
impl Notes for StoreNotes {
    async fn get(
        &self,
        deployment: &str,
        plugin: &str,
        key: &str,
    ) -> Result<Option<Value>, Failure> {
        let kept = self.0.note(deployment, plugin, key).await;
        kept.map_err(|error| Failure::new(Code::Unavailable, error.to_string()))
    }

    async fn set(
        &self,
        deployment: &str,
        plugin: &str,
        key: &str,
        value: Value,
    ) -> Result<(), Failure> {
        self.0.set_note(deployment, plugin, key, &value);
        Ok(())
    }
}

/// Every use of a capability, in the audit of the state store. It becomes durable with the next
/// record.
pub(crate) struct StoreAudit {
    /// Keeps it.
    pub(crate) store: Arc<dyn Store>,
    /// The application.
    pub(crate) application: String,
    /// The environment.
    pub(crate) environment: String,
}

impl AuditSink for StoreAudit {
    fn record(&self, entry: host::AuditEntry) {
        let deployment = (!entry.deployment.is_empty()).then(|| entry.deployment.clone());
        self.store.audit(vec![AuditEntry {
            at: entry.at,
            deployment,
            application: self.application.clone(),
            environment: self.environment.clone(),
            action: format!("plugin_{}", entry.capability),
            actor: format!("{} {}", entry.plugin, entry.version),
            host: entry.machine.clone().unwrap_or_else(system::host),
            details: serde_json::to_value(&entry).unwrap_or(Value::Null),
        }]);
    }
}

/// Every use of a capability, kept here alone: where nothing may be changed, nor is the audit.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<host::AuditEntry>>);

impl Heard {
    /// What was heard so far, in its order.
    pub(crate) fn entries(&self) -> Vec<host::AuditEntry> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.clone()
    }
}

impl AuditSink for Heard {
    fn record(&self, entry: host::AuditEntry) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push(entry);
    }
}

/// What plugins log, in the deployment's log once there is one.
#[derive(Default)]
pub(crate) struct PluginLog(pub(crate) OnceLock<Arc<Log>>);

impl LogSink for PluginLog {
    fn line(&self, line: LogLine) {
        let level = match line.level {
            Level::Trace | Level::Debug => display::Level::Debug,
            Level::Info => display::Level::Info,
            Level::Warn => display::Level::Warn,
            Level::Error => display::Level::Error,
        };
        let fields: BTreeMap<_, _> = line.fields.into_iter().collect();
        let context = json!({ "plugin": line.plugin, "fields": fields });
        if let Some(log) = self.0.get() {
            log.write(line.at, level, &line.message, &context);
        }
    }
}

#[async_trait]
impl host::Artifacts for Artifacts {
    async fn reference(&self, release: &str) -> Result<String, Failure> {
        let named = Artifacts::reference(self, release).map(str::to_owned);
        named.ok_or_else(|| {
            Failure::new(
                Code::Missing,
                format!("nothing is known of a release `{release}`"),
            )
        })
    }

    fn is_open(&self, release: &str) -> bool {
        Artifacts::is_open(self, release)
    }
}
