//! A model of the world in virtual time, with whatever can go wrong going wrong: the deployment
//! that runs against it is the real one, with all its layers and the very same strategy. No I/O,
//! no clock, no randomness but a seed's.

#![forbid(unsafe_code)]

mod audience;
mod change;
mod fault;
mod ledger;
mod odds;
mod plight;
mod random;
mod rehearse;
mod replay;
mod rule;
mod run;
mod scene;
mod shrink;
mod summary;
#[cfg(test)]
mod tests;
mod world;

pub use change::{Change, Instead, Unfit};
pub use engine::invariants;
pub use fault::{Fault, Flaw, Moment, Way};
pub use odds::{Habits, Odds};
pub use rehearse::{Plan, play, rehearse, repeat};
pub use replay::{Differs, Happened, Refusal, Replayed};
pub use rule::{Broken, Whose};
pub use run::{Ending, Played, Run, Strategies, foresee};
pub use scene::Scene;
pub use summary::{Finding, Percentiles, Sample, Summary};
