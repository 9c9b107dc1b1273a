//! What a proxy is told when it starts. Arguments are parsed elsewhere; here they are only
//! written, so that `start` runs the program with the very options it was given.

use std::{
    ffi::OsString,
    fmt,
    net::SocketAddr,
    num::NonZero,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

/// How long requests under way get to end when the proxy stops or hands over, where nothing is
/// said. The same as the drain limit of a deployment.
pub const GRACE: Duration = Duration::from_secs(30);

/// How long an upstream may think before it answers, where nothing is said; what nginx grants.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// How a proxy runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where clients connect.
    pub listen: Vec<SocketAddr>,
    /// With it, all of `listen` speaks TLS.
    pub tls: Option<Tls>,
    /// Where the admin API answers.
    pub admin: Admin,
    /// The file that keeps the state. A log, a lock and a socket for the handover stand beside it.
    pub state: PathBuf,
    /// Threads that carry requests; where none are given, as many as there are processors.
    pub workers: Option<NonZero<usize>>,
    /// How long requests under way get to end when the proxy stops or hands over.
    pub grace: Duration,
    /// How long an upstream may think before it answers, counted from the request's last byte.
    pub response_timeout: Duration,
    /// Whether `X-Forwarded-*` headers of clients are kept: only behind a balancer of one's own.
    pub trust_forwarded: bool,
    /// Takes the listening sockets over from the proxy that runs with the same state.
    pub take_over: bool,
    /// Leaves the session it was started in, so that a terminal's end does not reach it.
    pub detach: bool,
}

/// The certificate that clients see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The chain in PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
}

/// Where the admin API answers: for this machine only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// A loopback address.
    Tcp(SocketAddr),
    /// A Unix socket that only its owner can open.
    Unix(PathBuf),
}

/// An admin endpoint that would let others in, or is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// Neither form.
    #[error(
        "`{0}` is no admin endpoint: write `unix:PATH` or a loopback address as `127.0.0.1:9000`"
    )]
    Form(String),
    /// An address that other machines can reach.
    #[error(
        "the admin API has no passwords, so it answers on loopback or a Unix socket only, not on {0}"
    )]
    NotLoopback(SocketAddr),
}

impl Options {
    /// Options with defaults for all that has one.
    pub fn new(listen: Vec<SocketAddr>, admin: Admin, state: impl Into<PathBuf>) -> Self {
        Self {
            listen,
            tls: None,
            admin,
            state: state.into(),
            workers: None,
            grace: GRACE,
            response_timeout: RESPONSE_TIMEOUT,
            trust_forwarded: false,
            take_over: false,
            detach: false,
        }
    }

    /// The arguments of `runtime proxy run` that mean these options.
    pub fn to_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        for address in &self.listen {
            add("--listen", address.to_string().into());
        }
        add("--admin", self.admin.to_argument());
        add("--state", self.state.clone().into());
        if let Some(tls) = &self.tls {
            add("--tls-certificate", tls.certificate.clone().into());
            add("--tls-key", tls.key.clone().into());
        }
        if let Some(workers) = self.workers {
            add("--workers", workers.to_string().into());
        }
        if self.grace != GRACE {
            add("--grace", in_ms(self.grace));
        }
        if self.response_timeout != RESPONSE_TIMEOUT {
            add("--response-timeout", in_ms(self.response_timeout));
        }
        for (flag, set) in [
            ("--trust-forwarded", self.trust_forwarded),
            ("--take-over", self.take_over),
            ("--detach", self.detach),
        ] {
            if set {
                arguments.push(flag.into());
            }
        }
        arguments
    }

    /// The same, wherever they are read: no path depends on the working directory.
    pub(crate) fn settled(&self) -> Self {
        Self {
            admin: self.admin.settled(),
            state: absolute(&self.state),
            tls: self.tls.as_ref().map(|tls| Tls {
                certificate: absolute(&tls.certificate),
                key: absolute(&tls.key),
            }),
            ..self.clone()
        }
    }

    /// The arguments that say how it runs, without those that say how it comes to run.
    pub(crate) fn essence(&self) -> Vec<String> {
        let lasting = Self {
            take_over: false,
            detach: false,
            ..self.clone()
        };
        let texts = lasting.to_arguments().into_iter();
        texts
            .map(|each| each.to_string_lossy().into_owned())
            .collect()
    }
}

impl Admin {
    pub(crate) fn settled(&self) -> Self {
        match self {
            Self::Tcp(address) => Self::Tcp(*address),
            Self::Unix(path) => Self::Unix(absolute(path)),
        }
    }

    fn to_argument(&self) -> OsString {
        match self {
            Self::Tcp(address) => address.to_string().into(),
            Self::Unix(path) => {
                let mut argument = OsString::from("unix:");
                argument.push(path);
                argument
            }
        }
    }

    /// Refuses an address that other machines can reach.
    pub fn check(&self) -> Result<(), AdminError> {
        match self {
            Self::Tcp(address) if !address.ip().is_loopback() => {
                Err(AdminError::NotLoopback(*address))
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for Admin {
    type Err = AdminError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let admin = match text.strip_prefix("unix:") {
            Some("") => return Err(AdminError::Form(text.into())),
            Some(path) => Self::Unix(path.into()),
            None => Self::Tcp(text.parse().map_err(|_| AdminError::Form(text.into()))?),
        };
        admin.check()?;
        Ok(admin)
    }
}

impl fmt::Display for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    // Fails only where there is no working directory any more; then the path is of no use anyway.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn in_ms(duration: Duration) -> OsString {
    format!("{}ms", duration.as_millis()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_administer() {
        for text in ["127.0.0.1:9000", "[::1]:9000", "unix:a/b.sock"] {
            assert_eq!(text.parse::<Admin>().unwrap().to_string(), text);
        }
        for text in ["0.0.0.0:9000", "10.0.0.1:9000", "[::]:1"] {
            let refused = text.parse::<Admin>();
            assert!(matches!(refused, Err(AdminError::NotLoopback(_))), "{text}");
        }
        for text in ["", "unix:", "localhost", "9000"] {
            assert!(
                matches!(text.parse::<Admin>(), Err(AdminError::Form(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn only_what_was_said_is_said_again() {
        let listen = vec!["127.0.0.1:80".parse().unwrap(), "[::1]:80".parse().unwrap()];
        let mut options = Options::new(listen, Admin::Unix("a.sock".into()), "state.json");
        let plain =
            "--listen 127.0.0.1:80 --listen [::1]:80 --admin unix:a.sock --state state.json";
        let said = |options: &Options| {
            let arguments = options.to_arguments();
            let texts: Vec<_> = arguments
                .iter()
                .map(|each| each.to_str().unwrap())
                .collect();
            texts.join(" ")
        };
        assert_eq!(said(&options), plain);
        options.workers = NonZero::new(3);
        options.grace = Duration::from_millis(1500);
        options.take_over = true;
        assert_eq!(
            said(&options),
            format!("{plain} --workers 3 --grace 1500ms --take-over")
        );
    }
}
