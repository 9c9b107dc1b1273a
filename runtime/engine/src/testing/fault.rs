//! What can go wrong in a world in memory.

use crate::{
    effect::Effect,
    failure::{Code, Failure},
    subject::Name,
};

/// The kinds of effect that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the effects are")]
pub enum Kind {
    Observe,
    Install,
    Activate,
    Deactivate,
    Remove,
    ReadTraffic,
    Apply,
    AwaitHealthy,
    Watch,
    Wait,
    Approval,
    Hold,
    Step,
    UndoStep,
}

/// Something that goes wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    /// In effects of this kind.
    pub kind: Kind,
    /// How many such effects go well first.
    pub after: usize,
    /// How many go wrong then.
    pub times: usize,
    /// On these targets; on all of it where empty.
    pub targets: Vec<Name>,
    /// Whether it happens all the same.
    pub happens: bool,
    /// Whether it never answers.
    pub hangs: bool,
    /// Why.
    pub failure: Failure,
}

impl Fault {
    /// The next effect of that kind fails as a whole, without happening.
    pub fn new(kind: Kind) -> Self {
        let failure = Failure::new(Code::Unavailable, "it broke");
        Self {
            kind,
            after: 0,
            times: 1,
            targets: Vec::new(),
            happens: false,
            hangs: false,
            failure,
        }
    }

    /// Only on these targets.
    #[must_use]
    pub fn on(mut self, targets: &[&str]) -> Self {
        self.targets = targets.iter().map(|name| (*name).into()).collect();
        self
    }

    /// Every time from then on.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = usize::MAX;
        self
    }

    /// After so many that went well.
    #[must_use]
    pub fn after(mut self, effects: usize) -> Self {
        self.after = effects;
        self
    }

    /// It never answers.
    #[must_use]
    pub fn hangs(mut self) -> Self {
        self.hangs = true;
        self
    }

    /// It happens, and only the answer says otherwise.
    #[must_use]
    pub fn happens(mut self) -> Self {
        self.happens = true;
        self
    }
}

pub(super) fn kind(effect: &Effect) -> Kind {
    match effect {
        Effect::Observe => Kind::Observe,
        Effect::Install { .. } => Kind::Install,
        Effect::Activate { .. } => Kind::Activate,
        Effect::Deactivate { .. } => Kind::Deactivate,
        Effect::Remove { .. } => Kind::Remove,
        Effect::ReadTraffic => Kind::ReadTraffic,
        Effect::Apply { .. } => Kind::Apply,
        Effect::AwaitHealthy { .. } => Kind::AwaitHealthy,
        Effect::Watch { .. } => Kind::Watch,
        Effect::Wait { .. } => Kind::Wait,
        Effect::Approval { .. } => Kind::Approval,
        Effect::Hold { .. } => Kind::Hold,
        Effect::Step { .. } => Kind::Step,
        Effect::UndoStep { .. } => Kind::UndoStep,
    }
}

/// The targets that an effect acts on, one by one.
pub(super) fn named(effect: &Effect) -> Vec<&Name> {
    match effect {
        Effect::Install { targets, .. }
        | Effect::Deactivate { targets }
        | Effect::Remove { targets, .. } => targets.iter().collect(),
        Effect::Activate { releases } | Effect::AwaitHealthy { releases, .. } => {
            releases.keys().collect()
        }
        _ => Vec::new(),
    }
}
