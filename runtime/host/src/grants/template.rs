//! The scopes of a manifest's requests with the operator's settings put in.
//!
//! `{name}` in a scope stands for the setting of that name. What stands in a setting may itself be
//! a template, such as `/srv/{target}`: where the call is about a target, it is that one's; where
//! the host cannot tell, a gap.

use serde_json::Value;

use super::{file::FileScope, pattern::Pattern};
use crate::worker::About;

/// What one request may stand for: some for each of a thousand targets, and no more.
const ALTERNATIVES_MAX: usize = 50_000;

/// What the names in templates stand for.
pub(crate) struct Names<'a> {
    /// The settings as the plugin has them.
    pub(crate) settings: &'a Value,
    /// The same with the values of secrets: where a request goes is checked with them put in.
    pub(crate) revealed: &'a Value,
    /// The plugin's schema, for defaults.
    pub(crate) schema: &'a Value,
    /// What the call is about.
    pub(crate) about: &'a About,
    /// The application.
    pub(crate) application: &'a str,
    /// The environment.
    pub(crate) environment: &'a str,
    /// Whether it is about any call there could be, and none in particular: what only a call can
    /// tell is a gap then, where else it is nothing.
    pub(crate) any_call: bool,
}

/// A scope split at its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// What a setting offers in the place of its name.
pub(super) enum Offer {
    /// Any one of these texts.
    Texts(Vec<Pattern>),
    /// Any one of these lists of arguments.
    Lists(Vec<Vec<Pattern>>),
}

/// Splits at `{name}`; a brace that begins no name stands for itself, `{{` for one brace.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut start = 0;
    while let Some(at) = rest[start..].find(['{', '}']).map(|at| at + start) {
        let here = &rest[at..];
        if here.starts_with("{{") || here.starts_with("}}") {
            parts.push(Part::Text(&rest[..=at]));
            rest = &rest[at + 2..];
            start = 0;
        } else if let Some(name) = name_at(here) {
            parts.push(Part::Text(&rest[..at]));
            parts.push(Part::Name(name));
            rest = &rest[at + name.len() + 2..];
            start = 0;
        } else {
            start = at + 1;
        }
    }
    parts.push(Part::Text(rest));
    parts.retain(|part| *part != Part::Text(""));
    parts
}

fn name_at(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('{')?;
    let name = &inner[..inner.find('}')?];
    let fits = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    (fits && name.starts_with(|c: char| c.is_ascii_alphabetic())).then_some(name)
}

