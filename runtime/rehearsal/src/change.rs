//! What is to be otherwise than a record has it: which faults suit an operation, and how they
//! strike there.

use std::collections::BTreeSet;

use engine::{Effect, Intent, Name, Origin, Record};

use crate::{fault::Fault, replay::wanted, scene::Scene, world::Inner};

/// What happens at a record instead.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The record's place in the deployment.
    pub sequence: u64,
    /// What happens there.
    pub instead: Instead,
}

/// What happens instead of what did.
#[derive(Clone, Debug, PartialEq)]
pub enum Instead {
    /// It goes well, and whatever was wrong with its targets is over.
    Succeeds,
    /// These go wrong; those for targets and steps that the operation is not about do not. Times
    /// and counts are from there on.
    Fails(Vec<Fault>),
}

/// Why something cannot happen at a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfit {
    /// What is done there.
    pub intent: Intent,
    /// The kinds of faults that suit it.
    pub suits: Vec<&'static str>,
    /// The targets that it is about.
    pub targets: BTreeSet<Name>,
}

/// The kinds of faults that can happen while this is done.
fn suits(intent: &Intent) -> Vec<&'static str> {
    let of_effect: &[&str] = match &intent.effect {
        None => &[],
        Some(Effect::Observe) => &["unreachable"],
        Some(Effect::Install { .. }) => &["install-fails", "unreachable"],
        Some(Effect::Remove { .. }) => &["unreachable"],
        Some(Effect::Activate { .. } | Effect::Deactivate { .. }) => &[
            "activate-fails",
            "never-up",
            "slow-start",
            "falls-over",
            "bad-release",
            "no-way-back",
            "unreachable",
        ],
        Some(Effect::ReadTraffic | Effect::UndoStep { .. }) => &[],
        Some(Effect::Apply { .. }) => &[
            "balancer-refuses",
            "balancer-hangs",
            "balancer-late",
            "balancer-lies",
            "bad-under-load",
        ],
        Some(Effect::AwaitHealthy { .. }) => &[
            "never-up",
            "slow-start",
            "bad-release",
            "no-way-back",
            "unreachable",
        ],
        Some(Effect::Wait { .. } | Effect::Approval { .. } | Effect::Hold { .. }) => {
            &["falls-over", "bad-release", "bad-under-load", "unreachable"]
        }
        Some(Effect::Watch { .. }) => &[
            "metrics",
            "bad-for-some",
            "falls-over",
            "bad-release",
            "bad-under-load",
            "unreachable",
        ],
        Some(Effect::Step { .. }) => &["step-fails"],
    };
    let mut suits = of_effect.to_vec();
    let undoing = matches!(intent.origin, Origin::Undo(_));
    if intent.effect.is_some() && !undoing {
        suits.push("aborted");
    }
    suits.extend(["killed", "lease-lost"]);
    suits
}

impl Fault {
    /// The target on which it happens, where it happens on one.
    pub fn target(&self) -> Option<&Name> {
        match self {
            Self::InstallFails { target, .. }
            | Self::ActivateFails { target, .. }
            | Self::SlowStart { target, .. }
            | Self::NeverUp { target }
            | Self::FallsOver { target, .. }
            | Self::Unreachable { target, .. }
            | Self::NoWayBack { target } => Some(target),
            _ => None,
        }
    }

    /// The same with the number of the record, where it has one, counted from that record on.
    fn counted_from(mut self, sequence: u64) -> Self {
        if let Self::Killed { at, .. } | Self::LeaseLost { at } = &mut self {
            let before = u32::try_from(sequence - 1).unwrap_or(u32::MAX);
            *at = at.saturating_add(before);
        }
        self
    }

    /// Whether it is about what this effect is about.
    fn concerns(&self, effect: Option<&Effect>, targets: &BTreeSet<Name>) -> bool {
        match (self, effect) {
            (Self::StepFails { step, .. }, Some(Effect::Step { step: run, .. })) => step == run,
            _ => self.target().is_none_or(|target| targets.contains(target)),
        }
    }
}

