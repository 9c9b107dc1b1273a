//! What a plugin was granted, as people are told: each request of its manifest with the operator's
//! settings put in. Decides nothing; what a call may do is for `Grants::check`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{CommandScope, Names, Pattern, is_operators};
use crate::plugin::{Plugin, Request};

/// Something that a plugin may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Granted {
    /// `http`, `files`, `commands`, `locks`, `sockets`, `secrets` or `mail`.
    pub capability: String,
    /// What of it; `*` stands for what only a call can tell.
    pub scope: String,
    /// `read` or `change`.
    pub purpose: String,
    /// Why, in the words of its author.
    pub reason: String,
}

impl Granted {
    /// All that a plugin may do: what its manifest asks for, and that was granted.
    pub(crate) fn of(
        plugin: &Plugin,
        written: &BTreeMap<String, Vec<String>>,
        names: &Names<'_>,
    ) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for request in &plugin.description().requests {
            let by_hand = written.get(&request.capability);
            let whole = plugin.bundled() || is_operators(request);
            for scope in texts(request, names) {
                let granted = whole
                    || by_hand.is_some_and(|scopes| {
                        scopes.iter().any(|each| *each == scope || each == "*")
                    });
                let granted = granted.then(|| Self {
                    capability: request.capability.clone(),
                    scope,
                    purpose: request.purpose.clone(),
                    reason: request.reason.clone(),
                });
                all.extend(granted.filter(|granted| !all.contains(granted)));
            }
        }
        all
    }
}

/// What a request stands for, each once.
fn texts(request: &Request, names: &Names<'_>) -> BTreeSet<String> {
    if request.capability == "commands" {
        let lines = CommandScope::expand(&request.scope, names);
        return lines.iter().map(CommandScope::to_string).collect();
    }
    names
        .texts(&request.scope)
        .iter()
        .map(Pattern::to_string)
        .collect()
}
