//! `tcp`: whether a connection can be made from the target's machine and, where asked for, what
//! comes over it.

use runtime_sdk::{
    call,
    prelude::*,
    sockets,
    template::{self, TARGET, Values},
};

/// A connection, and what comes over it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tcp {
    /// Where to, as `host:port`, where it is not the target's address. `{target.host}` and the
    /// like stand for what the target says.
    #[serde(default)]
    pub address: Option<String>,
    /// The port, where only that is not the target's.
    #[serde(default)]
    pub port: Option<u16>,
    /// A text to send first.
    #[serde(default)]
    pub send: Option<String>,
    /// A text that must come back, for example `+PONG`.
    #[serde(default)]
    pub expect: Option<String>,
}

impl Plugin for Tcp {
    const SUMMARY: &'static str = "A connection, and what comes over it.";
    const SCHEMA: Option<&'static str> = Some(include_str!("../settings.json"));

    fn requests() -> Vec<Request> {
        vec![
            read(
                "sockets",
                "tcp:{target.address}",
                "to see whether the target takes connections",
            ),
            read(
                "sockets",
                "tcp:{target.host}:{port}",
                "the same, on the port given",
            ),
            read("sockets", "tcp:{address}", "the same, at the address given"),
        ]
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.address.is_some() && self.port.is_some() {
            problems.push(problem("/port", "an `address` has a port of its own"));
        }
        if let Some(address) = &self.address {
            problems.extend(template::problems("/address", address, &[TARGET]));
        }
        if self.expect.as_deref() == Some("") {
            problems.push(problem("/expect", "an empty text is always there"));
        }
        if self.send.is_some() && self.expect.is_none() {
            let message = "what is sent needs an `expect` to tell whether it was understood";
            problems.push(problem("/send", message));
        }
        problems
    }
}

impl HealthCheck for Tcp {
    fn check(&self, target: &Target, _release: &Release) -> Result<Report> {
        let address = self.address(target)?;
        let endpoint = format!("tcp:{address}");
        let began = call::now();
        let answer = match &self.expect {
            None => sockets::connect(&endpoint, call::remaining()).map(|()| None),
            Some(expect) => {
                let send = self.send.as_deref().unwrap_or_default();
                let (send, expect) = (send.as_bytes(), expect.as_bytes());
                sockets::converse(&endpoint, send, expect, call::remaining()).map(Some)
            }
        };
        let report = match (answer, &self.expect) {
            (Ok(None), _) => Report::healthy(format!("{address} takes connections")),
            (Ok(Some(answer)), expect) => judge(
                &address,
                &String::from_utf8_lossy(&answer),
                expect.as_deref(),
            ),
            (Err(failure), _)
                if matches!(&*failure.code, "unavailable" | "timeout" | "rejected") =>
            {
                Report::unhealthy(format!("{address}: {}", failure.message))
            }
            (Err(failure), _) => return Err(failure),
        };
        #[expect(clippy::cast_precision_loss, reason = "a latency is far below 2^52 ms")]
        Ok(report.measured("latency-ms", call::now().saturating_sub(began) as f64))
    }
}

impl Tcp {
    fn address(&self, target: &Target) -> Result<String> {
        if let Some(address) = &self.address {
            return Values::new().target(target).expand(address);
        }
        let address = target.address()?;
        let Some(port) = self.port else {
            return Ok(address.to_owned());
        };
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        Ok(format!("{host}:{port}"))
    }
}

fn judge(address: &str, answer: &str, expect: Option<&str>) -> Report {
    let expect = expect.unwrap_or_default();
    if answer.contains(expect) {
        return Report::healthy(format!("{address} answered `{}`", expect.escape_debug()));
    }
    let beginning: String = answer.chars().take(120).collect();
    Report::unhealthy(format!(
        "{address} answered `{}`, without `{}`",
        beginning.escape_debug(),
        expect.escape_debug()
    ))
}

runtime_sdk::plugin!(health_check: Tcp, "tcp");

#[cfg(test)]
mod tests {
    use runtime_sdk::{
        serde_json::from_value,
        testing::{Fake, check_schema, release, target},
    };

    use super::*;

    fn check(settings: Value) -> Report {
        let check: Tcp = from_value(settings).unwrap();
        check.check(&target("web01", "web"), &release("5")).unwrap()
    }

    #[test]
    fn the_schema_is_current() {
        check_schema::<Tcp>(env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn a_connection_is_enough_where_nothing_is_expected() {
        let fake = Fake::new();
        assert_eq!(check(json!({})).status, "healthy");
        assert_eq!(check(json!({ "port": 6379 })).status, "healthy");
        assert_eq!(
            check(json!({ "address": "{target.name}.internal:1" })).status,
            "healthy"
        );
        assert_eq!(
            fake.calls(),
            [
                "connect tcp:web01:80",
                "connect tcp:web01:6379",
                "connect tcp:web01.internal:1"
            ]
        );
    }

    #[test]
    fn what_comes_back_is_held_against_what_is_expected() {
        let _fake = Fake::new().on_socket(|_, sent| {
            Ok(if sent == b"PING\r\n" {
                b"+PONG\r\n".to_vec()
            } else {
                b"-ERR".to_vec()
            })
        });
        let settings = |send: &str| json!({ "send": send, "expect": "+PONG" });
        assert_eq!(
            check(settings("PING\r\n")).message,
            "web01:80 answered `+PONG`"
        );
        let report = check(settings("HELLO"));
        assert_eq!(
            (&*report.status, &*report.message),
            ("unhealthy", "web01:80 answered `-ERR`, without `+PONG`")
        );
    }

    #[test]
    fn no_connection_is_unhealthy() {
        let _fake = Fake::new().fails("connect tcp:web01:80", Failure::unavailable("refused"));
        let report = check(json!({}));
        assert_eq!(
            (&*report.status, &*report.message),
            ("unhealthy", "web01:80: refused")
        );
    }

    #[test]
    fn nonsense_is_refused() {
        let settings = json!({ "address": "a:1", "port": 1, "send": "x" });
        let problems = from_value::<Tcp>(settings).unwrap().problems();
        let places: Vec<&str> = problems
            .iter()
            .map(|problem| problem.pointer.as_str())
            .collect();
        assert_eq!(places, ["/port", "/send"]);
    }
}
