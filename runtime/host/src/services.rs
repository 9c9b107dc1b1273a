//! What the program puts behind the capabilities: where secrets, locks, notes and artifacts are
//! kept, and who hears of calls and log lines.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use engine::{Code, Failure, Timestamp};
use machines::ArtifactSource;
use serde::Serialize;
use serde_json::Value;

pub use bindings::{Lease, logs::Level};

use crate::capability::http::HttpClients;

/// The values of secrets.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The value of a secret; `missing` where there is none of that name.
    async fn value(&self, name: &str) -> Result<String, Failure>;
}

/// Mutual exclusion among everything that shares the operator's state store.
#[async_trait]
pub trait Locks: Send + Sync {
    /// Takes the lock, or fails with `timeout` after `wait`. It is renewed until the lease is
    /// released or dropped.
    async fn acquire(
        &self,
        name: &str,
        owner: &str,
        wait: Duration,
    ) -> Result<Box<dyn Lease>, Failure>;
}

/// What plugins put down for their later calls in the same deployment.
#[async_trait]
pub trait Notes: Send + Sync {
    /// What stands there.
    async fn get(
        &self,
        deployment: &str,
        plugin: &str,
        key: &str,
    ) -> Result<Option<Value>, Failure>;

    /// Puts it there, over what stood there.
    async fn set(
        &self,
        deployment: &str,
        plugin: &str,
        key: &str,
        value: Value,
    ) -> Result<(), Failure>;
}

/// A mail, on its way to the operator's mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The recipients.
    pub to: Vec<String>,
    /// One line.
    pub subject: String,
    /// As text.
    pub text: String,
    /// As HTML, besides.
    pub html: Option<String>,
}

/// The operator's mail server.
#[async_trait]
pub trait MailServer: Send + Sync {
    /// Hands a mail over.
    async fn send(&self, mail: Mail) -> Result<(), Failure>;
}

/// What is being deployed.
#[async_trait]
pub trait Artifacts: ArtifactSource {
    /// A file's name, or a container image's reference.
    async fn reference(&self, release: &str) -> Result<String, Failure>;

    /// Whether it was opened already. One that was not takes time to open, and may be gone.
    fn is_open(&self, release: &str) -> bool;
}

/// One use of a capability.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AuditEntry {
    /// When it began.
    pub at: Timestamp,
    /// The plugin's name.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// The deployment it works for; empty where there is none.
    pub deployment: String,
    /// The call it was answering.
    pub call: String,
    /// For example `http`.
    pub capability: &'static str,
    /// What was done, for example `POST` or `write`.
    pub action: String,
    /// What it was done to: an origin and path, a file, a program with its arguments.
    pub subject: String,
    /// The machine it was done on; none for what goes out from this process.
    pub machine: Option<String>,
    /// The secrets whose values went out with it, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How it ended: `ok`, a status, or a failure's code and message.
    pub ended: String,
}

/// Hears of every use of a capability. Must not block for long.
pub trait AuditSink: Send + Sync {
    /// Keeps an entry.
    fn record(&self, entry: AuditEntry);
}

/// A line of a plugin's log: escaped, cut to a bounded length, without secrets' values.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// How grave.
    pub level: Level,
    /// The plugin's name.
    pub plugin: String,
    /// The deployment it works for; empty where there is none.
    pub deployment: String,
    /// One line.
    pub message: String,
    /// What else it says.
    pub fields: Vec<(String, String)>,
}

/// Hears what plugins log. Must not block for long.
pub trait LogSink: Send + Sync {
    /// Keeps a line.
    fn line(&self, line: LogLine);
}

/// All that stands behind the capabilities. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Values of secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Named locks.
    pub locks: Arc<dyn Locks>,
    /// Notes of plugins.
    pub notes: Arc<dyn Notes>,
    /// What is deployed; none where nothing is.
    pub artifacts: Option<Arc<dyn Artifacts>>,
    /// The mail server; none where the operator has none.
    pub mail: Option<Arc<dyn MailServer>>,
    /// Hears of every use of a capability.
    pub audit: Arc<dyn AuditSink>,
    /// Hears what plugins log.
    pub logs: Arc<dyn LogSink>,
    /// Connections to the outside, shared by all plugins.
    pub http: Arc<HttpClients>,
}

impl Services {
    /// Services that have nothing and tell nobody: each field can be replaced.
    pub fn nothing() -> Self {
        let nothing = Arc::new(Nothing);
        Self {
            secrets: nothing.clone(),
            locks: nothing.clone(),
            notes: nothing.clone(),
            artifacts: None,
            mail: None,
            audit: nothing.clone(),
            logs: nothing,
            http: Arc::default(),
        }
    }
}

struct Nothing;

#[async_trait]
impl Secrets for Nothing {
    async fn value(&self, name: &str) -> Result<String, Failure> {
        Err(Failure::new(
            Code::Missing,
            format!("there is no secret `{name}`"),
        ))
    }
}

#[async_trait]
impl Locks for Nothing {
    async fn acquire(&self, name: &str, _: &str, _: Duration) -> Result<Box<dyn Lease>, Failure> {
        let text = format!("the lock `{name}` cannot be taken: there is no state store");
        Err(Failure::new(Code::Unavailable, text))
    }
}

#[async_trait]
impl Notes for Nothing {
    async fn get(&self, _: &str, _: &str, _: &str) -> Result<Option<Value>, Failure> {
        Ok(None)
    }

    async fn set(&self, _: &str, _: &str, _: &str, _: Value) -> Result<(), Failure> {
        Ok(())
    }
}

impl AuditSink for Nothing {
    fn record(&self, _: AuditEntry) {}
}

impl LogSink for Nothing {
    fn line(&self, _: LogLine) {}
}
