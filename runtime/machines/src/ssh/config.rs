//! How to reach a machine, once what the operator says and the user's SSH configuration are put
//! together. Connects to nothing.

use std::{
    fs,
    io::BufReader,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use ssh2_config::{ParseRule, SshConfig};

use super::SshSpec;
use crate::{
    error::{ErrorKind, MachineError},
    local::start_program,
};

/// From the first packet to the end of the authentication.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often an idle connection is tried; three unanswered times, and it is lost.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// More hosts in a row than anyone goes through; a configuration that has a circle has more.
const JUMPS_MAX: usize = 8;

/// What to do with the key of a host that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    Refuse,
    Keep,
}

/// One host on the way.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    /// As the operator writes it.
    pub(super) alias: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    /// Keys that were named, in their order.
    pub(super) identities: Vec<PathBuf>,
    /// Keys that are tried because everyone has them there.
    pub(super) default_identities: Vec<PathBuf>,
    pub(super) identities_only: bool,
    pub(super) agent: Option<PathBuf>,
    pub(super) known_hosts: Vec<PathBuf>,
    /// The name under which its key is kept, where that is another one.
    pub(super) key_alias: Option<String>,
    pub(super) unknown: Unknown,
    pub(super) keepalive: Duration,
}

/// All of the way: the last hop is the machine.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) hops: Vec<Hop>,
    /// A program that stands in for the network to the first hop.
    pub(super) proxy_command: Option<String>,
    pub(super) timeout: Duration,
}

/// Options of one host as the SSH configuration has them; names in lower case.
struct Options(Vec<(String, Vec<String>)>);

impl Options {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(key, _)| key == name);
        named.flat_map(|(_, values)| values.iter().map(String::as_str))
    }

    fn line(&self, name: &str) -> Option<String> {
        let (_, values) = self.0.iter().find(|(key, _)| key == name)?;
        let line = values.join(" ");
        (!line.is_empty() && !line.eq_ignore_ascii_case("none")).then_some(line)
    }

    fn seconds(&self, name: &str) -> Option<Duration> {
        self.line(name)?
            .parse()
            .ok()
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs)
    }
}

/// Puts everything together.
pub(super) fn route(spec: &SshSpec) -> Result<Route, MachineError> {
    let source = Source::open(spec)?;
    let (user, host, port) = split(&spec.destination)?;
    let options = source.options(&host)?;
    let timeout = spec
        .connect_timeout
        .or_else(|| options.seconds("connecttimeout"));
    let jump = spec.jump.clone().or_else(|| options.line("proxyjump"));
    let proxy_command = if jump.is_some() {
        None
    } else {
        options.line("proxycommand")
    };
    let last = hop(spec, &host, user, port, &options)?;
    let mut proxy_command = proxy_command.map(|command| expand(&command, &last));
    let mut hops = vec![last];
    let mut next = jump;
    while let Some(jumps) = next.take() {
        let mut before = Vec::new();
        for (index, one) in jumps.split(',').map(str::trim).enumerate() {
            let (user, host, port) = split(one)?;
            let options = source.options(&host)?;
            // Only the first of them may be behind something itself.
            let hop = hop(spec, &host, user, port, &options)?;
            if index == 0 {
                next = options.line("proxyjump");
                if next.is_none() {
                    proxy_command = options.line("proxycommand").map(|text| expand(&text, &hop));
                }
            }
            before.push(hop);
        }
        hops.splice(0..0, before);
        if hops.len() > JUMPS_MAX {
            return Err(invalid(format!(
                "more than {JUMPS_MAX} jumps to {}",
                spec.destination
            )));
        }
    }
    Ok(Route {
        hops,
        proxy_command,
        timeout: timeout.unwrap_or(CONNECT_TIMEOUT),
    })
}

