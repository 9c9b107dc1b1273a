//! The one trait that acts. `Live` does it with plugins; a rehearsal does it to a model.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    effect::{Call, Effect, Report},
    failure::Failure,
    signal::Signal,
    subject::{Name, Timestamp},
    traffic::Reading,
};

/// A release that lies on a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// The release's id.
    pub id: Name,
    /// False for what a cut-off installation left.
    pub complete: bool,
}

/// What was found on one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetState {
    /// The id of the release that runs.
    pub active: Option<Name>,
    /// Every release that lies there.
    pub installed: Vec<Installed>,
}

/// What a deployment finds when it begins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// By target; a target that could not be asked is in `unreachable`.
    pub targets: BTreeMap<Name, TargetState>,
    /// Targets that could not be asked, and why.
    pub unreachable: BTreeMap<Name, Failure>,
    /// What the load balancer does; none where there is no load balancer.
    pub reading: Option<Reading>,
}

/// Acts on the world, or on a model of it.
///
/// All waiting is here, since here are the clock and the ear for people outside; the engine
/// never polls. What was said and heeded goes into [`Report::signals`], so that the record tells
/// it to whoever reads it again. A signal is spent once the outcome that shows it is in the
/// record ([`crate::Event::Ended`]), not before: a process that dies in between leaves it to the
/// next one, which does the effect again.
///
/// - [`Effect::Wait`] and [`Effect::Watch`] end at their deadline; at a `promote` (the report has
///   the signal; a watch that had seen a breach fails all the same; a full one may come at any
///   time, and ends the next wait at once); at an abort ([`Interruption::failure`]); and when a
///   monitored target is no longer well. While a pause is in force their clock stands: they end
///   as much later as there was a pause since they began (`since`), and the report has the signals. A
///   deadline that is past ends them at once: it is absolute, so what was cut off waits for what
///   is left.
/// - [`Effect::Hold`] ends at a `continue`, which the report has; else like a wait, but for a
///   promotion.
/// - [`Effect::Approval`] ends as soon as [`crate::Approvers::decision`] says so of what was
///   said to this very question (by [`Call::sequence`]); at its deadline with
///   [`crate::Code::Timeout`]; else like a wait, but for a promotion.
/// - [`Effect::AwaitHealthy`] and a drain heed an abort only. Nothing that takes something back
///   ([`Call::undoing`]) heeds anybody.
#[async_trait]
pub trait Executor: Send {
    /// Reads every target and the load balancer. Changes nothing.
    async fn observe(&mut self) -> Result<World, Failure>;

    /// Does one effect, any but [`Effect::Observe`]. Never panics and always ends: every wait has a deadline or ends with an
    /// interruption, and a target that does not answer is a failed target.
    async fn execute(&mut self, effect: &Effect, call: &Call) -> Report;

    /// The time as the deployment sees it.
    fn now(&self) -> Timestamp;
}

/// Why a deployment is to end before its strategy does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interruption {
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What people outside ask of a running deployment.
///
/// The engine asks at the beginning of each call of the strategy; everything that waits, waits
/// in [`Executor::execute`].
pub trait Control: Send + Sync {
    /// Whether someone asked to abort. Waits end by themselves: the executor listens too.
    fn interruption(&self) -> Option<Interruption>;

    /// The pause that is in force, where one is: the next call of the strategy is held by an
    /// [`Effect::Hold`] before anything of it happens. None again as soon as somebody said
    /// `continue`.
    fn pause(&self) -> Option<Signal> {
        None
    }
}
