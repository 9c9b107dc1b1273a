//! `proxy`: the reverse proxy that comes with the program, through its admin API.
//!
//! Where the proxy does not answer it is started, and goes on in the background. A change takes
//! effect in one step when the answer to it comes, and costs no request: shares are of requests,
//! not of connections. The README beside this says what an operator must know.

mod state;

use runtime_sdk::{commands::Command, http::Response, prelude::*};

use crate::state::State;

/// Balances with the reverse proxy that comes with the program.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Proxy {
    /// Where clients connect, as `address:port`.
    #[serde(default = "listen")]
    pub listen: String,
    /// The Unix socket of the admin API; `.runtime/proxy/LISTEN.sock` where neither this nor
    /// `admin-port` is given.
    #[serde(default)]
    pub admin_socket: Option<String>,
    /// The port of the admin API on 127.0.0.1, in place of a socket. Every user of that machine
    /// can reach it.
    #[serde(default)]
    pub admin_port: Option<u16>,
    /// The file that keeps the proxy's state; `.runtime/proxy/LISTEN.json` where none is given.
    #[serde(default)]
    pub state: Option<String>,
    /// With it, clients speak TLS.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Keeps the `X-Forwarded` headers of clients: only behind a balancer of one's own.
    #[serde(default)]
    pub trust_forwarded: bool,
    /// How long an upstream may think before it answers.
    #[serde(default)]
    pub response_timeout: Option<Duration>,
    /// The program on the machine where the proxy runs. `runtime` is, on this machine, this very
    /// program.
    #[serde(default = "program")]
    pub program: String,
}

/// The certificate that clients see.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tls {
    /// The chain in PEM, the server's own certificate first.
    pub certificate: String,
    /// Its private key in PEM.
    pub key: String,
}

fn listen() -> String {
    "127.0.0.1:8080".into()
}

fn program() -> String {
    "runtime".into()
}

/// How long starting the proxy may take: it says itself what is wrong after 20 seconds.
const START_TIMEOUT: Duration = Duration::from_secs(40);

/// How long the proxy may take to answer; a change waits for the disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

impl Plugin for Proxy {
    const SUMMARY: &'static str = "Balances with the reverse proxy that comes with the program.";
    const DETAILS: &'static str = r#"{ "listens": "/listen" }"#;
    const SCHEMA: Option<&'static str> = Some(include_str!("../settings.json"));

    fn requests() -> Vec<Request> {
        let endpoints = [
            "http://machine:[.runtime/proxy/{listen}.sock]",
            "http://machine:[{admin-socket}]",
            "http://machine:{admin-port}",
        ];
        let asked = endpoints.into_iter().flat_map(|endpoint| {
            [
                read("http", endpoint, "to see how the proxy balances"),
                change("http", endpoint, "to change how the proxy balances"),
            ]
        });
        let start = change(
            "commands",
            "{program} proxy start *",
            "to start the proxy where it does not run",
        );
        asked.chain([start]).collect()
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.listen.parse::<std::net::SocketAddr>().is_err() {
            let message = "an address and a port, such as `127.0.0.1:8080` or `0.0.0.0:80`";
            problems.push(problem("/listen", message));
        }
        if self.admin_socket.is_some() && self.admin_port.is_some() {
            let message = "the admin API answers on a socket or on a port, not on both";
            problems.push(problem("/admin-port", message));
        }
        let paths = [
            ("/admin-socket", self.admin_socket.as_ref()),
            ("/state", self.state.as_ref()),
            (
                "/tls/certificate",
                self.tls.as_ref().map(|tls| &tls.certificate),
            ),
            ("/tls/key", self.tls.as_ref().map(|tls| &tls.key)),
        ];
        for (pointer, path) in paths {
            if path.is_some_and(|path| path.is_empty() || path.contains([']', '\0'])) {
                problems.push(problem(pointer, "a path, without `]`"));
            }
        }
        if self.program.trim().is_empty() {
            problems.push(problem("/program", "a program"));
        }
        problems
    }
}

