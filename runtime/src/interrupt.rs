//! Asking a running deployment to end: Ctrl-C, TERM, or the terminal's going away, once; a second
//! one ends the process.

use std::io;

use engine::{Code, Failure, Interruption};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::{exit, system};

/// Whether, and by whom, a deployment was asked to end.
pub(crate) struct Interrupt {
    sender: watch::Sender<Option<Interruption>>,
}

impl Interrupt {
    /// Nobody asked yet.
    pub(crate) fn new() -> Self {
        Self {
            sender: watch::Sender::new(None),
        }
    }

    /// Asks the deployment to end. Only the first who asks is heard.
    pub(crate) fn ask(&self, by: &str, reason: &str) {
        self.sender.send_if_modified(|asked| {
            let first = asked.is_none();
            if first {
                *asked = Some(Interruption {
                    by: by.to_owned(),
                    reason: reason.to_owned(),
                });
            }
            first
        });
    }

    /// Who asked, and why.
    pub(crate) fn interruption(&self) -> Option<Interruption> {
        self.sender.borrow().clone()
    }

    /// Ends once somebody asked, with the failure that a call under way then has.
    pub(crate) async fn asked(&self) -> Failure {
        let mut receiver = self.sender.subscribe();
        let asked = receiver.wait_for(Option::is_some).await;
        match asked.ok().and_then(|asked| asked.clone()) {
            Some(asked) => asked.failure(),
            None => Failure::new(Code::Interrupted, "asked to stop"),
        }
    }

    /// Listens to the terminal and the system for as long as the program runs. The second signal
    /// ends the process, with `last_words` before that.
    pub(crate) async fn listen(&self, mut signals: Signals, last_words: impl FnOnce()) {
        let first = signals.next().await;
        self.ask(&system::user(), first);
        signals.next().await;
        last_words();
        // The record survives: whatever was done is written down with its undo.
        std::process::exit(i32::from(exit::FROZEN));
    }
}

/// The signals that ask the program to end. From when this is made none of them ends the process
/// by itself, and none is missed.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None where whoever started the program wants it to outlive the terminal (`nohup`).
    hangup: Option<Signal>,
}

impl Signals {
    /// Must be made within the runtime.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: match system::ignores_hangup() {
                true => None,
                false => Some(signal(SignalKind::hangup())?),
            },
        })
    }

    /// What the next signal means, in words.
    pub(crate) async fn next(&mut self) -> &'static str {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "the system asked the program to end",
            _ = hangup => "the terminal went away",
        }
    }
}
