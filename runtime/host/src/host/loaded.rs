//! The plugins in use: a process that runs many deployments has the code of each plugin once.
//! Keeps none alive by itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bindings::Kind;

use super::PluginSource;
use crate::plugin::{Inner, Plugin};

/// What makes two loaded plugins the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    name: String,
    kind: Option<Kind>,
    digest: String,
    bundled: bool,
}

impl Identity {
    /// That of a plugin that is loaded from there.
    pub(super) fn of(source: &PluginSource) -> Self {
        Self {
            name: source.name.clone(),
            kind: source.kind,
            digest: source.digest.clone(),
            bundled: source.bundled,
        }
    }
}

/// The plugins in use.
#[derive(Default)]
pub(super) struct Loaded(Mutex<HashMap<Identity, Weak<Inner>>>);

impl Loaded {
    /// The same plugin, where it is in use.
    pub(super) fn find(&self, source: &PluginSource) -> Option<Plugin> {
        let found = self.lock().get(&Identity::of(source))?.upgrade();
        found.map(|inner| Plugin { inner })
    }

    /// Knows a plugin for as long as it is in use.
    pub(super) fn add(&self, identity: Identity, plugin: &Plugin) {
        let mut loaded = self.lock();
        loaded.retain(|_, inner| inner.strong_count() > 0);
        loaded.insert(identity, Arc::downgrade(&plugin.inner));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identity, Weak<Inner>>> {
        // Nothing that is done under it can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
