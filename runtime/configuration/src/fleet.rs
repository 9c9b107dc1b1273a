//! Where the application runs: machines, and the targets on them.

use std::{borrow::Cow, collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::duration::Duration;

/// The name of this machine where a machine is asked for.
pub const HERE: &str = "here";

/// The group of a target that names none.
pub const DEFAULT_GROUP: &str = "default";

/// A machine that is reached over SSH.
///
/// What is not said here is taken from `~/.ssh/config`, and then from SSH's own defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Machine {
    /// Where it is: `host`, `user@host` or `user@host:port`. A host may be an alias of
    /// `~/.ssh/config`; an IPv6 address stands in brackets.
    pub ssh: Destination,
    /// The file with the private key. Without it: the agent's keys, then the usual files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<PathBuf>,
    /// The file that the machine's key is checked against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<PathBuf>,
    /// The machine to go through, as `user@host:port`; several with commas between them.
    #[schemars(extend("format" = "ssh-destinations"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_jump: Option<String>,
    /// How long a connection may take to come up.
    #[schemars(extend("format" = "span-of-time-above-zero"))]
    #[serde(default = "Machine::connect_timeout")]
    pub connect_timeout: Duration,
}

impl Machine {
    const fn connect_timeout() -> Duration {
        // A healthy machine answers within a second or two, also from far away.
        Duration::from_secs(10)
    }
}

/// Where SSH connects to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// Where the text names one.
    pub user: Option<String>,
    /// A name, an address (IPv6 without brackets), or an alias of `~/.ssh/config`.
    pub host: String,
    /// Where the text names one.
    pub port: Option<u16>,
}

/// What is wrong with a text that should be a [`Destination`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an SSH destination: write it like `deploy@10.0.1.11` or `deploy@host:2222`")]
pub struct NotADestination(String);

impl FromStr for Destination {
    type Err = NotADestination;

    fn from_str(text: &str) -> Result<Self, NotADestination> {
        let wrong = || NotADestination(text.into());
        let (user, place) = match text.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, text),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) = bracketed.split_once(']').ok_or_else(wrong)?;
                match port.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if port.is_empty() => (host, None),
                    None => return Err(wrong()),
                }
            }
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = port
            .map(str::parse::<u16>)
            .transpose()
            .map_err(|_| wrong())?;
        // An option (`-o…`) or white space would mean something else to an SSH client.
        let odd = |part: &str| {
            part.is_empty()
                || part.starts_with('-')
                || part.contains(|c: char| c.is_whitespace() || c == '/')
        };
        if odd(host) || user.is_some_and(odd) || port == Some(0) {
            return Err(wrong());
        }
        Ok(Self {
            user: user.map(Into::into),
            host: host.into(),
            port,
        })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl Serialize for Destination {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Destination {
    fn schema_name() -> Cow<'static, str> {
        "Destination".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "ssh-destination" })
    }
}

/// A place where a release runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Target {
    /// Its name; no other target has it.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// Where the application answers on it, as `host:port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "address"))]
    pub address: Option<String>,
    /// The group it belongs to. Strategies send traffic to groups.
    #[serde(default = "Target::group")]
    #[schemars(extend("format" = "name"))]
    pub group: String,
    /// The machine it is on: a name of `[machines]`, or `here`. Without it: the machine with the
    /// target's name, where there is one, else this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// Anything worth knowing about it; plugins see it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Target {
    fn group() -> String {
        DEFAULT_GROUP.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_read_and_shown_again() {
        for (text, user, host, port) in [
            ("web01", None, "web01", None),
            ("deploy@10.0.1.11", Some("deploy"), "10.0.1.11", None),
            ("deploy@host:2222", Some("deploy"), "host", Some(2222)),
            ("[::1]:22", None, "::1", Some(22)),
            ("root@[fe80::1]", Some("root"), "fe80::1", None),
        ] {
            let destination: Destination = text.parse().unwrap();
            let (user, host) = (user.map(String::from), host.to_owned());
            assert_eq!(destination, Destination { user, host, port });
            assert_eq!(destination.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for text in [
            "",
            "@host",
            "user@",
            "host:",
            "host:0",
            "host:70000",
            "-oProxyCommand=x",
            "a b",
            "ssh://host",
            "[::1",
            "::1",
        ] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }
}