impl Names<'_> {
    /// The same for what the operator's settings grant: a default is what the plugin's author
    /// wrote.
    pub(super) fn without_defaults(&self) -> Self {
        Self {
            schema: &Value::Null,
            ..*self
        }
    }

    /// The same for what the operator wrote under `grants`, where templates may stand, but no
    /// settings.
    pub(super) fn without_settings(&self) -> Self {
        Self {
            settings: &Value::Null,
            revealed: &Value::Null,
            ..self.without_defaults()
        }
    }

    /// The texts that a scope stands for; empty where it asks for nothing.
    pub(super) fn texts(&self, scope: &str) -> Vec<Pattern> {
        let mut texts = vec![Pattern::default()];
        for part in parts(scope) {
            let offered = match part {
                Part::Text(text) => vec![Pattern::text(text)],
                Part::Name(name) => match self.offer(name) {
                    Some(Offer::Texts(texts)) => texts,
                    Some(Offer::Lists(lists)) => lists.into_iter().flatten().collect(),
                    None => return Vec::new(),
                },
            };
            if texts.len().saturating_mul(offered.len()) > ALTERNATIVES_MAX {
                return Vec::new();
            }
            texts = texts
                .iter()
                .flat_map(|text| {
                    offered.iter().map(move |more| {
                        let mut text = text.clone();
                        text.append(more);
                        text
                    })
                })
                .collect();
        }
        texts
    }

    /// Every path that stands as a text anywhere in the settings.
    pub(crate) fn written_paths(&self) -> Vec<FileScope> {
        let mut texts = Vec::new();
        collect(self.settings, &mut texts);
        let patterns = texts.into_iter().flat_map(|text| self.expand(text));
        patterns
            .filter_map(|pattern| FileScope::new(false, &pattern))
            .collect()
    }

    /// What stands for a name in a scope.
    pub(super) fn offer(&self, name: &str) -> Option<Offer> {
        if let Some(value) = setting(self.settings, name).or_else(|| default(self.schema, name)) {
            return self.offered(value);
        }
        let texts = match self.known(name) {
            Some(texts) => texts.into_iter().map(Pattern::text).collect(),
            None if self.any_call && is_known(name) => vec![Pattern::gap()],
            None => return None,
        };
        Some(Offer::Texts(texts))
    }

    fn offered(&self, value: &Value) -> Option<Offer> {
        match value {
            Value::Null => None,
            Value::String(text) => Some(Offer::Texts(self.expand(text))),
            Value::Bool(_) | Value::Number(_) => {
                Some(Offer::Texts(vec![Pattern::text(value.to_string())]))
            }
            Value::Array(items) => Some(Offer::Lists(self.lists(items)?)),
            Value::Object(entries) => {
                let mut lists = Vec::new();
                for value in entries.values() {
                    match self.offered(value)? {
                        Offer::Texts(texts) => {
                            lists.extend(texts.into_iter().map(|text| vec![text]))
                        }
                        Offer::Lists(more) => lists.extend(more),
                    }
                }
                Some(Offer::Lists(lists))
            }
        }
    }

    /// A list of texts is one list; each template in it may stand for several texts.
    fn lists(&self, items: &[Value]) -> Option<Vec<Vec<Pattern>>> {
        let mut lists = vec![Vec::new()];
        for item in items {
            let texts = match item {
                Value::String(text) => self.expand(text),
                Value::Bool(_) | Value::Number(_) => vec![Pattern::text(item.to_string())],
                _ => return None,
            };
            if lists.len().saturating_mul(texts.len()) > ALTERNATIVES_MAX {
                return None;
            }
            lists = lists
                .iter()
                .flat_map(|list: &Vec<Pattern>| {
                    texts
                        .iter()
                        .map(move |text| list.iter().cloned().chain([text.clone()]).collect())
                })
                .collect();
        }
        Some(lists)
    }

    /// A setting's text with its templates: one pattern for each target that the call is about.
    fn expand(&self, text: &str) -> Vec<Pattern> {
        let parts = parts(text);
        let each_target = parts.iter().any(|part| {
            matches!(part, Part::Name(name) if *name == "target" || name.starts_with("target."))
        });
        let targets = if each_target {
            self.about.targets.len()
        } else {
            0
        };
        let one = |index: Option<usize>| {
            let mut pattern = Pattern::default();
            for part in &parts {
                match part {
                    Part::Text(text) => pattern.push_text(text),
                    Part::Name(name) => match self.stands_for(name, index) {
                        Stand::Text(text) => pattern.push_text(&text),
                        Stand::Gap => pattern.push_gap(),
                        Stand::Itself => pattern.push_text(&format!("{{{name}}}")),
                    },
                }
            }
            pattern
        };
        match targets {
            0 => vec![one(None)],
            count => (0..count).map(|index| one(Some(index))).collect(),
        }
    }

    /// What a name in a setting stands for.
    fn stands_for(&self, name: &str, target: Option<usize>) -> Stand {
        let known = match target.and_then(|index| self.about.targets.get(index)) {
            Some(target) => of_target(target, name),
            None => None,
        };
        match known.or_else(|| self.fact(name)) {
            Some(text) => Stand::Text(text),
            None if TEMPLATES.contains(&name) => Stand::Gap,
            None => Stand::Itself,
        }
    }

    fn known(&self, name: &str) -> Option<Vec<String>> {
        if let Some(fact) = self.fact(name) {
            return Some(vec![fact]);
        }
        let texts: Vec<String> = self
            .about
            .targets
            .iter()
            .filter_map(|target| of_target(target, name))
            .collect();
        (!texts.is_empty()).then_some(texts)
    }

    fn fact(&self, name: &str) -> Option<String> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let release = self.about.release.as_ref();
        match name {
            "application" => given(self.application),
            "environment" => given(self.environment),
            "release" | "release.id" => release.map(|release| release.id.to_string()),
            "version" | "release.version" => release.map(|release| release.version.clone()),
            "release.digest" => release.map(|release| release.digest.clone()),
            _ => None,
        }
    }
}

/// A setting's text with what it says of a target filled in; other templates stay as they are.
pub fn expanded(text: &str, target: &engine::Target) -> String {
    let part = |part| match part {
        Part::Text(text) => text.to_owned(),
        Part::Name(name) => of_target(target, name).unwrap_or_else(|| format!("{{{name}}}")),
    };
    parts(text).into_iter().map(part).collect()
}

enum Stand {
    Text(String),
    Gap,
    Itself,
}

/// Every name that a plugin may expand in its settings (the SDK's templates).
const TEMPLATES: [&str; 22] = [
    "target",
    "target.name",
    "target.group",
    "target.address",
    "target.host",
    "target.port",
    "targets",
    "release",
    "release.id",
    "release.version",
    "release.digest",
    "version",
    "application",
    "environment",
    "deployment",
    "strategy",
    "point",
    "purpose",
    "previous",
    "previous.id",
    "previous.version",
    "group",
];

/// Whether the name is one that the host itself puts something in for.
pub(super) fn is_known(name: &str) -> bool {
    TEMPLATES.contains(&name)
}

fn collect<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(entries) => entries.values().for_each(|value| collect(value, texts)),
        _ => {}
    }
}

fn of_target(target: &engine::Target, name: &str) -> Option<String> {
    let split = || {
        target
            .address
            .as_deref()
            .and_then(|address| address.rsplit_once(':'))
    };
    match name {
        "target" | "target.name" => Some(target.name.to_string()),
        "target.group" => Some(target.group.to_string()),
        "target.address" => target.address.clone(),
        "target.host" => {
            split().map_or_else(|| target.address.clone(), |(host, _)| Some(host.to_owned()))
        }
        "target.port" => split().map(|(_, port)| port.to_owned()),
        _ => None,
    }
}

/// The setting of that name; a dot goes into a table.
fn setting<'a>(settings: &'a Value, name: &str) -> Option<&'a Value> {
    settings.get(name).or_else(|| {
        let (table, rest) = name.split_once('.')?;
        setting(settings.get(table)?, rest)
    })
}

fn default<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let properties = schema.get("properties")?;
    let property = properties.get(name).or_else(|| {
        let (table, rest) = name.split_once('.')?;
        properties.get(table)?.get("properties")?.get(rest)
    })?;
    property.get("default")
}
