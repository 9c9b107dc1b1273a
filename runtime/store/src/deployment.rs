//! Deployments as they are kept: what began, what it was pinned to, and how it ended.

use std::{fmt, sync::Arc};

use engine::{Brief, Purpose, Timestamp, Verdict};

use crate::lease::{Owner, Scope};

/// Where a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Nobody works on it yet, or it was handed over: whoever takes it first runs it.
    Queued,
    /// A process works on it and holds its lease.
    Running,
    /// Its process is gone, or lost its lease, before it came to an end.
    CutOff,
    /// Done.
    Succeeded,
    /// Taken back, all of it.
    RolledBack,
    /// Taken back, but not everywhere.
    Stuck,
    /// Failed, and left as it stood.
    Frozen,
    /// Failed before it changed anything.
    Refused,
    /// Given up: nobody goes on with it.
    Abandoned,
}

impl State {
    /// The state as it is written, in the store and for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::CutOff => "cut-off",
            Self::Succeeded => "succeeded",
            Self::RolledBack => "rolled-back",
            Self::Stuck => "stuck",
            Self::Frozen => "frozen",
            Self::Refused => "refused",
            Self::Abandoned => "abandoned",
        }
    }

    /// The state written so; none for a text that this version does not know.
    pub fn parse(text: &str) -> Option<Self> {
        const ALL: [State; 9] = [
            State::Queued,
            State::Running,
            State::CutOff,
            State::Succeeded,
            State::RolledBack,
            State::Stuck,
            State::Frozen,
            State::Refused,
            State::Abandoned,
        ];
        ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// The state that a verdict leaves a deployment in.
    pub fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Succeeded { .. } => Self::Succeeded,
            Verdict::RolledBack { .. } => Self::RolledBack,
            Verdict::Stuck { .. } => Self::Stuck,
            Verdict::Frozen { .. } => Self::Frozen,
            Verdict::Refused { .. } => Self::Refused,
            Verdict::Abandoned { .. } => Self::Abandoned,
            // It is open as it was, and nobody is at it.
            Verdict::Halted { .. } => Self::CutOff,
            Verdict::Left => Self::Queued,
        }
    }

    /// Whether somebody still has to bring it to an end.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Queued | Self::Running | Self::CutOff | Self::Stuck | Self::Frozen
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Bytes that are kept once, however many deployments use them.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob {
    /// `sha256:` and 64 hexadecimal digits. The caller's word for it.
    pub digest: String,
    /// What has that digest.
    pub bytes: Arc<[u8]>,
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.digest, self.bytes.len())
    }
}

/// The very plugin that a deployment began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginPin {
    /// For example `load-balancer`.
    pub kind: String,
    /// The name that `use` names it by.
    pub name: String,
    /// `sha256:` and 64 hexadecimal digits, of the component.
    pub digest: String,
}

/// All that is written down when a deployment begins.
#[derive(Clone, Debug)]
pub struct NewDeployment {
    /// What it is about; its id is the deployment's.
    pub brief: Brief,
    /// The artifact as the configuration named it, version filled in.
    pub artifact: String,
    /// The configuration in its canonical form.
    pub configuration: Blob,
    /// Where the configuration's relative paths start; absolute.
    pub folder: String,
    /// The strategy's component, so that a resume runs the very code that started.
    pub strategy: Blob,
    /// Every plugin in use.
    pub plugins: Vec<PluginPin>,
    /// Who begins it. The deployment and the purpose are filled in from the brief.
    pub owner: Owner,
    /// Begin even where an earlier deployment was cut off; it is then given up.
    pub over_unfinished: bool,
}

/// A deployment, as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// Unique in the store.
    pub id: String,
    /// Where.
    pub scope: Scope,
    /// Forward or back.
    pub purpose: Purpose,
    /// The release's id.
    pub release: String,
    /// The release's version.
    pub version: String,
    /// The strategy's name.
    pub strategy: String,
    /// Who began it.
    pub actor: String,
    /// From which machine.
    pub host: String,
    /// The token of the lease it last ran under.
    pub token: u64,
    /// When it began.
    pub started: Timestamp,
    /// When it ended; none while it is running or cut off.
    pub ended: Option<Timestamp>,
    /// Where it stands.
    pub state: State,
    /// How it ended.
    pub verdict: Option<Verdict>,
    /// Whether it was queued once, for whatever process would take it.
    pub detached: bool,
}

/// What a deployment is pinned to, for whoever goes on with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pinned {
    /// What it is about.
    pub brief: Brief,
    /// The configuration in its canonical form.
    pub configuration: Blob,
    /// Where its relative paths start; none where an older version wrote it down.
    pub folder: Option<String>,
    /// The strategy's component.
    pub strategy: Blob,
    /// Every plugin in use.
    pub plugins: Vec<PluginPin>,
}

/// Which deployments are listed. Answers come newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this application.
    pub application: Option<String>,
    /// Only in this environment.
    pub environment: Option<String>,
    /// Only those that somebody still has to bring to an end ([`State::is_open`]).
    pub open: bool,
    /// Only so many.
    pub limit: Option<u32>,
}
