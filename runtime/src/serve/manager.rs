//! What the service manager is told of a server, and how often it wants to hear that the server is
//! alive. Where none started the program, nobody is told anything.

use std::time::Duration;

use sd_notify::NotifyState;

/// Says that the server takes work.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says in words what the server does.
pub(crate) fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// Says that the server is alive: it has looked for work, and the store answered.
pub(crate) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// Says that the server ends, and by when at the latest.
pub(crate) fn stopping(within: Duration) {
    let within = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
    tell(&[
        NotifyState::Stopping,
        NotifyState::ExtendTimeoutUsec(within),
    ]);
}

/// How often it wants to hear from the server at least: twice in its patience.
pub(crate) fn pulse() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|patience| patience / 2)
}

fn tell(states: &[NotifyState<'_>]) {
    // A manager that went away is told nothing; the server goes on all the same.
    let _gone = sd_notify::notify(states);
}