/// The targets that an effect is about; what waits or looks is about all of them.
fn targets(scene: &Scene, effect: Option<&Effect>) -> BTreeSet<Name> {
    match effect {
        Some(
            Effect::Install { targets, .. }
            | Effect::Remove { targets, .. }
            | Effect::Deactivate { targets },
        ) => targets.clone(),
        Some(Effect::Activate { releases } | Effect::AwaitHealthy { releases, .. }) => {
            releases.keys().cloned().collect()
        }
        _ => scene.names.iter().cloned().collect(),
    }
}

impl Inner {
    /// Begins where these records end, with what is to be otherwise from there on.
    pub(crate) fn tell(&mut self, records: &[Record], changes: &[Change]) {
        for record in records {
            self.follow(record);
        }
        self.retold = true;
        self.ledger.begin_with(records);
        self.changes = changes.to_vec();
        self.changes.sort_by_key(|change| change.sequence);
    }

    /// Lets what is to be otherwise at this record strike there, before anything of it happens.
    pub(crate) fn meets(&mut self, intent: &Intent) {
        if let Some(expected) = self.expected.take() {
            let (recorded, asked) = (wanted(&expected), wanted(intent));
            if recorded != asked {
                self.parted = Some((intent.sequence, recorded, asked));
            }
        }
        let here = |change: &mut Change| change.sequence == intent.sequence;
        let changes: Vec<Change> = self.changes.extract_if(.., here).collect();
        for change in changes {
            self.change(intent, change.instead);
        }
    }

    fn change(&mut self, intent: &Intent, instead: Instead) {
        let effect = intent.effect.as_ref();
        let targets = targets(&self.scene, effect);
        let suits = suits(intent);
        let faults: Vec<Fault> = match instead {
            Instead::Succeeds if effect.is_some() => return self.mend(&targets),
            Instead::Succeeds => Vec::new(),
            Instead::Fails(faults) => faults
                .into_iter()
                .filter(|fault| suits.contains(&fault.kind()) && fault.concerns(effect, &targets))
                .collect(),
        };
        if faults.is_empty() {
            self.unfit.get_or_insert(Unfit {
                intent: intent.clone(),
                suits,
                targets,
            });
        }
        for fault in faults {
            let fault = fault.counted_from(intent.sequence);
            self.strike(&fault, intent.sequence);
            self.struck.push(fault);
        }
    }

    /// All that is wrong with these is over, and with the load balancer and the steps.
    fn mend(&mut self, targets: &BTreeSet<Name>) {
        let places = self.scene.find(targets.iter());
        self.plight.forgive(&places);
        for place in places {
            let (now, site) = (self.now, &mut self.sites[place]);
            site.well_from = site.well_from.min(now);
            site.well_until = u64::MAX;
        }
    }

    /// From now on this goes wrong; also with what runs already.
    fn strike(&mut self, fault: &Fault, sequence: u64) {
        if self.ledger.takes(fault, sequence) {
            return;
        }
        let scene = self.scene.clone();
        let now = self.now;
        self.plight.take(&scene, fault, now);
        let place = fault.target().and_then(|target| scene.places.get(target));
        let site = place.map(|place| &mut self.sites[*place]);
        match (fault, site) {
            (Fault::NeverUp { .. }, Some(site)) if site.renewed => site.well_from = u64::MAX,
            (Fault::NoWayBack { .. }, Some(site)) if !site.renewed => site.well_from = u64::MAX,
            (Fault::SlowStart { by_ms, .. }, Some(site)) => {
                site.well_from = site.well_from.max(now).saturating_add(*by_ms);
            }
            (Fault::FallsOver { after_ms, .. }, Some(site)) if site.renewed => {
                site.well_until = now.saturating_add(*after_ms);
            }
            (Fault::BadUnderLoad { .. }, _) => self.load(),
            _ => {}
        }
    }
}
