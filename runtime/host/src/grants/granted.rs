//! What a plugin was granted, as people are told: what each request of its manifest and the
//! operator's grants both allow. Decides nothing; what a call may do is for `Grants::check`, which
//! reads the same scopes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use super::{CommandScope, Names, Pattern, Scope, is_operators, scope_of, socket, texts};
use crate::plugin::Plugin;

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

/// A scope of any call there could be.
#[derive(Clone)]
enum Told {
    Scope(Scope),
    /// Where a request goes that only a call can tell.
    Somewhere(Pattern),
}

impl Granted {
    /// All that a plugin may do: what its manifest asks for, and that was granted.
    pub(crate) fn of(
        plugin: &Plugin,
        written: &BTreeMap<String, Vec<String>>,
        names: &Names<'_>,
    ) -> Vec<Self> {
        let requests = &plugin.description().requests;
        let mut granted: BTreeMap<&str, Vec<Told>> = BTreeMap::new();
        for (capability, scopes) in written {
            let names = names.without_settings();
            let told = scopes
                .iter()
                .flat_map(|it| Told::all(capability, it, &names));
            granted.entry(capability).or_default().extend(told);
        }
        let operators = |request| !plugin.bundled() && is_operators(request);
        for request in requests.iter().filter(|request| operators(request)) {
            let told = Told::all(
                &request.capability,
                &request.scope,
                &names.without_defaults(),
            );
            granted.entry(&request.capability).or_default().extend(told);
        }
        let mut all: Vec<Self> = Vec::new();
        for request in requests {
            let asked = Told::all(&request.capability, &request.scope, names);
            let granted = granted.get(request.capability.as_str());
            let may = |asked: &Told| -> Vec<String> {
                if plugin.bundled() {
                    return vec![asked.to_string()];
                }
                let granted = granted.into_iter().flatten();
                let shared = granted.filter_map(|granted| asked.shared(granted));
                shared.map(|shared| shared.to_string()).collect()
            };
            let scopes: BTreeSet<String> = asked.iter().flat_map(may).collect();
            for scope in scopes {
                let granted = Self {
                    capability: request.capability.clone(),
                    scope,
                    purpose: request.purpose.clone(),
                    reason: request.reason.clone(),
                };
                if !all.contains(&granted) {
                    all.push(granted);
                }
            }
        }
        all
    }
}

impl Told {
    /// Everything that a scope stands for.
    fn all(capability: &str, scope: &str, names: &Names<'_>) -> Vec<Self> {
        if capability == "commands" {
            let lines = CommandScope::expand(scope, names).into_iter();
            return lines
                .map(|line| Self::Scope(Scope::Command(line)))
                .collect();
        }
        let told = |text: Pattern| match scope_of(capability, &text) {
            Some(scope) => Some(Self::Scope(scope)),
            None => (capability == "http").then_some(Self::Somewhere(text)),
        };
        let texts = texts(capability, scope, names);
        texts.into_iter().filter_map(told).collect()
    }

    /// What both allow; where that can only be told in a call, what it is within.
    fn shared(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Scope(one), Self::Scope(other)) => shared(one, other).map(Self::Scope),
            _ => {
                let (one, with) = (self.text(), other.text());
                if with == Pattern::text("*") || with.covers(&one) {
                    return Some(self.clone());
                }
                (one == Pattern::text("*") || one.covers(&with)).then(|| other.clone())
            }
        }
    }

    fn text(&self) -> Pattern {
        match self {
            Self::Scope(_) => Pattern::text(self.to_string()),
            Self::Somewhere(text) => text.clone(),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Somewhere(text) => write!(f, "{text}"),
            Self::Scope(scope) => match scope {
                Scope::Http(scope) => write!(f, "{scope}"),
                Scope::File(scope) => write!(f, "{scope}"),
                Scope::Command(scope) => write!(f, "{scope}"),
                Scope::Socket(text)
                | Scope::Lock(text)
                | Scope::Secret(text)
                | Scope::Mail(text) => {
                    write!(f, "{text}")
                }
            },
        }
    }
}

/// What two scopes both allow, in the words of the narrower.
fn shared(one: &Scope, other: &Scope) -> Option<Scope> {
    let named = |one: &Pattern, other: &Pattern| {
        let covers = |one: &Pattern, other: &Pattern| one.whole() == Some("*") || one.covers(other);
        if covers(one, other) {
            return Some(other.clone());
        }
        (covers(other, one) || one.meets(other)).then(|| one.clone())
    };
    match (one, other) {
        (Scope::Http(one), Scope::Http(other)) => one.shared(other).map(Scope::Http),
        (Scope::File(one), Scope::File(other)) => one.shared(other).map(Scope::File),
        (Scope::Command(one), Scope::Command(other)) => one.shared(other).map(Scope::Command),
        (Scope::Lock(one), Scope::Lock(other)) => named(one, other).map(Scope::Lock),
        (Scope::Secret(one), Scope::Secret(other)) => named(one, other).map(Scope::Secret),
        (Scope::Mail(one), Scope::Mail(other)) => {
            let same = match (one.whole(), other.whole()) {
                (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
                _ => false,
            };
            match same {
                true => Some(Scope::Mail(one.clone())),
                false => named(one, other).map(Scope::Mail),
            }
        }
        (Scope::Socket(one), Scope::Socket(other)) => {
            let endpoint = other.whole().and_then(|text| text.parse().ok());
            match endpoint {
                Some(endpoint) if socket(one, &endpoint) => Some(Scope::Socket(other.clone())),
                _ => named(one, other).map(Scope::Socket),
            }
        }
        _ => None,
    }
}
