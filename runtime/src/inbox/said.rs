//! What was said to a deployment, in the order in which it was said, and what it comes to. Knows
//! neither the store nor the time.

use engine::{Effect, Intent, Interruption, Outcome, Signal, Timestamp, Wish};
use serde_json::{Value, json};
use store::SentSignal;

/// The place of the record whose question is answered, in a signal's details.
const QUESTION: &str = "sequence";

/// One signal.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    number: u64,
    /// None for a kind that this version does not know.
    signal: Option<Signal>,
    at: Timestamp,
    /// The record whose question it answers.
    question: Option<u64>,
    spent: bool,
}

/// Everything that was said.
#[derive(Debug, Default)]
pub(crate) struct Said(Vec<Heard>);

/// A wish as the store keeps it: its kind, and the rest. An answer names the record whose
/// question it answers.
pub(crate) fn put(wish: Wish, question: Option<u64>) -> (String, Value) {
    let mut details = serde_json::to_value(wish).unwrap_or_default();
    let kind = details["signal"].as_str().unwrap_or_default().to_owned();
    if let Some(details) = details.as_object_mut() {
        details.remove("signal");
        details.extend(question.map(|question| (QUESTION.to_owned(), json!(question))));
    }
    (kind, details)
}

impl Heard {
    /// What the store has.
    pub(crate) fn of(sent: &SentSignal) -> Self {
        let signal = &sent.signal;
        let mut wish = signal.details.as_object().cloned().unwrap_or_default();
        wish.insert("signal".to_owned(), json!(signal.kind));
        let wish = serde_json::from_value::<Wish>(Value::Object(wish)).ok();
        Self {
            number: sent.number,
            signal: wish.map(|wish| Signal {
                wish,
                by: signal.actor.clone(),
                reason: signal.reason.clone(),
            }),
            at: signal.at,
            question: signal.details[QUESTION].as_u64(),
            spent: sent.taken.is_some(),
        }
    }

    /// What it is where it asks to end the deployment.
    pub(crate) fn interruption(&self) -> Option<Interruption> {
        let signal = self.signal.as_ref()?;
        let asks = !self.spent && signal.wish == Wish::Abort;
        asks.then(|| Interruption {
            by: signal.by.clone(),
            reason: signal.reason.clone(),
        })
    }

    fn wish(&self) -> Option<Wish> {
        self.signal.as_ref().map(|signal| signal.wish)
    }
}

impl Said {
    /// Adds what was said since.
    pub(crate) fn add(&mut self, heard: Vec<Heard>) {
        self.0.extend(heard);
    }

    /// The last signal's number; 0 where there was none.
    pub(crate) fn last(&self) -> u64 {
        self.0.last().map_or(0, |heard| heard.number)
    }

    /// The pause that is in force.
    pub(crate) fn pause(&self) -> Option<&Signal> {
        let ended = |heard: &Heard| heard.wish() == Some(Wish::Continue);
        let since = self.0.iter().rposition(ended).map_or(0, |place| place + 1);
        let mut since = self.0[since..].iter();
        since
            .find(|heard| heard.wish() == Some(Wish::Pause))?
            .signal
            .as_ref()
    }

    /// When something ends that began at `since` and was to end at `until`: as much later as
    /// there was a pause. None while there is one.
    pub(crate) fn end(&self, since: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let mut began = None;
        let mut paused = 0;
        for heard in &self.0 {
            match heard.wish() {
                Some(Wish::Pause) => {
                    began.get_or_insert(heard.at);
                }
                Some(Wish::Continue) => {
                    if let Some(began) = began.take() {
                        paused += heard.at.since_ms(began.max(since));
                    }
                }
                _ => {}
            }
        }
        let end = Timestamp(until.0.saturating_add(paused));
        began.is_none().then_some(end)
    }

    /// What ends a wait before its time.
    pub(crate) fn promotion(&self) -> Option<&Signal> {
        let promotes =
            |heard: &&Heard| !heard.spent && matches!(heard.wish(), Some(Wish::Promote { .. }));
        self.0.iter().find(promotes)?.signal.as_ref()
    }

    /// The pauses that no record shows yet, and what ended them.
    pub(crate) fn pauses(&self) -> Vec<Signal> {
        let unspent = self.0.iter().filter(|heard| !heard.spent);
        let since = unspent.skip_while(|heard| heard.wish() != Some(Wish::Pause));
        let signals = since.filter_map(|heard| heard.signal.as_ref());
        signals
            .filter(|signal| matches!(signal.wish, Wish::Pause | Wish::Continue))
            .cloned()
            .collect()
    }

    /// What ended the last pause.
    pub(crate) fn lifted(&self) -> Option<&Signal> {
        let lifts = |heard: &&Heard| heard.wish() == Some(Wish::Continue);
        self.0.iter().rev().find(lifts)?.signal.as_ref()
    }

