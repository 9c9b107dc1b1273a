//! What clients saw: how many requests, how many failed and why, and which versions answered
//! when.

use std::{collections::BTreeMap, fmt, ops::Range};

/// A habit of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// GET, each on a connection of its own.
    FreshGet,
    /// POST, each on a connection of its own.
    FreshPost,
    /// GET over a connection that is kept.
    KeptGet,
    /// POST over a connection that is kept.
    KeptPost,
    /// GET over a kept connection, tried again where that was closed.
    RetryingGet,
    /// GET that takes a while.
    SlowGet,
    /// A message over a WebSocket.
    Socket,
}

impl Kind {
    /// Whether it keeps its connection.
    pub(super) fn keeps(self) -> bool {
        matches!(
            self,
            Self::KeptGet | Self::KeptPost | Self::RetryingGet | Self::Socket
        )
    }

    /// Whether it sends a body.
    pub(super) fn posts(self) -> bool {
        matches!(self, Self::FreshPost | Self::KeptPost)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FreshGet => "GET, new connection each",
            Self::FreshPost => "POST, new connection each",
            Self::KeptGet => "GET, kept connection",
            Self::KeptPost => "POST, kept connection",
            Self::RetryingGet => "GET, kept, retrying",
            Self::SlowGet => "GET, slow",
            Self::Socket => "WebSocket messages",
        })
    }
}

/// How one request went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well, by this version.
    Answered(String),
    /// Well, by this version, once a WebSocket that the server had said goodbye on was opened
    /// again.
    Reopened(String),
    /// Not, and why.
    Failed(String),
}

/// One request.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When it began, in milliseconds since 1970.
    pub at_ms: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// By which habit.
    pub kind: Kind,
    /// How it went.
    pub outcome: Outcome,
}

impl Sample {
    fn version(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Answered(version) | Outcome::Reopened(version) => Some(version),
            Outcome::Failed(_) => None,
        }
    }
}

/// Everything that was seen, in the order in which it began.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    samples: Vec<Sample>,
}

impl Counted {
    pub(super) fn of(mut samples: Vec<Sample>) -> Self {
        samples.sort_by_key(|sample| sample.at_ms);
        Self { samples }
    }

    /// How many requests there were.
    pub fn requests(&self) -> usize {
        self.samples.len()
    }

    /// How many were answered well.
    pub fn answered(&self) -> usize {
        self.samples
            .iter()
            .filter(|sample| sample.version().is_some())
            .count()
    }

    /// Those that were not.
    pub fn failures(&self) -> Vec<&Sample> {
        self.samples
            .iter()
            .filter(|sample| sample.version().is_none())
            .collect()
    }

    /// How many of one habit failed.
    pub fn failures_of(&self, kind: Kind) -> usize {
        self.failures()
            .iter()
            .filter(|sample| sample.kind == kind)
            .count()
    }

    /// Only what began in that time, in milliseconds since 1970.
    #[must_use]
    pub fn between(&self, time: Range<u64>) -> Self {
        let samples = self
            .samples
            .iter()
            .filter(|sample| time.contains(&sample.at_ms));
        Self {
            samples: samples.cloned().collect(),
        }
    }

    /// How many requests each version answered. A WebSocket stays where it is, so its messages
    /// say nothing of shares, and are not among them.
    pub fn by_version(&self) -> BTreeMap<&str, usize> {
        let mut versions = BTreeMap::new();
        for sample in self
            .samples
            .iter()
            .filter(|sample| sample.kind != Kind::Socket)
        {
            if let Some(version) = sample.version() {
                *versions.entry(version).or_default() += 1;
            }
        }
        versions
    }

    /// What part of the answers came from that version, in percent.
    pub fn share(&self, version: &str) -> f64 {
        let versions = self.by_version();
        let all: usize = versions.values().sum();
        100.0 * versions.get(version).copied().unwrap_or(0) as f64 / all.max(1) as f64
    }

    /// The versions that answered, each once, in the order in which they first did.
    pub fn versions(&self) -> Vec<&str> {
        let mut versions = Vec::new();
        for version in self.samples.iter().filter_map(Sample::version) {
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
        versions
    }

    /// The longest time, in milliseconds, from a request on a new connection that failed to the
    /// next one that was answered: the downtime as a visitor sees it.
    pub fn downtime_ms(&self) -> u64 {
        let mut down_since = None;
        let mut longest = 0;
        for sample in self
            .samples
            .iter()
            .filter(|sample| sample.kind == Kind::FreshGet)
        {
            match sample.version() {
                None => {
                    down_since.get_or_insert(sample.at_ms);
                }
                Some(_) => {
                    let since = down_since.take().unwrap_or(sample.at_ms);
                    longest = longest.max(sample.at_ms - since);
                }
            }
        }
        longest
    }

    /// How often a WebSocket was opened again because the server said goodbye.
    pub fn reopened(&self) -> usize {
        let reopened = |sample: &&Sample| matches!(sample.outcome, Outcome::Reopened(_));
        self.samples.iter().filter(reopened).count()
    }
}

/// One line a habit, then each kind of failure.
impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: BTreeMap<Kind, (usize, usize)> = BTreeMap::new();
        for sample in &self.samples {
            let (all, failed) = kinds.entry(sample.kind).or_default();
            *all += 1;
            *failed += usize::from(sample.version().is_none());
        }
        for (kind, (all, failed)) in &kinds {
            writeln!(f, "{kind:<26} {all:>7} requests {failed:>5} failed")?;
        }
        write!(f, "{:<26} {:>7} requests", "all", self.requests())?;
        writeln!(f, " {:>5} failed", self.failures().len())?;
        let mut reasons: BTreeMap<(Kind, &str), usize> = BTreeMap::new();
        for sample in &self.samples {
            if let Outcome::Failed(why) = &sample.outcome {
                *reasons.entry((sample.kind, why)).or_default() += 1;
            }
        }
        if self.reopened() > 0 {
            let times = self.reopened();
            writeln!(
                f,
                "  {times} x a WebSocket was opened again after its server's goodbye"
            )?;
        }
        for ((kind, why), count) in reasons {
            writeln!(f, "  {count} x {kind}: {why}")?;
        }
        Ok(())
    }
}
