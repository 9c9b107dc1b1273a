//! Answers over HTTP whether the server is alive and ready, and what it counted. Changes nothing,
//! and shows no secret; who may ask is decided by where it listens.

use std::{
    convert::Infallible, fmt, net::SocketAddr, path::PathBuf, str::FromStr, sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use store::{Filter, Store};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    time::{sleep, timeout},
};

use super::{health::Health, metrics::Metrics};
use crate::{
    report::{Problem, Reason},
    system,
};

/// What Prometheus calls the text it reads.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How long a request may take to arrive, so that idle connections do not pile up.
const REQUEST: Duration = Duration::from_secs(10);
/// How long counting waits for the store: then it goes without.
const STORE: Duration = Duration::from_secs(2);
/// Before the next connection is accepted where none could be: too many are open.
const PAUSE: Duration = Duration::from_millis(100);

/// Where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// An address of this machine.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some("") => Err("a path is missing after `unix:`".to_owned()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| {
                "write it like `127.0.0.1:9464`, `[::1]:9464` or `unix:PATH`".to_owned()
            }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What is asked for the answers.
pub(crate) struct Sources {
    /// Whether the server takes work.
    pub(crate) health: Arc<Health>,
    /// What it counted.
    pub(crate) metrics: Arc<Metrics>,
    /// What is not over.
    pub(crate) store: Arc<dyn Store>,
}

/// Something that listens.
pub(crate) enum Listener {
    /// On an address.
    Tcp(TcpListener),
    /// On a socket in the file system.
    Unix(UnixListener),
}

impl Listener {
    /// Listens from here on. A socket that a server left behind is replaced.
    pub(crate) async fn bind(address: &Address) -> Result<Self, Problem> {
        let bound = match address {
            Address::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
            Address::Unix(path) => {
                // Nobody answers there any more: a process that lives would.
                if tokio::net::UnixStream::connect(path).await.is_err() {
                    let _not_there = std::fs::remove_file(path);
                }
                UnixListener::bind(path).map(Self::Unix)
            }
        };
        bound.map_err(|error| {
            let title = format!("nothing can listen on {address}");
            Problem::new(Reason::Refused, title)
                .cause(error)
                .hint("`--listen` names another address")
        })
    }

    /// Where it listens: the port that the system chose, too.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// Answers for as long as it is polled.
    pub(crate) async fn answer(self, sources: Arc<Sources>) {
        loop {
            let accepted = match &self {
                Self::Tcp(listener) => {
                    let accepted = listener.accept().await;
                    accepted.map(|(stream, _)| converse(stream, sources.clone()))
                }
                Self::Unix(listener) => {
                    let accepted = listener.accept().await;
                    accepted.map(|(stream, _)| converse(stream, sources.clone()))
                }
            };
            if accepted.is_err() {
                sleep(PAUSE).await;
            }
        }
    }
}

fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, sources: Arc<Sources>) {
    tokio::spawn(async move {
        let service = service_fn(move |request| {
            let sources = sources.clone();
            async move { Ok::<_, Infallible>(sources.respond(&request).await) }
        });
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(REQUEST);
        // Who breaks off has had enough.
        let _broken_off = server.serve_connection(TokioIo::new(stream), service).await;
    });
}

impl Sources {
    async fn respond(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
            let allowed = hyper::header::HeaderValue::from_static("GET, HEAD");
            refused.headers_mut().insert(ALLOW, allowed);
            return refused;
        }
        match request.uri().path() {
            "/healthz" => response(StatusCode::OK, "alive\n".to_owned()),
            "/readyz" => match self.health.ready() {
                Ok(()) => response(StatusCode::OK, "ready\n".to_owned()),
                Err(why) => response(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
            "/metrics" => {
                let open = Filter {
                    open: true,
                    ..Filter::default()
                };
                let open = self.store.deployments(&open, system::now());
                let open = timeout(STORE, open).await.ok().and_then(Result::ok);
                let mut text = response(StatusCode::OK, self.metrics.text(open.as_deref()));
                let format = hyper::header::HeaderValue::from_static(TEXT_FORMAT);
                text.headers_mut().insert(CONTENT_TYPE, format);
                text
            }
            _ => response(
                StatusCode::NOT_FOUND,
                "there are /healthz, /readyz and /metrics\n".to_owned(),
            ),
        }
    }
}

fn response(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_of_the_machine_or_a_path() {
        let parsed = |text: &str| text.parse::<Address>().map(|address| address.to_string());
        for text in ["127.0.0.1:9464", "[::1]:9464", "unix:/run/runtime/http"] {
            assert_eq!(parsed(text).as_deref(), Ok(text));
        }
        for text in ["9464", "localhost:9464", "unix:", ""] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
