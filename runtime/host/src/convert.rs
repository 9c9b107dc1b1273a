//! Between the words of the contract and those of the engine.

use bindings::{balancing, deployment_strategy, hosting, types};
use engine::{
    Admission, Code, Failure, Installed, MemberState, Name, Reading, Release, Target, Traffic,
};
use serde_json::{Value, json};

/// JSON from a guest; what is none becomes a text.
pub(crate) fn value(json: &str) -> Value {
    match serde_json::from_str(json) {
        Ok(Value::Object(entries)) if entries.is_empty() => Value::Null,
        Ok(value) => value,
        Err(_) => Value::String(json.to_owned()),
    }
}

/// JSON for a guest, where nothing is `{}`.
pub(crate) fn json(value: &Value) -> String {
    if value.is_null() {
        "{}".to_owned()
    } else {
        value.to_string()
    }
}

pub(crate) fn failure(theirs: types::Failure) -> Failure {
    Failure {
        code: Code::from(theirs.code),
        message: theirs.message,
        retryable: theirs.retryable,
        details: value(&theirs.details),
    }
}

pub(crate) fn guest_failure(ours: Failure) -> types::Failure {
    types::Failure {
        code: ours.code.as_str().to_owned(),
        message: ours.message,
        retryable: ours.retryable,
        details: json(&ours.details),
    }
}

pub(crate) fn target(ours: &Target) -> types::Target {
    types::Target {
        name: ours.name.to_string(),
        address: ours.address.clone(),
        group: ours.group.to_string(),
        labels: ours.labels.clone(),
        details: json(&ours.details),
    }
}

pub(crate) fn targets(ours: &[Target]) -> Vec<types::Target> {
    ours.iter().map(target).collect()
}

pub(crate) fn release(ours: &Release) -> types::Release {
    types::Release {
        id: ours.id.to_string(),
        version: ours.version.clone(),
        digest: ours.digest.clone(),
        labels: ours.labels.clone(),
        details: json(&ours.details),
    }
}

/// What is wanted of a load balancer, over all of its targets: one pool a group.
pub(crate) fn desired(
    traffic: &Traffic,
    all: &[Target],
    expected: Option<&str>,
) -> balancing::Desired {
    let mut pools: Vec<balancing::Pool> = Vec::new();
    for each in all {
        let member = balancing::Member {
            target: target(each),
            admission: admission(traffic.admission(each.name.as_str())).to_owned(),
        };
        match pools
            .iter_mut()
            .find(|pool| each.group == *pool.group.as_str())
        {
            Some(pool) => pool.members.push(member),
            None => pools.push(balancing::Pool {
                group: each.group.to_string(),
                percent: traffic.share(each.group.as_str()),
                members: vec![member],
            }),
        }
    }
    balancing::Desired {
        pools,
        routes: Vec::new(),
        expected: expected.map(str::to_owned),
        details: json(&Value::Null),
    }
}

fn admission(ours: Admission) -> &'static str {
    match ours {
        Admission::Ready => "ready",
        Admission::Draining => "draining",
        Admission::Out => "out",
    }
}

/// What a load balancer's driver read of these targets; the error says what of it makes no sense.
pub(crate) fn reading(theirs: balancing::Reading) -> Result<Reading, String> {
    let member = |member: balancing::MemberState| -> Result<MemberState, String> {
        let admission = match member.admission.as_str() {
            "ready" => Admission::Ready,
            "draining" => Admission::Draining,
            "out" => Admission::Out,
            other => {
                return Err(format!("the admission of {} is `{other}`", member.target));
            }
        };
        if !(0.0..=100.01).contains(&member.percent) {
            return Err(format!(
                "the share of {} is {} %",
                member.target, member.percent
            ));
        }
        Ok(MemberState {
            target: Name::from(member.target),
            percent: member.percent,
            admission,
            up: member.up,
            active: member.active,
        })
    };
    let mut details = value(&theirs.details);
    if !theirs.routes.is_empty() {
        let names: Vec<&str> = theirs
            .routes
            .iter()
            .map(|route| route.name.as_str())
            .collect();
        details = json!({ "details": details, "routes": names });
    }
    let members = theirs.members.into_iter().map(member);
    let members = members.collect::<Result<Vec<_>, _>>()?;
    for (index, member) in members.iter().enumerate() {
        if members[..index]
            .iter()
            .any(|other| other.target == member.target)
        {
            return Err(format!("{} is there twice", member.target));
        }
    }
    Ok(Reading {
        members,
        revision: theirs.revision,
        details,
    })
}

pub(crate) fn installed(theirs: hosting::InstalledRelease) -> Installed {
    Installed {
        id: Name::from(theirs.id),
        complete: theirs.complete,
    }
}

/// How a strategy hears why the release goes out.
pub(crate) fn purpose(ours: engine::Purpose) -> &'static str {
    match ours {
        engine::Purpose::Deploy => "deploy",
        engine::Purpose::Rollback => "rollback",
    }
}

pub(crate) fn deployment(ours: &crate::strategy::Deployment) -> deployment_strategy::Deployment {
    deployment_strategy::Deployment {
        id: ours.id.clone(),
        application: ours.application.clone(),
        environment: ours.environment.clone(),
        purpose: purpose(ours.purpose).to_owned(),
        release: release(&ours.release),
        previous: ours.previous.as_ref().map(release),
        targets: targets(&ours.targets),
        active: ours
            .active
            .iter()
            .map(|(target, release)| (target.to_string(), release.as_ref().map(Name::to_string)))
            .collect(),
        region: ours.region.clone(),
        details: json(&ours.details),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(target: &str, percent: f64, admission: &str) -> balancing::MemberState {
        balancing::MemberState {
            target: target.into(),
            percent,
            admission: admission.into(),
            up: None,
            active: Some(3),
        }
    }

    fn read(members: Vec<balancing::MemberState>) -> Result<Reading, String> {
        let theirs = balancing::Reading {
            members,
            routes: Vec::new(),
            revision: None,
            details: "{}".into(),
        };
        reading(theirs)
    }

    #[test]
    fn a_reading_is_checked() {
        let good = read(vec![
            member("a", 100.0, "ready"),
            member("no target", 0.0, "out"),
            member("b", 0.0, "out"),
        ]);
        let names: Vec<String> = good
            .unwrap()
            .members
            .iter()
            .map(|member| member.target.to_string())
            .collect();
        assert_eq!(names, ["a", "no target", "b"]);
        for (wrong, expected) in [
            (
                vec![member("a", 1.0, "ready"), member("a", 2.0, "ready")],
                "a is there twice",
            ),
            (
                vec![member("a", f64::NAN, "ready")],
                "the share of a is NaN %",
            ),
            (vec![member("a", -1.0, "ready")], "the share of a is -1 %"),
            (vec![member("a", 101.0, "ready")], "the share of a is 101 %"),
            (
                vec![member("a", 1.0, "sleepy")],
                "the admission of a is `sleepy`",
            ),
        ] {
            assert_eq!(read(wrong).unwrap_err(), expected);
        }
    }
}