    /// The answers to the question of that record, oldest first.
    pub(crate) fn answers(&self, question: u64) -> impl Iterator<Item = &Signal> {
        let to_it = self
            .0
            .iter()
            .filter(move |heard| heard.question == Some(question));
        to_it.filter_map(|heard| heard.signal.as_ref())
    }

    /// Spends what was to end a wait that began before then; gives back the numbers.
    pub(super) fn outdated(&mut self, since: Timestamp) -> Vec<u64> {
        let ends = Some(Wish::Promote { full: false });
        self.spend(|heard| heard.wish() == ends && heard.at < since)
    }

    /// Spends what the record shows now; gives back the numbers.
    pub(super) fn shown(&mut self, intent: &Intent, outcome: &Outcome) -> Vec<u64> {
        let report = outcome.report.iter();
        let mut shown: Vec<&Signal> = report.flat_map(|report| &report.signals).collect();
        if let Some(Effect::Hold { pause }) = &intent.effect {
            shown.push(pause);
        }
        self.spend(|heard| {
            let signal = heard.signal.as_ref();
            signal.is_some_and(|signal| shown.contains(&signal))
        })
    }

    /// Spends what is left; gives back the numbers.
    pub(super) fn rest(&mut self) -> Vec<u64> {
        self.spend(|_| true)
    }

    fn spend(&mut self, which: impl Fn(&Heard) -> bool) -> Vec<u64> {
        let unspent = self.0.iter_mut().filter(|heard| !heard.spent);
        let mut numbers = Vec::new();
        for heard in unspent {
            if which(heard) {
                heard.spent = true;
                numbers.push(heard.number);
            }
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Wish = Wish::Promote { full: false };

    fn said(signals: &[(Wish, u64)]) -> Said {
        let heard = |(number, (wish, at)): (u64, &(Wish, u64))| {
            let (kind, details) = put(*wish, None);
            let signal = store::Signal {
                kind,
                details,
                actor: "ada".to_owned(),
                host: "build-1".to_owned(),
                reason: format!("because of {number}"),
                at: Timestamp(*at),
            };
            let taken = None;
            Heard::of(&SentSignal {
                number,
                signal,
                taken,
            })
        };
        let mut said = Said::default();
        said.add((1..).zip(signals).map(heard).collect());
        said
    }

    #[test]
    fn a_wish_is_kept_whole() {
        for wish in [
            Wish::Pause,
            Wish::Continue,
            SOON,
            Wish::Promote { full: true },
            Wish::Abort,
            Wish::Approve,
            Wish::Reject,
            Wish::Retry,
        ] {
            assert_eq!(said(&[(wish, 0)]).0[0].wish(), Some(wish));
        }
    }

    #[test]
    fn the_clock_stands_while_there_is_a_pause() {
        let (since, until) = (Timestamp(100), Timestamp(200));
        let end = |signals: &[(Wish, u64)]| said(signals).end(since, until);
        assert_eq!(end(&[]), Some(until));
        assert_eq!(end(&[(Wish::Pause, 120)]), None);
        let once = [(Wish::Pause, 120), (Wish::Continue, 150)];
        assert_eq!(end(&once), Some(Timestamp(230)));
        // What was before it began does not count, and two pauses at once are one.
        let earlier = [(Wish::Pause, 40), (Wish::Pause, 90), (Wish::Continue, 130)];
        assert_eq!(end(&earlier), Some(Timestamp(230)));
        assert_eq!(end(&[(Wish::Pause, 40), (Wish::Continue, 60)]), Some(until));
    }

    #[test]
    fn a_pause_lasts_until_somebody_ends_it() {
        let pause = |signals: &[(Wish, u64)]| {
            let said = said(signals);
            said.pause().map(|pause| pause.reason.clone())
        };
        let (pauses, goes_on) = ((Wish::Pause, 1), (Wish::Continue, 2));
        assert_eq!(pause(&[pauses, pauses]).unwrap(), "because of 1");
        assert_eq!(pause(&[pauses, goes_on]), None);
        assert_eq!(pause(&[pauses, goes_on, pauses]).unwrap(), "because of 3");
        let shown = said(&[goes_on, pauses, goes_on]).pauses();
        let wishes: Vec<Wish> = shown.iter().map(|signal| signal.wish).collect();
        assert_eq!(wishes, [Wish::Pause, Wish::Continue]);
    }

    #[test]
    fn a_promotion_ends_the_wait_that_it_was_meant_for() {
        let full = Wish::Promote { full: true };
        let mut said = said(&[(SOON, 10), (full, 11), (SOON, 30)]);
        assert_eq!(said.outdated(Timestamp(20)), [1]);
        assert_eq!(said.promotion().unwrap().wish, full);
        assert_eq!(said.rest(), [2, 3]);
        assert!(said.promotion().is_none());
    }
}
