//! The code behind a plugin that is in the cache, read when the plugin is first called: few of a
//! deployment's plugins are needed before its first operation.

use std::sync::Arc;

use bindings::{Kind, Linked};
use tokio::sync::OnceCell;

use crate::{
    cache::{Answer, Kept},
    error::HostError,
    host::{PluginSource, Shared, broken_off},
};

/// A component's code, here or still in the cache.
pub(crate) struct Code {
    shared: Arc<Shared>,
    source: PluginSource,
    kind: Kind,
    linked: OnceCell<Linked>,
}

impl Code {
    pub(crate) fn new(
        shared: Arc<Shared>,
        source: PluginSource,
        kind: Kind,
        linked: Option<Linked>,
    ) -> Self {
        Self {
            shared,
            source,
            kind,
            linked: OnceCell::new_with(linked),
        }
    }

    pub(crate) fn source(&self) -> &PluginSource {
        &self.source
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Reads the code, unless that was done; where the cache does not have it any more, compiles.
    pub(crate) async fn linked(&self, kept: &Kept) -> Result<&Linked, HostError> {
        let read = async || {
            let (shared, source) = (Arc::clone(&self.shared), self.source.clone());
            let (kind, kept) = (self.kind, kept.clone());
            let reading = move || shared.read(&source, kind, &kept);
            tokio::task::spawn_blocking(reading)
                .await
                .map_err(|fault| broken_off(&self.source, &fault))?
        };
        self.linked.get_or_try_init(read).await
    }

    /// Keeps what the plugin said of settings.
    pub(crate) async fn learn(&self, answer: Answer) {
        if !self.shared.keeps() {
            return;
        }
        let (shared, digest) = (Arc::clone(&self.shared), self.source.digest.clone());
        let keeping = move || shared.learn(&digest, answer);
        if let Err(error) = tokio::task::spawn_blocking(keeping).await {
            tracing::debug!(%error, "what a plugin said of settings was not kept");
        }
    }
}
