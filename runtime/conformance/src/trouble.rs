//! What can go wrong on the other side of a call, and what a plugin may make of it.

use std::fmt;

/// What a plugin uses, as the audit calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Http,
    Files,
    Commands,
    Sockets,
    Locks,
    Secrets,
    Mail,
}

impl Part {
    /// The capability's name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Files => "files",
            Self::Commands => "commands",
            Self::Sockets => "sockets",
            Self::Locks => "locks",
            Self::Secrets => "secrets",
            Self::Mail => "mail",
        }
    }

    /// All that can go wrong with it.
    pub(crate) fn troubles(self) -> &'static [Trouble] {
        use Trouble::{CutOff, Garbage, Huge, NoHttp, OtherJson, Refused, Silent, Status};
        match self {
            Self::Http => &[
                Refused,
                Silent,
                Status(500),
                Status(503),
                Status(404),
                Status(401),
                NoHttp,
                Garbage,
                OtherJson,
                Huge,
                CutOff,
            ],
            Self::Files => &[Refused, Silent, Garbage, Huge, CutOff],
            Self::Commands => &[Refused, Silent, Status(1), Garbage, OtherJson, Huge, CutOff],
            Self::Sockets => &[Refused, Silent, Garbage, Huge, CutOff],
            Self::Locks | Self::Secrets | Self::Mail => &[Refused],
        }
    }
}

/// What the other side does in place of answering as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It cannot be reached: no connection, no such program, no permission.
    Refused,
    /// It does not answer in time. The plugin hears so at once.
    Silent,
    /// It answers with that status, of HTTP or of a program.
    Status(u16),
    /// It answers with what is no HTTP.
    NoHttp,
    /// It answers well, with bytes that mean nothing.
    Garbage,
    /// It answers well, with JSON of another shape.
    OtherJson,
    /// It answers with more than the host lets through.
    Huge,
    /// It breaks off in the middle.
    CutOff,
}

/// What may come of a call that met trouble.
pub(crate) struct Expected {
    /// Whether the call may end well all the same.
    pub(crate) well: bool,
    /// The failures that fit.
    pub(crate) codes: &'static [&'static str],
}

impl Trouble {
    /// What a plugin may make of it, where its work is nothing but that answer.
    pub(crate) fn expected(self, part: Part) -> Expected {
        let (well, codes): (bool, &'static [&'static str]) = match (part, self) {
            (Part::Files, Self::Refused) => (false, &["denied", "rejected", "unavailable"]),
            (Part::Commands, Self::Refused) => (false, &["missing", "unavailable", "rejected"]),
            (Part::Locks, _) => (false, &["timeout", "conflict", "unavailable"]),
            (Part::Secrets, _) => (false, &["missing", "denied"]),
            (_, Self::Refused) => (false, &["unavailable", "timeout", "unhealthy"]),
            (_, Self::Silent) => (false, &["timeout", "unavailable", "unhealthy"]),
            (Part::Http, Self::Status(404)) => {
                (true, &["missing", "rejected", "unavailable", "unhealthy"])
            }
            (Part::Http, Self::Status(401)) => (false, &["rejected", "unavailable", "unhealthy"]),
            (_, Self::Status(_) | Self::NoHttp) => {
                (false, &["unavailable", "rejected", "unhealthy"])
            }
            (Part::Commands, Self::CutOff) => (false, &["rejected", "unavailable", "unhealthy"]),
            (Part::Http, Self::CutOff) => (false, &["unavailable", "rejected", "unhealthy"]),
            (_, Self::Garbage | Self::OtherJson | Self::Huge | Self::CutOff) => {
                (true, &["rejected", "unavailable", "conflict", "unhealthy"])
            }
        };
        Expected { well, codes }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("cannot be reached"),
            Self::Silent => f.write_str("does not answer"),
            Self::Status(status) => write!(f, "answers with status {status}"),
            Self::NoHttp => f.write_str("does not speak HTTP"),
            Self::Garbage => f.write_str("answers with garbage"),
            Self::OtherJson => f.write_str("answers with JSON of another shape"),
            Self::Huge => f.write_str("answers with too much"),
            Self::CutOff => f.write_str("breaks off in the middle"),
        }
    }
}
