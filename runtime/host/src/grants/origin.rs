//! Where an HTTP request goes: an origin outside, or a port or socket that the machine sees.
//! Origins are compared after parsing, never as texts.

use std::{fmt, net::IpAddr};

use machines::Endpoint;
use url::{Host, Url};

use super::file::CleanPath;

/// A URL that a request goes to.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) origin: Origin,
    /// What is asked for there. For a machine's endpoint, its host is a stand-in.
    pub(crate) url: Url,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Reached from this process.
    Outside {
        secure: bool,
        host: Host<String>,
        port: u16,
    },
    /// Reached from the machine that the plugin works on.
    Machine { secure: bool, endpoint: Endpoint },
}

/// The name that stands for the machine in a URL.
const MACHINE: &str = "machine";

impl Destination {
    /// Reads a URL; the error completes "the URL".
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (secure, rest) = split_scheme(text)?;
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        let tail = match rest.strip_prefix("machine:[") {
            Some(socket) => {
                let (path, tail) = socket.split_once(']').ok_or("lacks a `]`")?;
                // A relative path starts at the machine's own directory, as everywhere.
                let path = CleanPath::parse(path)
                    .map_err(|what| format!("names a socket whose path {what}"))?;
                return Self::at_machine(secure, Endpoint::Unix(path.whole()), tail);
            }
            None => &rest[authority.len()..],
        };
        if let Some(port) = authority.strip_prefix("machine:") {
            let port = port
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or("names no port")?;
            let endpoint = Endpoint::Tcp {
                host: "127.0.0.1".to_owned(),
                port,
            };
            return Self::at_machine(secure, endpoint, tail);
        }
        let url = Url::parse(text).map_err(|error| format!("makes no sense: {error}"))?;
        let host = url.host().ok_or("names no host")?.to_owned();
        if host == Host::Domain(MACHINE.to_owned()) {
            return Err("names the machine without a port".to_owned());
        }
        let port = url.port_or_known_default().ok_or("names no port")?;
        Ok(Self {
            origin: Origin::Outside { secure, host, port },
            url,
        })
    }

    fn at_machine(secure: bool, endpoint: Endpoint, tail: &str) -> Result<Self, String> {
        if !tail.is_empty() && !tail.starts_with(['/', '?', '#']) {
            return Err("goes on after the socket".to_owned());
        }
        let scheme = if secure { "https" } else { "http" };
        let host = match &endpoint {
            Endpoint::Tcp { port, .. } => format!("localhost:{port}"),
            Endpoint::Unix(_) => "localhost".to_owned(),
        };
        let url = Url::parse(&format!("{scheme}://{host}{tail}"))
            .map_err(|error| format!("makes no sense: {error}"))?;
        Ok(Self {
            origin: Origin::Machine { secure, endpoint },
            url,
        })
    }

    /// Where a redirect leads to.
    pub(crate) fn join(&self, location: &str) -> Result<Self, String> {
        let next = self
            .url
            .join(location)
            .map_err(|error| format!("makes no sense: {error}"))?;
        // Within a machine's endpoint only the path changes; an absolute URL names what this
        // process would reach, and is read as such.
        let absolute = Url::parse(location).is_ok() || location.starts_with("//");
        match &self.origin {
            Origin::Machine { .. } if !absolute => Ok(Self {
                origin: self.origin.clone(),
                url: next,
            }),
            _ => Self::parse(next.as_str()),
        }
    }
}

fn split_scheme(text: &str) -> Result<(bool, &str), String> {
    let (scheme, rest) = text.split_once("://").ok_or("has no scheme")?;
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok((false, rest)),
        "https" => Ok((true, rest)),
        other => Err(format!(
            "has the scheme `{other}`, and only http and https are spoken"
        )),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = |secure: &bool| if *secure { "https" } else { "http" };
        match self {
            Self::Outside { secure, host, port } => {
                write!(f, "{}://{host}", scheme(secure))?;
                let usual = if *secure { 443 } else { 80 };
                if *port == usual {
                    Ok(())
                } else {
                    write!(f, ":{port}")
                }
            }
            Self::Machine {
                secure,
                endpoint: Endpoint::Tcp { port, .. },
            } => {
                write!(f, "{}://{MACHINE}:{port}", scheme(secure))
            }
            Self::Machine {
                secure,
                endpoint: Endpoint::Unix(path),
            } => {
                write!(f, "{}://{MACHINE}:[{}]", scheme(secure), path.display())
            }
        }
    }
}

/// What a scope of `http` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OriginScope {
    /// Any origin but those inside.
    Any,
    /// This one.
    Exactly(Origin),
    /// Every name below this one, by HTTPS.
    Below(String),
}

impl OriginScope {
    /// Reads a scope; none where it is no origin.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        if let Some(parent) = text.strip_prefix("https://*.") {
            let named = Url::parse(&format!("https://{parent}")).ok()?;
            return match named.host()? {
                Host::Domain(name) => Some(Self::Below(name.to_owned())),
                _ => None,
            };
        }
        Destination::parse(text)
            .ok()
            .map(|destination| Self::Exactly(destination.origin))
    }

    /// What both allow: of two of them one is within the other, or they have nothing in common.
    pub(super) fn shared(&self, other: &Self) -> Option<Self> {
        let within = |one: &Self, other: &Self| match one {
            Self::Exactly(origin) => other.covers(origin),
            Self::Below(name) => match other {
                Self::Any => true,
                Self::Below(parent) => name == parent || is_below(name, parent),
                Self::Exactly(_) => false,
            },
            Self::Any => *other == Self::Any,
        };
        if within(self, other) {
            return Some(self.clone());
        }
        within(other, self).then(|| other.clone())
    }

    pub(crate) fn covers(&self, origin: &Origin) -> bool {
        match self {
            Self::Exactly(granted) => granted == origin,
            Self::Any => matches!(origin, Origin::Outside { host, .. } if is_far(host)),
            Self::Below(parent) => match origin {
                Origin::Outside {
                    secure: true,
                    host: Host::Domain(name),
                    port: 443,
                } => is_below(name, parent),
                _ => false,
            },
        }
    }
}

impl fmt::Display for OriginScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exactly(origin) => write!(f, "{origin}"),
            Self::Below(parent) => write!(f, "https://*.{parent}"),
        }
    }
}

fn is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent)
        .is_some_and(|left| left.ends_with('.'))
}

/// Whether a host is one that a general grant may mean: addresses inside are granted one by one.
fn is_far(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => !is_localhost(name),
        Host::Ipv4(address) => !is_inside(IpAddr::V4(*address)),
        Host::Ipv6(address) => !is_inside(IpAddr::V6(*address)),
    }
}

/// Whether a name means this machine by definition.
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

/// Whether an address leads to this machine, its own network segment, or what only the inside of
/// a data centre can see: loopback, link-local and metadata addresses.
pub(crate) fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
                || a == 0
                // Where Alibaba and Oracle keep their metadata.
                || [a, b, c, d] == [100, 100, 100, 200]
                || [a, b, c, d] == [192, 0, 0, 192]
        }
        IpAddr::V6(address) => {
            let segments = address.segments();
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unicast_link_local()
                || address.is_multicast()
                // Where AWS keeps its metadata.
                || segments == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
                || embedded(segments).is_some_and(|inner| is_inside(IpAddr::V4(inner)))
        }
    }
}

/// The IPv4 address inside of an IPv6 one: mapped, compatible, NAT64, 6to4.
fn embedded(segments: [u16; 8]) -> Option<std::net::Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        std::net::Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => Some(of(high, low)),
        [0, 0, 0, 0, 0xffff, 0, high, low] => Some(of(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}
