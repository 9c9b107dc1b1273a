//! Asking a running deployment to end: Ctrl-C and TERM once; a second one ends the process.

use engine::{Code, Control, Failure, Interruption};
use tokio::sync::watch;

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

    /// Ends once somebody asked, with the failure that a call under way then has.
    pub(crate) async fn asked(&self) -> Failure {
        let mut receiver = self.sender.subscribe();
        let asked = receiver.wait_for(Option::is_some).await;
        match asked.ok().and_then(|asked| asked.clone()) {
            Some(asked) => asked.failure(),
            None => Failure::new(Code::Interrupted, "asked to stop"),
        }
    }

    /// Listens to the terminal and the system for as long as the program runs.
    pub(crate) async fn listen(&self) {
        let mut times = 0;
        loop {
            let signal = next_signal().await;
            times += 1;
            if times > 1 {
                // The record survives: whatever was done is written down with its undo.
                std::process::exit(i32::from(exit::FROZEN));
            }
            self.ask(&system::user(), signal);
        }
    }
}

async fn next_signal() -> &'static str {
    let mut term = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(term) => term,
        Err(_) => return std::future::pending().await,
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => "Ctrl-C",
        _ = term.recv() => "the system asked the program to end",
    }
}

impl Control for Interrupt {
    fn interruption(&self) -> Option<Interruption> {
        self.sender.borrow().clone()
    }
}
