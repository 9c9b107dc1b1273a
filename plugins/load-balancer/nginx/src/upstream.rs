//! The file: its header, which says what was asked for, and the upstream that nginx reads.
//!
//! ```text
//! # Written by the deployment; changes by hand are refused.
//! # state: 9f86d081884c7d65 [{"target":"web01","percent":10.0,"admission":"ready"},…]
//! upstream shop {
//!     server 10.0.1.11:8080 weight=100; # web01
//!     server 10.0.1.12:8080 down; # web02, draining
//! }
//! ```

use std::fmt;

use runtime_sdk::{prelude::*, weights};

use crate::Nginx;

const FIRST: &str = "# Written by the deployment; changes by hand are refused.";
const STATE: &str = "# state: ";

/// What the header says of one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    target: String,
    percent: f64,
    admission: String,
}

/// The file to be written.
pub(crate) struct Upstream {
    known: Vec<Known>,
    body: String,
}

impl Upstream {
    pub(crate) fn new(nginx: &Nginx, desired: &Desired) -> Result<Self> {
        if let Some(route) = desired.routes.first() {
            return Err(Failure::invalid(format!(
                "route `{}` was asked for; this plugin has shares only",
                route.name
            )));
        }
        let members = || desired.pools.iter().flat_map(|pool| &pool.members);
        if members().next().is_none() {
            return Err(Failure::invalid(
                "nginx refuses an upstream without servers",
            ));
        }
        let percents = weights::member_percents(&desired.pools);
        let weights = weights::weights(&percents, nginx.weights);
        let mut body = format!("upstream {} {{\n", nginx.upstream);
        for directive in &nginx.directives {
            body += &format!("    {directive};\n");
        }
        let mut known = Vec::new();
        for ((member, percent), weight) in members().zip(&percents).zip(weights) {
            // A weight of 0 is refused by nginx.
            let weight = if weight == 0 {
                "down".into()
            } else {
                format!("weight={weight}")
            };
            let mut server = format!("server {} {weight}", member.target.address()?);
            for parameter in &nginx.parameters {
                server += &format!(" {parameter}");
            }
            let name = &member.target.name;
            let note = if member.admission == "ready" {
                ""
            } else {
                &format!(", {}", member.admission)
            };
            body += &format!("    {server}; # {name}{note}\n");
            known.push(Known {
                target: name.clone(),
                percent: *percent,
                admission: member.admission.clone(),
            });
        }
        body += "}\n";
        Ok(Self { known, body })
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = serde_json::to_string(&self.known).map_err(|_| fmt::Error)?;
        let digest = digest(&known, &self.body);
        write!(f, "{FIRST}\n{STATE}{digest} {known}\n{}", self.body)
    }
}

/// What a file says.
pub(crate) struct State<'a> {
    text: &'a str,
    /// The revision, and what the header says, where the file is as it was written.
    known: Option<(&'a str, Vec<Known>)>,
}

impl<'a> State<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self {
            text,
            known: known(text),
        }
    }

    /// Whether this driver wrote it, and nobody changed it since.
    pub(crate) fn is_ours(&self) -> bool {
        self.known.is_some()
    }

    pub(crate) fn revision(&self) -> Option<String> {
        self.known
            .as_ref()
            .map(|(revision, _)| (*revision).to_owned())
    }
}

fn known(text: &str) -> Option<(&str, Vec<Known>)> {
    let rest = text
        .strip_prefix(FIRST)?
        .strip_prefix('\n')?
        .strip_prefix(STATE)?;
    let (state, body) = rest.split_once('\n')?;
    let (revision, known) = state.split_once(' ')?;
    if digest(known, body) != revision {
        return None;
    }
    Some((revision, serde_json::from_str(known).ok()?))
}

/// FNV-1a. It tells a changed file from an unchanged one, and guards against nothing else.
fn digest(known: &str, body: &str) -> String {
    let hash = known
        .bytes()
        .chain(body.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    format!("{hash:016x}")
}

/// What is read where there is no file.
pub(crate) fn nothing() -> Reading {
    Reading {
        members: Vec::new(),
        routes: Vec::new(),
        revision: None,
        details: "{}".into(),
    }
}

/// What the file says of these targets: by its header, or, where somebody else wrote it, by its
/// servers.
pub(crate) fn reading(text: &str, targets: &[Target]) -> Reading {
    let state = State::of(text);
    let members = match &state.known {
        // Also members that are no targets any more.
        Some((_, known)) => known
            .iter()
            .map(|known| member(&known.target, known.percent, &known.admission))
            .collect(),
        None => by_servers(state.text, targets),
    };
    let mut details = json!({ "ours": state.is_ours() });
    if let Some((_, known)) = &state.known {
        let is_target = |known: &&Known| targets.iter().any(|target| target.name == known.target);
        let others: Vec<&str> = known
            .iter()
            .filter(|known| !is_target(known))
            .map(|known| known.target.as_str())
            .collect();
        if !others.is_empty() {
            details["others"] = json!(others);
        }
    }
    Reading {
        members,
        routes: Vec::new(),
        revision: state.revision(),
        details: details.to_string(),
    }
}

fn by_servers(text: &str, targets: &[Target]) -> Vec<MemberState> {
    let servers: Vec<(&str, u32)> = text.lines().filter_map(server).collect();
    let total: u32 = servers.iter().map(|(_, weight)| weight).sum();
    let state = |target: &Target| {
        let address = target.address.as_deref()?;
        let (_, weight) = servers.iter().find(|(server, _)| *server == address)?;
        if *weight == 0 {
            return Some(member(&target.name, 0.0, "out"));
        }
        Some(member(
            &target.name,
            f64::from(*weight) * 100.0 / f64::from(total),
            "ready",
        ))
    };
    targets.iter().filter_map(state).collect()
}

/// A server's address and weight, 0 where it is down.
fn server(line: &str) -> Option<(&str, u32)> {
    let (line, _) = line.trim().strip_prefix("server ")?.split_once(';')?;
    let mut words = line.split_whitespace();
    let address = words.next()?;
    let mut weight = 1;
    for word in words {
        if word == "down" {
            return Some((address, 0));
        }
        if let Some(number) = word.strip_prefix("weight=") {
            weight = number.parse().ok()?;
        }
    }
    Some((address, weight))
}

fn member(name: &str, percent: f64, admission: &str) -> MemberState {
    MemberState {
        target: name.to_owned(),
        percent,
        admission: admission.to_owned(),
        up: None,
        active: None,
    }
}
