//! What people outside say to a running deployment, and what it counts for. Each signal that was
//! heeded stands in the report of the effect that it had a part in, so a record read again tells
//! it again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    effect::Report,
    executor::Interruption,
    failure::{Code, Failure},
};

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "signal")]
pub enum Wish {
    /// Nothing further is begun until somebody says `continue`.
    Pause,
    /// Ends a pause.
    Continue,
    /// Ends the wait or watch under way.
    Promote {
        /// And every one that is left.
        full: bool,
    },
    /// Ends the deployment, and takes it back.
    Abort,
    /// Says yes to the approval that is asked for.
    Approve,
    /// Says no to it.
    Reject,
    /// Tries again to take back a deployment that is stuck. For whoever runs deployments
    /// ([`crate::rollback_open`]): one that is stuck has ended and listens to nobody.
    Retry,
}

/// What somebody said, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// What they want.
    #[serde(flatten)]
    pub wish: Wish,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Who may approve, and how many it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvers {
    /// By name; nobody else counts.
    pub by: BTreeSet<String>,
    /// How many of them.
    pub needed: u32,
}

impl Approvers {
    /// Whether nobody is named: then nothing can be approved.
    pub fn is_empty(&self) -> bool {
        self.by.is_empty()
    }

    /// How a question stands after these signals, the oldest first; none where it is still
    /// open. One refusal is enough to reject, and whoever approves twice counts once. The report
    /// is the executor's answer to [`crate::Effect::Approval`].
    pub fn decision<'a>(&self, said: impl IntoIterator<Item = &'a Signal>) -> Option<Report> {
        let mut report = Report::default();
        let mut heard = BTreeSet::new();
        for signal in said {
            if !self.by.contains(&signal.by) {
                continue;
            }
            match signal.wish {
                Wish::Reject => {
                    report.failure = Some(rejected(signal));
                    report.signals.push(signal.clone());
                    return Some(report);
                }
                Wish::Approve if heard.insert(&signal.by) => report.signals.push(signal.clone()),
                _ => continue,
            }
            if heard.len() >= self.needed() {
                return Some(report);
            }
        }
        None
    }

    /// Whether a report shows as many approvals as it takes.
    pub(crate) fn satisfied(&self, report: &Report) -> bool {
        let approving = report.signals.iter();
        let approving: BTreeSet<&String> = approving
            .filter(|signal| signal.wish == Wish::Approve && self.by.contains(&signal.by))
            .map(|signal| &signal.by)
            .collect();
        approving.len() >= self.needed()
    }

    fn needed(&self) -> usize {
        usize::try_from(self.needed).unwrap_or(usize::MAX).max(1)
    }
}

fn rejected(signal: &Signal) -> Failure {
    let Signal { by, reason, .. } = signal;
    let mut failure = Failure::new(Code::Rejected, format!("{by} rejected it: {reason}"));
    failure.details = json!({ "by": by, "reason": reason });
    failure
}

impl Interruption {
    /// The failure of whatever this ended. An executor gives it for an effect that it cut short,
    /// so that the record tells who wanted it.
    pub fn failure(&self) -> Failure {
        let Self { by, reason } = self;
        let message = format!("{by} asked to stop the deployment: {reason}");
        let mut failure = Failure::new(Code::Interrupted, message);
        failure.details = json!({ "by": by, "reason": reason });
        failure
    }

    /// The interruption that a failure tells of.
    pub(crate) fn told_by(failure: &Failure) -> Option<Self> {
        if failure.code != Code::Interrupted {
            return None;
        }
        let text = |key: &str| Some(failure.details.get(key)?.as_str()?.to_owned());
        Some(Self {
            by: text("by")?,
            reason: text("reason")?,
        })
    }
}
