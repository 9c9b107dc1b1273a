//! Exit codes: part of the program's interface, listed in README.md.

use engine::Verdict;

/// Done.
pub(crate) const DONE: u8 = 0;
/// Failed, and taken back: everything is as it was.
pub(crate) const ROLLED_BACK: u8 = 1;
/// The command line makes no sense.
pub(crate) const USAGE: u8 = 2;
/// The configuration has problems.
pub(crate) const CONFIGURATION: u8 = 3;
/// Refused before anything was changed.
pub(crate) const REFUSED: u8 = 4;
/// Another deployment holds the lease.
pub(crate) const LOCKED: u8 = 5;
/// Stopped or frozen where it is; `status` says what stands where.
pub(crate) const FROZEN: u8 = 6;
/// Taking it back did not work everywhere.
pub(crate) const STUCK: u8 = 7;
/// Done, but for targets that were left out.
pub(crate) const LEFT_OUT: u8 = 8;
/// A rehearsal broke a rule, or a plugin did not pass its test.
pub(crate) const BROKEN: u8 = 9;
/// A strategy that was asked again asked for something else than its record has.
pub(crate) const DIFFERS: u8 = 10;
/// A fault of the program itself.
pub(crate) const BUG: u8 = 70;

/// The exit code of a deployment that ended so.
pub(crate) fn of(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Succeeded { left_out } if left_out.is_empty() => DONE,
        Verdict::Succeeded { .. } => LEFT_OUT,
        Verdict::RolledBack { .. } => ROLLED_BACK,
        Verdict::Stuck { .. } => STUCK,
        Verdict::Frozen { .. }
        | Verdict::Halted { .. }
        | Verdict::Left
        | Verdict::Abandoned { .. } => FROZEN,
        Verdict::Refused { .. } => REFUSED,
    }
}
