//! Refuses what would lose requests. Each refusal says which rule it is, which targets it is
//! about, and what to do; nothing has happened then. Decides from the fleet's model alone.

use serde_json::json;

use crate::{
    failure::{Code, Failure},
    fleet::{Distribution, Fleet, Presence},
    phrase,
    subject::Name,
    traffic::Share,
};

/// How far from 100 the shares of one split may add up to, in percent.
const SHARES_NOISE: f64 = 0.01;

/// More traffic than this, in percent, is more traffic.
const MORE_PERCENT: f64 = 1e-6;

/// What changes the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Split,
    Drain,
    Restore,
    /// Something is taken back.
    Undo,
}

/// Whether the release may be activated on these.
pub(crate) fn activation(fleet: &Fleet, places: &[usize]) -> Result<(), Failure> {
    let absent = some(places, |place| {
        fleet.state(place).installed != Presence::Complete
    });
    if !absent.is_empty() {
        let names = fleet.names(&absent);
        return Err(refusal(
            "not-installed",
            &names,
            format!(
                "{} cannot be activated on {}, where it was not installed to the end; install it \
                 there first",
                fleet.release(),
                phrase::names(names.iter().copied())
            ),
        ));
    }
    under_traffic(fleet, places)
}

/// Whether another release may be activated on these as far as their traffic goes.
pub(crate) fn under_traffic(fleet: &Fleet, places: &[usize]) -> Result<(), Failure> {
    let rules = fleet.rules();
    if rules.downtime
        || rules
            .platform
            .iter()
            .any(|name| name == "uninterrupted-activate")
    {
        return Ok(());
    }
    let serving = some(places, |place| fleet.gets_traffic(place));
    if serving.is_empty() {
        return Ok(());
    }
    let names = fleet.names(&serving);
    let advice = if fleet.balanced() {
        "take the traffic from them first (drain them, or give their group no share)"
    } else {
        "without a load balancer that cannot be avoided"
    };
    Err(refusal(
        "activate-under-traffic",
        &names,
        format!(
            "a release cannot be activated on {} while users reach it: requests would be lost; \
             {advice}, or accept that with `downtime = true`",
            phrase::names(names.iter().copied())
        ),
    ))
}

/// The shares by group.
pub(crate) fn shares(fleet: &Fleet, shares: &[Share]) -> Result<Vec<f64>, Failure> {
    if !fleet.balanced() {
        return Err(Failure::new(
            Code::Invalid,
            "traffic cannot be split: no load balancer is configured; add `[load-balancer]`, or \
             use a strategy that needs none",
        ));
    }
    let mut wanted = vec![None; fleet.groups().len()];
    for share in shares {
        let group = &share.group;
        let Some(place) = fleet.group_place(group.as_str()) else {
            let known = phrase::names(fleet.groups().iter().map(|group| &group.name));
            return Err(refusal(
                "unknown-group",
                &[],
                format!("no group is called {group}; there are {known}"),
            ));
        };
        if !share.percent.is_finite() || share.percent < 0.0 {
            let message = format!(
                "{} is no share of the traffic for {group}; it is 0 to 100",
                share.percent
            );
            return Err(Failure::new(Code::Invalid, message));
        }
        if wanted[place].replace(share.percent).is_some() {
            let message = format!("the group {group} is given two shares in one split; give one");
            return Err(Failure::new(Code::Invalid, message));
        }
    }
    let wanted: Vec<f64> = wanted
        .into_iter()
        .map(|share| share.unwrap_or(0.0))
        .collect();
    let total: f64 = wanted.iter().sum();
    if (total - 100.0).abs() > SHARES_NOISE + f64::EPSILON * 100.0 {
        return Err(refusal(
            "shares",
            &[],
            format!(
                "the shares of a split add up to 100 %, and these to {}; a group that is not \
                 named gets 0",
                phrase::percent(total)
            ),
        ));
    }
    Ok(wanted)
}

