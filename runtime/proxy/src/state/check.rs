//! What must be true of a state before it is served.

use std::collections::HashSet;

use super::{Admission, Member, Pool, State};

/// More than any fleet that one process could balance; keeps a mistake from eating the memory.
const MEMBERS_MAX: usize = 10_000;

/// The same for groups. They share 10,000 steps, and each that has a share needs at least one.
const GROUPS_MAX: usize = 1_000;

/// Names appear in metrics and messages.
const NAME_BYTES_MAX: usize = 256;

/// How far from 100 the shares may add up: what rounding thirds to two digits costs.
const TOLERANCE: f64 = 0.01;

/// What is wrong with a state, for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(String);

impl State {
    /// Whether this state can be served.
    pub fn check(&self) -> Result<(), Problem> {
        if let Some(route) = self.routes.first() {
            return Err(Problem(format!(
                "route `{}`: routes are not served by this version; leave `routes` empty",
                route.name
            )));
        }
        let members: usize = self.pools.iter().map(|pool| pool.members.len()).sum();
        if self.pools.len() > GROUPS_MAX || members > MEMBERS_MAX {
            return Err(Problem(format!(
                "{} groups with {members} members; at most {GROUPS_MAX} and {MEMBERS_MAX} are served",
                self.pools.len()
            )));
        }
        self.check_names()?;
        self.check_shares()?;
        self.members().try_for_each(check_address)
    }

    fn members(&self) -> impl Iterator<Item = &Member> {
        self.pools.iter().flat_map(|pool| &pool.members)
    }

    fn check_names(&self) -> Result<(), Problem> {
        let groups = self.pools.iter().map(|pool| pool.group.as_str());
        check_unique("group", groups)?;
        check_unique(
            "target",
            self.members().map(|member| member.target.as_str()),
        )
    }

    fn check_shares(&self) -> Result<(), Problem> {
        for Pool { group, percent, .. } in &self.pools {
            if !(0.0..=100.0).contains(percent) {
                return Err(Problem(format!(
                    "group `{group}`: a share of {percent} is not from 0 to 100"
                )));
            }
        }
        let sum: f64 = self.pools.iter().map(|pool| pool.percent).sum();
        // Nothing served at all is a state, too: before the first deployment.
        let nothing = self.pools.iter().all(|pool| pool.percent == 0.0);
        if nothing || (sum - 100.0).abs() <= TOLERANCE {
            Ok(())
        } else {
            Err(Problem(format!("the shares add up to {sum}, not to 100")))
        }
    }
}

impl Admission {
    /// Whether a member with it gets new requests.
    pub fn is_ready(self) -> bool {
        self == Self::Ready
    }
}

fn check_unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Problem> {
    let mut seen = HashSet::new();
    for name in names {
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(char::is_control) {
            return Err(Problem(format!(
                "{what} {name:?}: a name has 1 to {NAME_BYTES_MAX} bytes and no control characters"
            )));
        }
        if !seen.insert(name) {
            return Err(Problem(format!("{what} `{name}` is there twice")));
        }
    }
    Ok(())
}

fn check_address(member: &Member) -> Result<(), Problem> {
    let address = &member.address;
    let right = address.rsplit_once(':').is_some_and(|(host, port)| {
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let host_is_right = match bare {
            Some(inside) => inside.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                let allowed = |each: char| each.is_ascii_alphanumeric() || "-._".contains(each);
                !host.is_empty() && host.len() <= NAME_BYTES_MAX && host.chars().all(allowed)
            }
        };
        host_is_right && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    if right {
        Ok(())
    } else {
        Err(Problem(format!(
            "target `{}`: the address `{address}` is not `host:port`",
            member.target
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Route, VERSION};

    /// Group, share, and the members' targets and addresses.
    type Asked<'a> = (&'a str, f64, &'a [(&'a str, &'a str)]);

    fn state(pools: &[Asked<'_>]) -> State {
        let member = |(target, address): &(&str, &str)| Member {
            target: (*target).into(),
            address: (*address).into(),
            admission: Admission::Ready,
        };
        let pool = |(group, percent, members): &Asked<'_>| Pool {
            group: (*group).into(),
            percent: *percent,
            members: members.iter().map(member).collect(),
        };
        State {
            pools: pools.iter().map(pool).collect(),
            ..State::empty()
        }
    }

    #[test]
    fn states_that_can_be_served() {
        for pools in [
            &[][..],
            &[("a", 0.0, &[][..])],
            &[("a", 100.0, &[("one", "127.0.0.1:1")])],
            &[("a", 33.33, &[]), ("b", 33.33, &[]), ("c", 33.34, &[])],
            &[(
                "a",
                100.0,
                &[("one", "[::1]:1"), ("two", "app-1.internal:80")],
            )],
        ] {
            assert_eq!(state(pools).check(), Ok(()), "{pools:?}");
        }
    }

    #[test]
    fn states_that_cannot() {
        for (pools, said) in [
            (
                &[("a", 99.0, &[][..])][..],
                "the shares add up to 99, not to 100",
            ),
            (&[("a", 101.0, &[])], "is not from 0 to 100"),
            (&[("a", f64::NAN, &[])], "is not from 0 to 100"),
            (&[("a", -1.0, &[])], "is not from 0 to 100"),
            (
                &[("a", 50.0, &[]), ("a", 50.0, &[])],
                "group `a` is there twice",
            ),
            (&[("", 100.0, &[])], "group \"\""),
            (
                &[("a", 100.0, &[("x", "h:1"), ("x", "h:2")])],
                "target `x` is there twice",
            ),
            (&[("a", 100.0, &[("x", "h")])], "`h` is not `host:port`"),
            (&[("a", 100.0, &[("x", "h:0")])], "is not `host:port`"),
            (&[("a", 100.0, &[("x", "::1:80")])], "is not `host:port`"),
            (&[("a", 100.0, &[("x", "u@h:80")])], "is not `host:port`"),
        ] {
            let problem = state(pools).check().unwrap_err().to_string();
            assert!(problem.contains(said), "{problem}");
        }
    }

    #[test]
    fn routes_are_refused_rather_than_forgotten() {
        let mut state = state(&[("a", 100.0, &[])]);
        state.routes.push(Route {
            name: "beta".into(),
            kind: "header".into(),
            r#match: serde_json::json!({"x-beta": "1"}),
            group: "a".into(),
        });
        assert!(
            state
                .check()
                .unwrap_err()
                .to_string()
                .contains("route `beta`")
        );
    }

    #[test]
    fn a_newer_form_is_told_from_a_broken_one() {
        let parse = |text: &str| State::parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            parse(r#"{"version": 2, "new": true}"#),
            format!("version 2 of the form; this program knows version {VERSION}")
        );
        for broken in [
            "",
            "{}",
            "[]",
            r#"{"version": 1}"#,
            r#"{"version": 1, "pools": [], "x": 1}"#,
        ] {
            assert!(parse(broken).starts_with("not a state: "), "{broken}");
        }
    }
}
