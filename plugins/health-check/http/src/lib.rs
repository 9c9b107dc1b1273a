//! `http`: one request to each target, and what its answer must look like. The request goes out
//! from the process that deploys, so it sees the target as its load balancer does.

mod expectation;

use std::collections::BTreeMap;

use runtime_sdk::{
    call,
    prelude::*,
    template::{self, RELEASE, TARGET, Values},
};

pub use crate::expectation::Statuses;

/// One request, and what its answer must look like.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Http {
    /// The path, and query, that is asked for.
    #[serde(default = "path")]
    pub path: String,
    /// `http` or `https`.
    #[serde(default)]
    pub scheme: Scheme,
    /// The port, where it is not that of the target's address.
    #[serde(default)]
    pub port: Option<u16>,
    /// The request's method.
    #[serde(default = "method")]
    pub method: String,
    /// The `Host` header, where it is not the address.
    #[serde(default)]
    pub host: Option<String>,
    /// Other headers to send.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The status, or statuses, of a target that is well.
    #[serde(default = "status")]
    pub status: Statuses,
    /// A text that must be in the body.
    #[serde(default)]
    pub body: Option<String>,
    /// Values that the body, in JSON, must have, each at its JSON Pointer:
    /// `{ "/status" = "ok" }`.
    #[serde(default)]
    pub json: BTreeMap<String, Value>,
    /// Headers that the answer must have, and a text that must be in each.
    #[serde(default)]
    pub header: BTreeMap<String, String>,
    /// An answer that takes longer is not good enough.
    #[serde(default)]
    pub max_latency: Option<Duration>,
    /// Certificates, in PEM, to trust besides the machine's own.
    #[serde(default)]
    pub ca: Option<String>,
    /// The name that the target's certificate must carry, where it is not the address.
    #[serde(default)]
    pub server_name: Option<String>,
    /// Whether any certificate will do.
    #[serde(default)]
    pub insecure: bool,
}

/// How the target is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// In the clear.
    #[default]
    Http,
    /// Over TLS.
    Https,
}

fn path() -> String {
    "/health".into()
}

fn method() -> String {
    "GET".into()
}

fn status() -> Statuses {
    Statuses(vec![200])
}

impl Plugin for Http {
    const SUMMARY: &'static str = "One request, and what its answer must look like.";
    const SCHEMA: Option<&'static str> = Some(include_str!("../settings.json"));

    fn requests() -> Vec<Request> {
        vec![
            read(
                "http",
                "{scheme}://{target.address}",
                "to ask each target whether it is well",
            ),
            read(
                "http",
                "{scheme}://{target.host}:{port}",
                "the same, on the port given",
            ),
        ]
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.path.starts_with('/') {
            problems.push(problem("/path", "a path begins with a slash"));
        }
        problems.extend(template::problems("/path", &self.path, &[TARGET, RELEASE]));
        if self.status.0.is_empty() {
            problems.push(problem("/status", "no status would be well"));
        }
        for pointer in self.json.keys().filter(|pointer| !pointer.is_empty()) {
            if !pointer.starts_with('/') {
                let place = format!("/json/{}", pointer.replace('~', "~0").replace('/', "~1"));
                problems.push(problem(
                    place,
                    format!("a JSON Pointer begins with a slash: `/{pointer}`"),
                ));
            }
        }
        problems
    }
}

impl HealthCheck for Http {
    fn check(&self, target: &Target, release: &Release) -> Result<Report> {
        let request = self.request(target, release)?;
        let began = call::now();
        let response = match request.send() {
            Ok(response) => response,
            Err(failure) if matches!(&*failure.code, "unavailable" | "timeout" | "rejected") => {
                return Ok(Report::unhealthy(format!(
                    "{}: {}",
                    request.url, failure.message
                )));
            }
            Err(failure) => return Err(failure),
        };
        let latency = Duration(call::now().saturating_sub(began));
        let report = match self.disappointment(&response) {
            Some(message) => Report::unhealthy(format!("{}: {message}", request.url)),
            None => match self.max_latency {
                Some(max) if latency > max => Report::degraded(format!(
                    "{}: answered after {latency}, which is more than {max}",
                    request.url
                )),
                _ => Report::healthy(format!("{}: {}", request.url, response.status)),
            },
        };
        #[expect(clippy::cast_precision_loss, reason = "a latency is far below 2^52 ms")]
        Ok(report.measured("latency-ms", latency.as_ms() as f64))
    }
}

impl Http {
    fn request(&self, target: &Target, release: &Release) -> Result<http::Request> {
        let address = target.address()?;
        let authority = match (self.port, address.rsplit_once(':')) {
            (None, _) => address.to_owned(),
            (Some(port), Some((host, _))) => format!("{host}:{port}"),
            (Some(port), None) => format!("{address}:{port}"),
        };
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let path = Values::new()
            .target(target)
            .release(release)
            .expand(&self.path)?;
        let url = format!("{scheme}://{authority}{path}");
        let mut request = http::Request::new(&self.method, url).timeout(call::remaining());
        if let Some(host) = &self.host {
            request = request.header("host", host);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(ca) = &self.ca {
            request = request.option("ca", ca);
        }
        if let Some(name) = &self.server_name {
            request = request.option("server-name", name);
        }
        if self.insecure {
            request = request.option("verify", "none");
        }
        Ok(request)
    }
}

runtime_sdk::plugin!(health_check: Http, "http");

#[cfg(test)]
mod tests;