/// Whether the traffic may become this.
pub(crate) fn change(fleet: &Fleet, wanted: &Distribution, change: Change) -> Result<(), Failure> {
    unproven(fleet, wanted)?;
    members(fleet, wanted, change)?;
    minimum(fleet, wanted, change)
}

/// Nobody who is not proven gets more than before.
pub(crate) fn unproven(fleet: &Fleet, wanted: &Distribution) -> Result<(), Failure> {
    let before = fleet.ready_members(fleet.distribution());
    let after = fleet.ready_members(wanted);
    let gains = |place: usize| {
        !fleet.state(place).proven
            && fleet.part(place, wanted, &after)
                > fleet.part(place, fleet.distribution(), &before) + MORE_PERCENT
    };
    let places: Vec<usize> = fleet.places().filter(|place| gains(*place)).collect();
    if places.is_empty() {
        return Ok(());
    }
    let names = fleet.names(&places);
    Err(refusal(
        "unproven",
        &names,
        format!(
            "{} would get traffic without having been proven healthy for what runs there; wait \
             for its health first",
            phrase::names(names.iter().copied())
        ),
    ))
}

/// Every group with a share has someone to take it.
fn members(fleet: &Fleet, wanted: &Distribution, change: Change) -> Result<(), Failure> {
    let ready = fleet.ready_members(wanted);
    let groups = fleet.groups().iter().zip(wanted.shares.iter().zip(&ready));
    for (group, (share, ready)) in groups {
        if *share <= 0.0 || *ready > 0 {
            continue;
        }
        let (name, share) = (&group.name, phrase::percent(*share));
        let names = fleet.names(&group.members);
        return Err(if change == Change::Drain {
            refusal(
                "last-member",
                &names,
                format!(
                    "this would drain the last ready member of {name}, which has {share} of the \
                     traffic; give its share to another group first"
                ),
            )
        } else {
            refusal(
                "no-member",
                &names,
                format!(
                    "{name} cannot get {share} of the traffic: none of its members ({}) is ready \
                     for it; they must be proven healthy, and not drained",
                    phrase::names(names.iter().copied())
                ),
            )
        });
    }
    Ok(())
}

/// Enough targets go on serving. What is below the minimum already may change, but not fall.
fn minimum(fleet: &Fleet, wanted: &Distribution, change: Change) -> Result<(), Failure> {
    let (before, after) = (fleet.serving(fleet.distribution()), fleet.serving(wanted));
    let minimum = fleet.minimum_serving();
    if after >= minimum || after >= before {
        return Ok(());
    }
    let stops =
        |place: &usize| fleet.serves(*place, fleet.distribution()) && !fleet.serves(*place, wanted);
    let places: Vec<usize> = fleet.places().filter(stops).collect();
    let names = fleet.names(&places);
    let (what, advice) = match change {
        Change::Drain => ("draining", "take fewer at a time, or set `minimum-serving`"),
        Change::Split | Change::Restore => (
            "taking the traffic from",
            "take fewer at a time, or set `minimum-serving`",
        ),
        Change::Undo => (
            "taking the traffic back from",
            "mend the others, or take it from them by hand, and roll back again",
        ),
    };
    Err(refusal(
        "minimum-serving",
        &names,
        format!(
            "{what} {} would leave {} serving, and {minimum} must ({} served when the deployment \
             began); {advice}",
            phrase::names(names.iter().copied()),
            phrase::targets(after),
            fleet.serving_at_start(),
        ),
    ))
}

fn some(places: &[usize], holds: impl Fn(usize) -> bool) -> Vec<usize> {
    places
        .iter()
        .copied()
        .filter(|place| holds(*place))
        .collect()
}

fn refusal(rule: &str, targets: &[&Name], message: String) -> Failure {
    let mut failure = Failure::new(Code::Refused, message);
    failure.details = json!({ "rule": rule, "targets": targets });
    failure
}