#[expect(
    clippy::too_many_lines,
    reason = "one key of the SSH configuration after the other, with no thread between them"
)]
fn hop(
    spec: &SshSpec,
    alias: &str,
    user: Option<String>,
    port: Option<u16>,
    options: &Options,
) -> Result<Hop, MachineError> {
    let port = match port {
        Some(port) => port,
        None => match options.line("port") {
            Some(text) => text
                .parse()
                .map_err(|_| invalid(format!("`{text}` is no port")))?,
            None => 22,
        },
    };
    let host = options
        .line("hostname")
        .map(|name| name.replace("%h", alias));
    let user = user.or_else(|| options.line("user"));
    let strict = options
        .line("stricthostkeychecking")
        .unwrap_or_default()
        .to_lowercase();
    let keep = spec.accept_new || matches!(strict.as_str(), "accept-new" | "no" | "off");
    let mut hop = Hop {
        alias: alias.to_owned(),
        host: host.unwrap_or_else(|| alias.to_owned()),
        port,
        user: user.unwrap_or_else(whoami),
        identities: Vec::new(),
        default_identities: Vec::new(),
        identities_only: options
            .line("identitiesonly")
            .is_some_and(|text| text == "yes"),
        agent: None,
        known_hosts: Vec::new(),
        key_alias: options.line("hostkeyalias"),
        unknown: if keep { Unknown::Keep } else { Unknown::Refuse },
        keepalive: options.seconds("serveraliveinterval").unwrap_or(KEEPALIVE),
    };
    let agent = options
        .line("identityagent")
        .filter(|text| text != "SSH_AUTH_SOCK");
    hop.agent = match agent {
        Some(text) => Some(path(&text, &hop)),
        None => std::env::var_os("SSH_AUTH_SOCK")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from),
    };
    let named = options
        .all("identityfile")
        .filter(|text| !text.eq_ignore_ascii_case("none"));
    hop.identities = spec
        .identity_files
        .iter()
        .cloned()
        .chain(named.map(|text| path(text, &hop)))
        .collect();
    if hop.identities.is_empty() {
        let names = ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"];
        hop.default_identities = names.iter().map(|text| path(text, &hop)).collect();
    }
    hop.known_hosts = match &spec.known_hosts {
        Some(path) => vec![path.clone()],
        None => options
            .all("userknownhostsfile")
            .map(|text| path(text, &hop))
            .collect(),
    };
    if hop.known_hosts.is_empty() {
        let names = [
            "~/.ssh/known_hosts",
            "~/.ssh/known_hosts2",
            "/etc/ssh/ssh_known_hosts",
        ];
        hop.known_hosts = names.iter().map(|text| path(text, &hop)).collect();
    }
    Ok(hop)
}

