//! A plugin that brings secrets from where they are kept.

use bindings::Kind;
use engine::{Failure, Timestamp};

use crate::{
    error::HostError,
    worker::{About, CallContext, Worker},
};

/// A place where secrets are kept.
#[derive(Clone)]
pub struct SecretSource(Worker);

/// A secret as it was fetched.
#[derive(Clone, PartialEq, Eq)]
pub struct FetchedSecret {
    /// Its value.
    pub value: Vec<u8>,
    /// Which one, where the source counts.
    pub version: Option<String>,
    /// Since when.
    pub created: Option<Timestamp>,
    /// Until when.
    pub expires: Option<Timestamp>,
}

impl std::fmt::Debug for FetchedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchedSecret")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl SecretSource {
    /// Fails where the plugin is of another kind.
    pub fn new(worker: Worker) -> Result<Self, HostError> {
        worker.plugin().expect(Kind::SecretSource)?;
        Ok(Self(worker))
    }

    /// The plugin at work.
    pub fn worker(&self) -> &Worker {
        &self.0
    }

    /// Fetches the secret of that name.
    pub async fn fetch(&self, name: &str, context: &CallContext) -> Result<FetchedSecret, Failure> {
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked.fetch(state, name, &settings).await
        };
        let secret = self
            .0
            .call("fetch a secret", context, About::default(), call)
            .await?;
        Ok(FetchedSecret {
            value: secret.value,
            version: secret.version,
            created: secret.created.map(Timestamp),
            expires: secret.expires.map(Timestamp),
        })
    }
}
