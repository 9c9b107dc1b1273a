//! What was tried, and how it went.

use std::fmt::Display;

use host::Plugin;
use serde::Serialize;
use serde_json::Value;

/// How one case went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict", content = "because")]
pub enum Verdict {
    /// As it must.
    Passed,
    /// Not as it must: every reason, each a sentence.
    Failed(Vec<String>),
    /// It could not be tried, and why.
    Skipped(String),
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Case {
    /// What it is about: `manifest`, `settings`, `repeated`, `hostile`, `rehearsal`, `live`.
    pub group: String,
    /// What must hold, as a sentence without its full stop.
    pub name: String,
    /// How it went.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// All that was tried with a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// What the plugin is called.
    pub plugin: String,
    /// Its kind.
    pub kind: String,
    /// Its version.
    pub version: String,
    /// The digest of its component.
    pub digest: String,
    /// The settings that it was tested with; none where it wants some that nobody gave.
    pub settings: Option<Value>,
    /// In the order in which they were tried.
    pub cases: Vec<Case>,
}

impl Report {
    /// Whether nothing failed.
    pub fn passed(&self) -> bool {
        self.failed() == 0
    }

    /// How many cases failed.
    pub fn failed(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Failed(_)))
    }

    /// How many could not be tried.
    pub fn skipped(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Skipped(_)))
    }

    fn count(&self, counts: impl Fn(&Verdict) -> bool) -> usize {
        let cases = self.cases.iter();
        cases.filter(|case| counts(&case.verdict)).count()
    }
}

/// Cases as they are tried.
#[derive(Debug, Default)]
pub(crate) struct Cases(Vec<Case>);

impl Cases {
    /// One that went wrong for these reasons, or well where there are none.
    pub(crate) fn tried(&mut self, group: &str, name: impl Display, wrong: Vec<String>) {
        let verdict = match wrong.is_empty() {
            true => Verdict::Passed,
            false => Verdict::Failed(wrong),
        };
        self.add(group, name, verdict);
    }

    /// One that could not be tried.
    pub(crate) fn skipped(&mut self, group: &str, name: impl Display, why: impl Into<String>) {
        self.add(group, name, Verdict::Skipped(why.into()));
    }

    /// All of them.
    pub(crate) fn all(self) -> Vec<Case> {
        self.0
    }

    /// The report of a plugin.
    pub(crate) fn report(self, plugin: &Plugin, settings: Option<Value>) -> Report {
        Report {
            plugin: plugin.name().to_owned(),
            kind: plugin.kind().as_str().to_owned(),
            version: plugin.version().to_owned(),
            digest: plugin.digest().to_owned(),
            settings,
            cases: self.0,
        }
    }

    fn add(&mut self, group: &str, name: impl Display, verdict: Verdict) {
        self.0.push(Case {
            group: group.to_owned(),
            name: name.to_string(),
            verdict,
        });
    }
}