/// `user@host:port`, as far as it is there; an IPv6 address with a port is in brackets.
fn split(destination: &str) -> Result<(Option<String>, String, Option<u16>), MachineError> {
    let wrong = || invalid(format!("`{destination}` is not `user@host:port`"));
    let rest = destination.strip_prefix("ssh://").unwrap_or(destination);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user.to_owned()), rest),
        None => (None, rest),
    };
    let (host, port) = match rest.strip_prefix('[') {
        Some(inner) => {
            let (host, after) = inner.split_once(']').ok_or_else(wrong)?;
            (host, after.strip_prefix(':'))
        }
        None => match rest.split_once(':') {
            Some((_, more)) if more.contains(':') => (rest, None),
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    let port = port
        .map(|text| text.parse().map_err(|_| wrong()))
        .transpose()?;
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '/';
    if host.is_empty()
        || host.starts_with('-')
        || !host.chars().all(plain)
        || user.as_deref() == Some("")
    {
        return Err(wrong());
    }
    Ok((user, host.to_owned(), port))
}

/// The configuration's file, read once.
struct Source {
    path: PathBuf,
    config: Option<SshConfig>,
    /// It has `Match` blocks, which only `ssh` itself understands.
    matches: bool,
}

impl Source {
    fn open(spec: &SshSpec) -> Result<Self, MachineError> {
        let default = || home().join(".ssh/config");
        let path = spec.config_file.clone().unwrap_or_else(default);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound && spec.config_file.is_none() =>
            {
                return Ok(Self {
                    path,
                    config: None,
                    matches: false,
                });
            }
            Err(error) => {
                return Err(invalid(format!(
                    "could not read {}: {error}",
                    path.display()
                )));
            }
        };
        let rules = ParseRule::ALLOW_UNKNOWN_FIELDS | ParseRule::ALLOW_UNSUPPORTED_FIELDS;
        let config = SshConfig::default()
            .home_dir(home())
            .parse(&mut BufReader::new(text.as_slice()), rules)
            .map_err(|error| {
                invalid(format!("could not understand {}: {error}", path.display()))
            })?;
        let is_match = |name: &String| name.eq_ignore_ascii_case("match");
        let matches = config
            .get_hosts()
            .iter()
            .any(|host| host.params.ignored_fields.keys().any(is_match));
        Ok(Self {
            path,
            config: Some(config),
            matches,
        })
    }

    fn options(&self, alias: &str) -> Result<Options, MachineError> {
        if self.matches {
            return self.ask(alias);
        }
        let mut options = Vec::new();
        let hosts = self
            .config
            .iter()
            .flat_map(|config| config.intersecting_hosts(alias));
        for host in hosts {
            let params = &host.params;
            let mut one = |name: &str, value: Option<String>| {
                options.extend(value.map(|value| (name.to_owned(), vec![value])));
            };
            one("hostname", params.host_name.clone());
            one("user", params.user.clone());
            one("port", params.port.map(|port| port.to_string()));
            one(
                "proxyjump",
                params.proxy_jump.as_ref().map(|jumps| jumps.join(",")),
            );
            let seconds = |value: Option<Duration>| value.map(|value| value.as_secs().to_string());
            one("connecttimeout", seconds(params.connect_timeout));
            one("serveraliveinterval", seconds(params.server_alive_interval));
            for file in params.identity_file.iter().flatten() {
                one("identityfile", Some(file.to_string_lossy().into_owned()));
            }
            let others = &params.unsupported_fields;
            options.extend(
                others
                    .iter()
                    .map(|(name, values)| (name.clone(), values.clone())),
            );
        }
        Ok(Options(options))
    }

    /// What `ssh` would do.
    fn ask(&self, alias: &str) -> Result<Options, MachineError> {
        let wrong = |why: String| {
            invalid(format!(
                "{} has `Match` blocks, which `ssh -G {alias}` must explain: {why}",
                self.path.display()
            ))
        };
        let mut ssh = std::process::Command::new("ssh");
        ssh.arg("-F").arg(&self.path).args(["-G", "--", alias]);
        ssh.stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let said = start_program(|| ssh.spawn()).and_then(Child::wait_with_output);
        let said = said.map_err(|error| wrong(error.to_string()))?;
        if !said.status.success() {
            return Err(wrong(
                String::from_utf8_lossy(&said.stderr).trim().to_owned(),
            ));
        }
        let said = String::from_utf8_lossy(&said.stdout);
        let options = said
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, value)| {
                let whole = matches!(name, "proxycommand" | "identityfile");
                let values = if whole {
                    vec![value]
                } else {
                    value.split(' ').collect()
                };
                (
                    name.to_owned(),
                    values.into_iter().map(str::to_owned).collect(),
                )
            });
        Ok(Options(options.collect()))
    }
}

fn path(text: &str, hop: &Hop) -> PathBuf {
    let text = expand(text.trim_matches('"'), hop);
    match text.strip_prefix("~/") {
        Some(rest) => home().join(rest),
        None => PathBuf::from(text),
    }
}