impl LoadBalancer for Proxy {
    fn traits(&self) -> Result<Vec<String>> {
        let traits = [
            "shares",
            "drains",
            "counts-active",
            "reads-running-state",
            "lossless",
            "weight-steps=10000",
        ];
        Ok(traits.map(str::to_owned).to_vec())
    }

    fn read(&self, _: &[Target]) -> Result<Reading> {
        let answer = match self.ask(&http::get(self.url())) {
            // A proxy that may not be started now, since nothing may be changed, serves nobody.
            Err(failure) if failure.is("denied") => return Ok(state::nothing()),
            answer => answer?,
        };
        Ok(state::reading(&accepted(answer)?.json()?))
    }

    fn apply(&self, desired: &Desired) -> Result<()> {
        let mut request = http::put(self.url()).json(&State::of(desired)?)?;
        if let Some(expected) = &desired.expected {
            request = request.header("if-match", format!("\"{expected}\""));
        }
        accepted(self.ask(&request)?).map(drop)
    }
}

impl Proxy {
    /// The proxy's answer; where nobody answers, that of a proxy that was started for it.
    fn ask(&self, request: &http::Request) -> Result<Response> {
        let request = request.clone().timeout(ANSWER_TIMEOUT);
        match request.send() {
            Err(failure) if failure.is("unavailable") => {
                logs::info!("the proxy does not answer, and is started");
                let started = self.start().succeed();
                started.map_err(|failure| failure.during("the proxy could not be started"))?;
                request
                    .send()
                    .map_err(|failure| failure.during("the proxy was started, but"))
            }
            answered => answered,
        }
    }

    fn start(&self) -> Command {
        let mut command = Command::new(&self.program)
            .arguments(&["proxy", "start", "--listen", &self.listen])
            .arguments(&["--admin", &self.admin()])
            .arguments(&["--state", &self.state()])
            .timeout(START_TIMEOUT);
        if let Some(tls) = &self.tls {
            command = command
                .arguments(&["--tls-certificate", &tls.certificate])
                .arguments(&["--tls-key", &tls.key]);
        }
        if let Some(timeout) = self.response_timeout {
            let timeout = format!("{}ms", timeout.as_ms());
            command = command.arguments(&["--response-timeout", &timeout]);
        }
        if self.trust_forwarded {
            command = command.argument("--trust-forwarded");
        }
        command
    }

    fn state(&self) -> String {
        let usual = || format!(".runtime/proxy/{}.json", self.listen);
        self.state.clone().unwrap_or_else(usual)
    }

    fn socket(&self) -> String {
        let usual = || format!(".runtime/proxy/{}.sock", self.listen);
        self.admin_socket.clone().unwrap_or_else(usual)
    }

    /// The admin endpoint, as the program takes it.
    fn admin(&self) -> String {
        match self.admin_port {
            Some(port) => format!("127.0.0.1:{port}"),
            None => format!("unix:{}", self.socket()),
        }
    }

    fn url(&self) -> String {
        let authority = match self.admin_port {
            Some(port) => format!("machine:{port}"),
            None => format!("machine:[{}]", self.socket()),
        };
        format!("http://{authority}/v1/state")
    }
}

/// The answer, if it is no refusal.
fn accepted(answer: Response) -> Result<Response> {
    let said = || {
        let error = answer
            .json::<Value>()
            .ok()
            .map(|body| body["error"].clone());
        let text = error.as_ref().and_then(Value::as_str).map(str::to_owned);
        format!("the proxy: {}", text.unwrap_or_else(|| answer.text()))
    };
    match answer.status {
        412 => Err(Failure::conflict(said())),
        400 | 422 => Err(Failure::invalid(said())),
        507 => Err(Failure::rejected(said())),
        _ => answer.success(),
    }
}

runtime_sdk::plugin!(load_balancer: Proxy, "proxy");

#[cfg(test)]
mod tests;
