//! Waiting: for a time, for people, or for both, with an eye on the targets all the while.

use std::{collections::BTreeMap, future::Future};

use engine::{Approvers, Call, Code, Failure, Report, Timestamp};
use serde_json::json;

use crate::{inbox::Look, live::Live};

impl Live {
    /// Waits until the end, or until somebody promotes what waits.
    pub(super) async fn wait(
        &self,
        since: Timestamp,
        until: Option<Timestamp>,
        call: &Call,
    ) -> Report {
        if call.attempt == 1 {
            self.inbox.begin_wait(since);
        }
        let time = self.inbox.until(|said, now| {
            let end = until.and_then(|until| said.end(since, until));
            let mut report = Report::default();
            if let Some(promotion) = said.promotion() {
                report.signals.push(promotion.clone());
            } else if end.is_none_or(|end| end > now) {
                return Look::Until(end);
            }
            report.signals.splice(0..0, said.pauses());
            Look::Over(Box::new(report))
        });
        let report = self.attentively(call, time).await;
        match report.failure {
            Some(_) => report,
            None => Report {
                value: json!({ "kind": "passed" }),
                ..report
            },
        }
    }

    /// Waits until somebody ends the pause.
    pub(super) async fn hold(&self, call: &Call) -> Report {
        let lifted = self.inbox.until(|said, _| match said.pause() {
            Some(_) => Look::Until(None),
            None => Look::Over(Box::new(Report {
                signals: said.lifted().cloned().into_iter().collect(),
                ..Report::default()
            })),
        });
        self.attentively(call, lifted).await
    }

    /// Waits until enough people approve, or one does not.
    pub(super) async fn approval(
        &self,
        question: &str,
        approvers: &Approvers,
        since: Timestamp,
        until: Option<Timestamp>,
        call: &Call,
    ) -> Report {
        let decided = self.inbox.until(|said, now| {
            let end = until.and_then(|until| said.end(since, until));
            let mut report = match approvers.decision(said.answers(call.sequence)) {
                Some(report) => report,
                None if end.is_some_and(|end| end <= now) => {
                    let text = format!("nobody decided in time: {question}");
                    Report::failed(Failure::new(Code::Timeout, text))
                }
                None => return Look::Until(end),
            };
            report.signals.splice(0..0, said.pauses());
            Look::Over(Box::new(report))
        });
        self.attentively(call, decided).await
    }

    /// Checks the monitored targets while something is waited for, and listens for an abort.
    async fn attentively(&self, call: &Call, wait: impl Future<Output = Report>) -> Report {
        let cut_short = tokio::select! {
            report = wait => return report,
            (name, failure) = self.first_ill(call) => Report {
                failed: BTreeMap::from([(name, failure)]),
                ..Report::default()
            },
            interruption = self.inbox.asked(), if !call.undoing => Report::failed(interruption),
        };
        Report {
            signals: self.inbox.pauses(),
            ..cut_short
        }
    }
}
