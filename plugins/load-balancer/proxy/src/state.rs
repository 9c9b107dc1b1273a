//! The proxy's state as JSON: what is asked of it, and what it tells.

use runtime_sdk::prelude::*;

/// The version of the form.
const VERSION: u32 = 1;

/// What is asked of the proxy.
#[derive(Debug, Serialize)]
pub(crate) struct State {
    version: u32,
    pools: Vec<Asked>,
}

#[derive(Debug, Serialize)]
struct Asked {
    group: String,
    percent: f64,
    members: Vec<AskedMember>,
}

#[derive(Debug, Serialize)]
struct AskedMember {
    target: String,
    address: String,
    admission: String,
}

/// What the proxy tells; there is more in it.
#[derive(Debug, Deserialize)]
pub(crate) struct Told {
    revision: u64,
    pools: Vec<ToldPool>,
}

#[derive(Debug, Deserialize)]
struct ToldPool {
    percent: f64,
    members: Vec<ToldMember>,
}

#[derive(Debug, Deserialize)]
struct ToldMember {
    target: String,
    admission: String,
    active: u64,
    up: bool,
}

impl State {
    pub(crate) fn of(desired: &Desired) -> Result<Self> {
        if let Some(route) = desired.routes.first() {
            let message = format!("route `{}`: the proxy has no routes", route.name);
            return Err(Failure::invalid(message));
        }
        let mut pools = Vec::with_capacity(desired.pools.len());
        for pool in &desired.pools {
            let mut members = Vec::with_capacity(pool.members.len());
            for member in &pool.members {
                members.push(AskedMember {
                    target: member.target.name.clone(),
                    address: member.target.address()?.to_owned(),
                    admission: member.admission.clone(),
                });
            }
            pools.push(Asked {
                group: pool.group.clone(),
                percent: pool.percent,
                members,
            });
        }
        let version = VERSION;
        Ok(Self { version, pools })
    }
}

/// What the proxy does with these targets, in the host's words.
pub(crate) fn reading(told: &Told, targets: &[Target]) -> Reading {
    let mut members = Vec::new();
    let mut others = Vec::new();
    for pool in &told.pools {
        let ready = pool
            .members
            .iter()
            .filter(|member| member.admission == "ready")
            .count();
        for member in &pool.members {
            if !targets.iter().any(|target| target.name == member.target) {
                others.push(member.target.as_str());
                continue;
            }
            let percent = match member.admission.as_str() {
                "ready" => pool.percent / f64::from(u32::try_from(ready).unwrap_or(u32::MAX)),
                _ => 0.0,
            };
            members.push(MemberState {
                target: member.target.clone(),
                percent,
                admission: member.admission.clone(),
                up: Some(member.up),
                active: Some(member.active),
            });
        }
    }
    Reading {
        members,
        routes: Vec::new(),
        revision: Some(told.revision.to_string()),
        details: match others[..] {
            [] => "{}".into(),
            _ => json!({ "others": others }).to_string(),
        },
    }
}

/// What a proxy does that is not there.
pub(crate) fn nothing() -> Reading {
    Reading {
        members: Vec::new(),
        routes: Vec::new(),
        revision: None,
        details: json!({ "running": false }).to_string(),
    }
}
