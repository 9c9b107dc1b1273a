//! The host's own model of the fleet: what runs where, what is proven, who gets traffic.

use crate::{
    failure::Failure,
    subject::Name,
    traffic::Admission,
};

/// The model.
#[derive(Clone, Debug)]
pub struct Fleet {}

/// One target, as the host sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetView<'a> {
    /// Its name.
    pub name: &'a Name,
    /// Its group.
    pub group: &'a Name,
    /// The id of the release that runs; none where none does.
    pub active: Option<&'a Name>,
    /// Whether it is proven healthy for that release.
    pub proven: bool,
    /// Whether it takes part in its group's share.
    pub admission: Admission,
    /// What it gets of all traffic.
    pub percent: f64,
    /// Why it was left out, where it was.
    pub left_out: Option<&'a Failure>,
}

impl Fleet {
    /// Every target, in the order of the configuration.
    pub fn targets(&self) -> impl Iterator<Item = TargetView<'_>> {
        std::iter::empty()
    }

    /// The release that runs on each target, as a strategy gets it at its start.
    pub fn active(&self) -> Vec<(Name, Option<Name>)> {
        Vec::new()
    }
}
