//! The state that operators and drivers ask for: who gets which share of the requests. Also the
//! form it is kept and sent in.

use serde::{Deserialize, Serialize};

mod check;
mod file;

pub use check::Problem;
pub(crate) use file::{BYTES_MAX, StateFile, failed};

/// The version of the form; another one is refused.
pub const VERSION: u32 = 1;

/// Everything that the proxy balances by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// [`VERSION`].
    pub version: u32,
    /// Grows with each change. What a client sends here is not looked at.
    #[serde(default)]
    pub revision: u64,
    /// The groups and their shares; empty where nothing is served yet.
    pub pools: Vec<Pool>,
    /// Requests that go to a group whatever its share. Part of the form; none are served yet.
    #[serde(default)]
    pub routes: Vec<Route>,
}

/// One group and what it gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Its name.
    pub group: String,
    /// Of all requests.
    pub percent: f64,
    /// Who shares it.
    pub members: Vec<Member>,
}

/// One upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The target's name.
    pub target: String,
    /// Where it answers, as `host:port`.
    pub address: String,
    /// Whether it gets requests.
    pub admission: Admission,
}

/// Whether a member gets requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Admission {
    /// It does.
    Ready,
    /// It gets no new ones, and finishes those it has.
    Draining,
    /// It does not.
    Out,
}

/// Requests that go to a group whatever its share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// `header`, `cookie` or `mirror`.
    pub kind: String,
    /// Which requests.
    pub r#match: serde_json::Value,
    /// Where they go.
    pub group: String,
}

/// Why a text is not a state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Not the JSON of a state.
    #[error("not a state: {0}")]
    Form(#[from] serde_json::Error),
    /// Made by a program that knows another form.
    #[error("version {0} of the form; this program knows version {VERSION}")]
    Version(u32),
    /// The form is right, what it says is not.
    #[error(transparent)]
    Content(#[from] Problem),
}

impl State {
    /// Nothing served, nothing changed yet.
    pub fn empty() -> Self {
        Self {
            version: VERSION,
            revision: 0,
            pools: Vec::new(),
            routes: Vec::new(),
        }
    }

    /// Reads and checks a state.
    pub fn parse(text: &[u8]) -> Result<Self, StateError> {
        /// So that a newer form is told apart from a broken one.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(text)?;
        if version != VERSION {
            return Err(StateError::Version(version));
        }
        let state: Self = serde_json::from_slice(text)?;
        state.check()?;
        Ok(state)
    }

    /// Whether both mean the same, whatever their revisions.
    pub fn same_content(&self, other: &Self) -> bool {
        self.pools == other.pools && self.routes == other.routes
    }
}