/// Puts in what the configuration's `%` stand for.
fn expand(text: &str, hop: &Hop) -> String {
    let mut expanded = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            expanded.push(c);
            continue;
        }
        match rest.next() {
            Some('h') => expanded.push_str(&hop.host),
            Some('n') => expanded.push_str(&hop.alias),
            Some('p') => expanded.push_str(&hop.port.to_string()),
            Some('r') => expanded.push_str(&hop.user),
            Some('u') => expanded.push_str(&whoami()),
            Some('d') => expanded.push_str(&home().to_string_lossy()),
            Some('%') => expanded.push('%'),
            Some(other) => expanded.extend(['%', other]),
            None => expanded.push('%'),
        }
    }
    expanded
}

fn home() -> PathBuf {
    std::env::home_dir().unwrap_or_else(|| Path::new("/").to_owned())
}

fn whoami() -> String {
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    named("USER")
        .or_else(|| named("LOGNAME"))
        .unwrap_or_else(|| "root".to_owned())
}

fn invalid(text: String) -> MachineError {
    MachineError::new(ErrorKind::Invalid, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(config: &str, destination: &str) -> Route {
        let dir = tempfile::tempdir().unwrap();
        let config_file = dir.path().join("config");
        fs::write(&config_file, config).unwrap();
        let destination = destination.to_owned();
        route(&SshSpec {
            destination,
            config_file: Some(config_file),
            ..SshSpec::default()
        })
        .unwrap()
    }

    #[test]
    fn destinations_are_split() {
        let cases = [
            ("web", (None, "web", None)),
            ("me@web:2222", (Some("me"), "web", Some(2222))),
            ("ssh://me@web:22/", (Some("me"), "web", Some(22))),
            ("[::1]:22", (None, "::1", Some(22))),
            ("fe80::1", (None, "fe80::1", None)),
        ];
        for (text, (user, host, port)) in cases {
            let expected = (user.map(str::to_owned), host.to_owned(), port);
            assert_eq!(split(text).unwrap(), expected, "{text}");
        }
        for text in ["", "me@", "web:x", "-oProxyCommand=x", "a b", "@web"] {
            assert!(split(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_configuration_is_honoured() {
        let route = routed(
            "Host web\n HostName %h.example\n User deploy\n Port 2022\n IdentityFile ~/.ssh/key\n \
             IdentitiesOnly yes\n UserKnownHostsFile /a /b\n StrictHostKeyChecking accept-new\n \
             ConnectTimeout 3\n ServerAliveInterval 7\nHost *\n User other\n",
            "web",
        );
        let hop = &route.hops[0];
        assert_eq!(
            (hop.host.as_str(), hop.user.as_str(), hop.port),
            ("web.example", "deploy", 2022)
        );
        assert!(hop.identities_only && hop.identities[0].ends_with(".ssh/key"));
        assert_eq!(hop.known_hosts, [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(
            (hop.unknown, hop.keepalive),
            (Unknown::Keep, Duration::from_secs(7))
        );
        assert_eq!(route.timeout, Duration::from_secs(3));
    }

    #[test]
    fn jumps_come_in_their_order() {
        let config = "Host web\n ProxyJump two,me@three:33\nHost two\n ProxyJump one\n HostName 2\n\
                      Host one\n ProxyCommand nc %h %p\n";
        let route = routed(config, "web");
        let hosts: Vec<&str> = route.hops.iter().map(|hop| hop.host.as_str()).collect();
        assert_eq!(hosts, ["one", "2", "three", "web"]);
        assert_eq!(
            (route.hops[2].user.as_str(), route.hops[2].port),
            ("me", 33)
        );
        assert_eq!(route.proxy_command.as_deref(), Some("nc one 22"));
    }

    #[test]
    fn a_circle_of_jumps_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let config_file = dir.path().join("config");
        fs::write(&config_file, "Host a\n ProxyJump b\nHost b\n ProxyJump a\n").unwrap();
        let spec = SshSpec {
            destination: "a".into(),
            config_file: Some(config_file),
            ..SshSpec::default()
        };
        assert!(route(&spec).unwrap_err().message.contains("jumps"));
    }
}
