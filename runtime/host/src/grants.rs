//! What a plugin may do. A call is allowed when the manifest asked for it and the operator granted
//! it: by writing it in the plugin's settings, in `[plugins.NAME] grants`, or by using a plugin that
//! comes with the program. Nothing written means nothing allowed.

mod command;
mod file;
mod form;
mod granted;
mod origin;
mod pattern;
mod template;

use std::{collections::BTreeMap, fmt};

use engine::{Code, Failure};
use machines::{Endpoint, Place};
use serde_json::json;

use crate::plugin::Request;
use pattern::Pattern;

pub(crate) use command::{CommandScope, is_loader_variable};
pub(crate) use file::{CleanPath, FileScope};
pub use form::misshapen;
pub use granted::Granted;
pub(crate) use origin::{Destination, Origin, OriginScope, is_inside, is_localhost};
pub(crate) use template::Names;
pub use template::expanded;

/// Something that a plugin wants to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'a> {
    Http {
        method: &'a str,
        origin: &'a Origin,
    },
    File {
        write: bool,
        path: &'a CleanPath,
    },
    Command {
        program: &'a str,
        arguments: &'a [String],
    },
    Lock(&'a str),
    Socket(&'a Endpoint),
    Secret(&'a str),
    Mail(&'a str),
    /// To put a note down. Nobody needs to be granted that; but it is no reading.
    Note(&'a str),
}

/// A call that was not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    plugin: String,
    capability: &'static str,
    scope: String,
    reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    NotAsked,
    NotGranted,
    Reading,
}

/// What one plugin may do in one call.
#[derive(Clone, Debug)]
pub(crate) struct Grants {
    plugin: String,
    reading: bool,
    asked: Vec<Scope>,
    granted: Vec<Scope>,
}

#[derive(Clone, Debug)]
enum Scope {
    Http(OriginScope),
    File(FileScope),
    Command(CommandScope),
    Socket(Pattern),
    Lock(Pattern),
    Secret(Pattern),
    Mail(Pattern),
}

impl Grants {
    /// Works out what a plugin may do: `written` is what the configuration says under `grants`.
    /// Where `reading` is set, only requests count whose purpose is `read`.
    pub(crate) fn new(
        plugin: &crate::Plugin,
        written: &BTreeMap<String, Vec<String>>,
        names: &Names<'_>,
        reading: bool,
    ) -> Self {
        let (mut asked, mut granted) = (Vec::new(), Vec::new());
        for request in &plugin.description().requests {
            if reading && request.purpose != "read" {
                continue;
            }
            let scopes = scopes(&request.capability, &request.scope, names);
            if plugin.bundled() {
                granted.extend(scopes.iter().cloned());
            } else if is_operators(request) {
                let names = names.without_defaults();
                granted.extend(self::scopes(&request.capability, &request.scope, &names));
            }
            asked.extend(scopes);
        }
        for (capability, each) in written {
            for scope in each {
                granted.extend(scopes(capability, scope, &names.without_settings()));
            }
        }
        Self {
            plugin: plugin.name().to_owned(),
            reading,
            asked,
            granted,
        }
    }

    /// Fails unless it is both asked for and granted; where only reading is allowed, also what
    /// changes something whatever its purpose is said to be.
    pub(crate) fn check(&self, wanted: &Wanted<'_>) -> Result<(), Denied> {
        let denied = |reason| Denied {
            plugin: self.plugin.clone(),
            capability: wanted.capability(),
            scope: wanted.scope(),
            reason,
        };
        if self.reading && wanted.changes() {
            return Err(denied(Reason::Reading));
        }
        if matches!(wanted, Wanted::Note(_)) {
            return Ok(());
        }
        if !self.asked.iter().any(|scope| scope.covers(wanted)) {
            let reason = if self.reading {
                Reason::Reading
            } else {
                Reason::NotAsked
            };
            return Err(denied(reason));
        }
        if !self.granted.iter().any(|scope| scope.covers(wanted)) {
            return Err(denied(Reason::NotGranted));
        }
        Ok(())
    }

    /// The path, and the widest root that covers it: the plugin may follow links anywhere below.
    pub(crate) fn place(&self, path: &CleanPath, write: bool) -> Result<Place, Denied> {
        self.check(&Wanted::File { write, path })?;
        let widest = |scopes: &[Scope]| {
            let lengths = scopes.iter().filter_map(|scope| match scope {
                Scope::File(scope) => scope.covers(path, write),
                _ => None,
            });
            lengths.min().unwrap_or(usize::MAX)
        };
        // Both hold, so the narrower of the two counts.
        let length = widest(&self.asked).max(widest(&self.granted));
        Ok(path.below(length))
    }
}

/// Whether all of a request is what the operator wrote, and so is granted by having been written.
/// A manifest that puts words of its own around a setting has them granted by nobody.
fn is_operators(request: &Request) -> bool {
    let scope = request.scope.as_str();
    let whole = |text: &str| matches!(template::parts(text).as_slice(), [template::Part::Name(_)]);
    match request.capability.as_str() {
        "commands" => scope.split_whitespace().all(whole),
        "files" => {
            let path = scope.split_once(':').map_or(scope, |(_, path)| path);
            // Below what the operator wrote, or that itself.
            let (first, rest) = path
                .split_once('/')
                .map_or((path, ""), |(first, rest)| (first, rest));
            whole(first) && !rest.contains('{')
        }
        "http" => {
            let origin = scope.split_once("://").map_or(scope, |(_, origin)| origin);
            let origin = origin.strip_prefix("machine:").unwrap_or(origin);
            let origin = origin.trim_matches(['[', ']', '/']);
            match origin.rsplit_once(':') {
                Some((host, port)) => {
                    (whole(host) || host.is_empty()) && (whole(port) || is_number(port))
                }
                None => whole(origin),
            }
        }
        "sockets" => {
            let endpoint = scope
                .split_once(':')
                .map_or(scope, |(_, endpoint)| endpoint);
            match endpoint.rsplit_once(':') {
                Some((host, port)) => whole(host) && (whole(port) || is_number(port)),
                None => whole(endpoint) || whole(scope),
            }
        }
        _ => whole(scope),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a request of a manifest asks for.
fn scopes(capability: &str, scope: &str, names: &Names<'_>) -> Vec<Scope> {
    if capability == "commands" {
        return CommandScope::expand(scope, names)
            .into_iter()
            .map(Scope::Command)
            .collect();
    }
    texts(capability, scope, names)
        .into_iter()
        .filter_map(|text| scope_of(capability, &text))
        .collect()
}

/// The texts that a scope of anything but `commands` stands for.
fn texts(capability: &str, scope: &str, names: &Names<'_>) -> Vec<Pattern> {
    let revealed = Names {
        settings: names.revealed,
        ..*names
    };
    if capability == "http" {
        revealed.texts(scope)
    } else {
        names.texts(scope)
    }
}

fn scope_of(capability: &str, text: &Pattern) -> Option<Scope> {
    Some(match capability {
        "http" => Scope::Http(OriginScope::parse(text.whole()?)?),
        "files" => {
            let (write, path) = text.split_prefix()?;
            Scope::File(FileScope::new(write, &path)?)
        }
        "locks" => Scope::Lock(text.clone()),
        "sockets" => Scope::Socket(text.clone()),
        "secrets" => Scope::Secret(text.clone()),
        "mail" => Scope::Mail(text.clone()),
        _ => return None,
    })
}

impl Scope {
    fn covers(&self, wanted: &Wanted<'_>) -> bool {
        let named = |pattern: &Pattern, name: &str| {
            pattern.whole() == Some("*") || pattern.matches(name, true)
        };
        match (self, wanted) {
            (Self::Http(scope), Wanted::Http { origin, .. }) => scope.covers(origin),
            (Self::File(scope), Wanted::File { write, path }) => {
                scope.covers(path, *write).is_some()
            }
            (Self::Command(scope), Wanted::Command { program, arguments }) => {
                scope.covers(program, arguments)
            }
            (Self::Socket(scope), Wanted::Socket(endpoint)) => socket(scope, endpoint),
            (Self::Lock(scope), Wanted::Lock(name)) => named(scope, name),
            (Self::Secret(scope), Wanted::Secret(name)) => named(scope, name),
            (Self::Mail(scope), Wanted::Mail(recipient)) => match scope.whole() {
                Some("*") => true,
                Some(text) => text.eq_ignore_ascii_case(recipient),
                None => false,
            },
            _ => false,
        }
    }
}

fn socket(scope: &Pattern, endpoint: &Endpoint) -> bool {
    if scope.whole() == Some("*") {
        return true;
    }
    match (scope.whole().map(str::parse::<Endpoint>), endpoint) {
        (
            Some(Ok(Endpoint::Tcp { host, port })),
            Endpoint::Tcp {
                host: wanted_host,
                port: wanted_port,
            },
        ) => host.eq_ignore_ascii_case(wanted_host) && port == *wanted_port,
        (Some(Ok(granted)), wanted) => granted == *wanted,
        // A path with a gap in it.
        (None, Endpoint::Unix(_)) => scope.matches(&endpoint.to_string(), true),
        _ => false,
    }
}

impl Wanted<'_> {
    pub(crate) fn capability(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::File { .. } => "files",
            Self::Command { .. } => "commands",
            Self::Lock(_) => "locks",
            Self::Socket(_) => "sockets",
            Self::Secret(_) => "secrets",
            Self::Mail(_) => "mail",
            Self::Note(_) => "notes",
        }
    }

    /// Whether it changes something by what it is. Of a program and of a socket nobody can tell:
    /// there the purpose that the manifest gives counts.
    fn changes(&self) -> bool {
        match self {
            Self::Http { method, .. } => !matches!(*method, "GET" | "HEAD"),
            Self::File { write, .. } => *write,
            Self::Lock(_) | Self::Mail(_) | Self::Note(_) => true,
            Self::Command { .. } | Self::Socket(_) | Self::Secret(_) => false,
        }
    }

    /// The scope that would allow it.
    fn scope(&self) -> String {
        match self {
            Self::Http { origin, .. } => origin.to_string(),
            Self::File { write, path } => {
                let purpose = if *write { "write" } else { "read" };
                format!("{purpose}:{}", path.whole().display())
            }
            Self::Command { program, arguments } => {
                let mut words = vec![*program];
                words.extend(arguments.iter().map(String::as_str));
                words.join(" ")
            }
            Self::Lock(name) | Self::Secret(name) | Self::Mail(name) | Self::Note(name) => {
                (*name).to_owned()
            }
            Self::Socket(endpoint) => endpoint.to_string(),
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            plugin,
            capability,
            scope,
            reason,
        } = self;
        write!(f, "{capability} `{}` was not granted", scope.escape_debug())?;
        match reason {
            Reason::NotGranted => write!(
                f,
                "; this would allow it: [plugins.{plugin}] grants.{capability} = [{}]",
                json!(scope)
            ),
            Reason::NotAsked => write!(
                f,
                ": the manifest of {plugin} does not ask for it, so that [plugins.{plugin}] \
                 grants.{capability} = [{}] would not allow it either",
                json!(scope)
            ),
            Reason::Reading => write!(
                f,
                ": only what changes nothing is allowed here, and {plugin} asked for more"
            ),
        }
    }
}

impl std::error::Error for Denied {}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        let mut failure = Self::new(Code::Denied, denied.to_string());
        failure.details = json!({ "capability": denied.capability, "scope": denied.scope });
        failure
    }
}

#[cfg(test)]
mod tests;
