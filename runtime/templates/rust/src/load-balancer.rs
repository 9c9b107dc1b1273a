//! Speaks to a load balancer that has an API over HTTP: its state is one JSON document, which is
//! read and replaced as a whole.

use runtime_sdk::prelude::*;

runtime_sdk::settings! {
    /// A load balancer with an API over HTTP.
    struct PluginName {
        /// Where its API answers.
        api: String,
    }
}

/// The other side's words.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(crate = "runtime_sdk::serde")]
struct State {
    #[serde(default)]
    revision: u64,
    servers: Vec<Server>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(crate = "runtime_sdk::serde")]
struct Server {
    name: String,
    address: String,
    /// Of ten thousand.
    weight: u32,
    admission: String,
}

impl Plugin for PluginName {
    const SUMMARY: &'static str = "A load balancer with an API over HTTP.";

    fn requests() -> Vec<Request> {
        vec![
            read("http", "{api}", "to see who gets the traffic"),
            change("http", "{api}", "to say who gets the traffic"),
        ]
    }
}

impl LoadBalancer for PluginName {
    fn traits(&self) -> Result<Vec<String>> {
        let traits = [
            "shares",
            "drains",
            "reads-running-state",
            "weight-steps=10000",
        ];
        Ok(traits.map(str::to_owned).to_vec())
    }

    fn read(&self, _targets: &[Target]) -> Result<Reading> {
        let state: State = http::get(&self.api).send()?.success()?.json()?;
        let member = |server: Server| MemberState {
            target: server.name,
            percent: f64::from(server.weight) / 100.0,
            admission: server.admission,
            up: None,
            active: None,
        };
        Ok(Reading {
            members: state.servers.into_iter().map(member).collect(),
            routes: Vec::new(),
            revision: Some(state.revision.to_string()),
            details: "{}".into(),
        })
    }

    fn apply(&self, desired: &Desired) -> Result<()> {
        if let Some(route) = desired.routes.first() {
            return Err(Failure::invalid(format!(
                "there is no way to make the route `{}`",
                route.name
            )));
        }
        let mut servers = Vec::new();
        for pool in &desired.pools {
            let ready = pool
                .members
                .iter()
                .filter(|member| member.admission == "ready")
                .count();
            for member in &pool.members {
                let share = match member.admission.as_str() {
                    "ready" => pool.percent / ready as f64,
                    _ => 0.0,
                };
                servers.push(Server {
                    name: member.target.name.clone(),
                    address: member.target.address()?.to_owned(),
                    weight: (share * 100.0).round() as u32,
                    admission: member.admission.clone(),
                });
            }
        }
        let state = State {
            revision: 0,
            servers,
        };
        let mut request = http::put(&self.api).json(&state)?;
        // Whoever changed it meanwhile is not overwritten.
        if let Some(expected) = &desired.expected {
            request = request.header("if-match", format!("\"{expected}\""));
        }
        let answer = request.send()?;
        if answer.status == 412 {
            return Err(Failure::conflict("the load balancer was changed meanwhile"));
        }
        answer.success().map(drop)
    }
}

runtime_sdk::plugin!(load_balancer: PluginName);

#[cfg(test)]
mod tests {
    use runtime_sdk::testing::{Fake, response, targets};

    use super::*;

    fn plugin() -> PluginName {
        PluginName {
            api: "https://lb.example.com/state".into(),
        }
    }

    fn desired() -> Desired {
        let member = |target| Member {
            target,
            admission: "ready".into(),
        };
        let members = targets(&[("web01", "web"), ("web02", "web")])
            .into_iter()
            .map(member);
        Desired {
            pools: vec![Pool {
                group: "web".into(),
                percent: 100.0,
                members: members.collect(),
            }],
            routes: Vec::new(),
            expected: Some("7".into()),
            details: "{}".into(),
        }
    }

    #[test]
    fn what_is_read_is_told() {
        let body = r#"{ "revision": 7, "servers": [
            { "name": "web01", "address": "web01:80", "weight": 2500, "admission": "ready" }
        ] }"#;
        let _fake = Fake::new().on_request(move |_| Ok(response(200, body)));
        let reading = plugin().read(&[]).unwrap();
        assert_eq!(
            (reading.members[0].percent, reading.revision.as_deref()),
            (25.0, Some("7"))
        );
    }

    #[test]
    fn a_share_is_split_among_the_ready() {
        let fake = Fake::new();
        plugin().apply(&desired()).unwrap();
        let sent: State = serde_json::from_slice(&fake.requests()[0].body).unwrap();
        assert_eq!(sent.servers[0].weight, 5_000);
    }

    #[test]
    fn who_changed_it_meanwhile_is_not_overwritten() {
        let _fake = Fake::new().on_request(|_| Ok(response(412, "")));
        assert!(plugin().apply(&desired()).unwrap_err().is("conflict"));
    }
}
