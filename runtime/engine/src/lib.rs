//! A deployment's own logic: what a strategy may ask for, what is refused, what is written
//! down, and how it is taken back. Knows neither WebAssembly nor SQL nor SSH, reads no clock
//! and touches no file: an [`Executor`] acts, a [`Journal`] remembers, and both are given.

#![forbid(unsafe_code)]

mod agreement;
mod deployment;
mod differences;
mod drift;
mod effect;
mod ending;
mod event;
mod executor;
mod failure;
mod fleet;
mod guard;
mod halt;
mod interruption;
pub mod invariants;
mod journal;
mod operation;
mod phrase;
mod points;
mod recorder;
mod replay;
mod rules;
mod signal;
mod subject;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod traffic;
mod trail;
mod undo;

pub use agreement::{agreement, tolerance};
pub use deployment::{Deployment, rollback_open};
pub use effect::{Call, Effect, Report};
pub use event::{Event, Observer, Verdict};
pub use executor::{Control, Executor, Installed, Interruption, TargetState, World};
pub use failure::{Code, Failure};
pub use fleet::{Fleet, TargetView};
pub use halt::{Halt, Wanted};
pub use journal::{Intent, Journal, JournalError, Origin, Outcome, Record, Turn, Undo};
pub use operation::{Answer, Operation, Operations, Strategy};
pub use replay::{Resume, StepWord, told};
pub use rules::{Brief, Count, Health, Point, Purpose, Rules, StepRule};
pub use signal::{Approvers, Signal, Wish};
pub use subject::{Name, Release, Target, Timestamp};
pub use traffic::{Admission, BalancerTraits, MemberState, Reading, Share, Traffic};
