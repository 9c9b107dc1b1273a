//! What a strategy can ask for. The host refuses what would lose requests, writes each call
//! down, and takes it all back when the strategy fails. What each does is said in
//! `wit/rollout.wit`.

pub use crate::bindings::imports::{analysis::Verdict, traffic::Share};
use crate::{Duration, Result, imports};

fn names(targets: &[impl AsRef<str>]) -> Vec<String> {
    targets
        .iter()
        .map(|target| target.as_ref().to_owned())
        .collect()
}

/// Puts the release beside the one that runs.
pub fn install(targets: &[impl AsRef<str>]) -> Result<()> {
    imports::releases::install(&names(targets))
}

/// Makes the release the one that runs.
pub fn activate(targets: &[impl AsRef<str>]) -> Result<()> {
    imports::releases::activate(&names(targets))
}

/// What each group gets now; empty before the first deployment.
pub fn current() -> Result<Vec<Share>> {
    imports::traffic::current()
}

/// Gives each group its share; one not named gets 0.
pub fn split(shares: &[Share]) -> Result<()> {
    imports::traffic::split(shares)
}

/// Sends no new requests, and waits for the old ones.
pub fn drain(targets: &[impl AsRef<str>]) -> Result<()> {
    imports::traffic::drain(&names(targets), None)
}

/// Lets targets take part in their group's share again.
pub fn restore(targets: &[impl AsRef<str>]) -> Result<()> {
    imports::traffic::restore(&names(targets))
}

/// Waits until every target passes every check as often in a row as the operator asks.
pub fn await_healthy(targets: &[impl AsRef<str>]) -> Result<()> {
    imports::health::wait(&names(targets), None)
}

/// Holds metrics of `candidate` against their limits, and against those of `baseline`.
pub fn watch(
    candidate: &[impl AsRef<str>],
    baseline: &[impl AsRef<str>],
    duration: Duration,
) -> Result<Verdict> {
    imports::analysis::watch(&names(candidate), &names(baseline), duration.as_ms())
}

/// Starts a named part of the deployment.
pub fn begin(stage: &str) {
    imports::course::begin(stage);
}

/// Waits, without end where no duration is given.
pub fn wait(duration: Option<Duration>) -> Result<()> {
    imports::course::wait(duration.map(Duration::as_ms))
}

/// Waits until enough operators approve.
pub fn approval(question: &str, timeout: Option<Duration>) -> Result<()> {
    imports::course::approval(question, timeout.map(Duration::as_ms))
}

/// Milliseconds since 1970, as the deployment sees it.
pub fn now() -> u64 {
    imports::course::now()
}
