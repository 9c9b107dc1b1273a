//! The admin API, for this machine only: reads and replaces the state, and tells how it goes.

use std::{convert::Infallible, io, num::ParseIntError, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, ETAG, HOST, IF_MATCH, ORIGIN, RETRY_AFTER},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
    task::spawn_blocking,
};

use crate::{
    control::{Process, Status},
    handover::Predecessor,
    router::{Refusal, Router},
    sockets::AdminListener,
    state::{BYTES_MAX, State, StateError, StateFile, VERSION},
};

mod metrics;

/// How long a client of the API may take for a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long taking connections rests after a failure.
const REST: Duration = Duration::from_millis(50);

type Answer = Response<Full<Bytes>>;

/// The admin API.
pub(crate) struct Api {
    pub(crate) router: Arc<Router>,
    pub(crate) file: StateFile,
    pub(crate) process: Process,
    pub(crate) predecessor: Arc<Predecessor>,
    /// Told when the proxy shall end.
    pub(crate) stop: Arc<Notify>,
}

impl Api {
    /// Answers on the listener, until dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: AdminListener) -> io::Result<Infallible> {
        match listener {
            AdminListener::Unix(listener) => {
                let listener = tokio::net::UnixListener::from_std(listener)?;
                loop {
                    match listener.accept().await {
                        Ok((stream, _)) => Arc::clone(&self).speak(stream, false),
                        Err(_) => tokio::time::sleep(REST).await,
                    }
                }
            }
            AdminListener::Tcp(listener) => {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                loop {
                    match listener.accept().await {
                        Ok((stream, _)) => Arc::clone(&self).speak(stream, true),
                        Err(_) => tokio::time::sleep(REST).await,
                    }
                }
            }
        }
    }

    fn speak<S>(self: Arc<Self>, stream: S, browsable: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(move |request| {
            let api = Arc::clone(&self);
            async move {
                let refused = browsable
                    .then(|| refuse_browsers(request.headers()))
                    .flatten();
                let answer = match refused {
                    Some(refused) => refused,
                    None => api.answer(request).await,
                };
                Ok::<_, Infallible>(answer)
            }
        });
        // A connection a request: one that is kept would go on asking a process that has handed
        // over to another.
        let mut builder = http1::Builder::new();
        builder
            .keep_alive(false)
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIMEOUT);
        tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        match (request.method(), path.as_str()) {
            (&Method::GET, "/v1/state") => self.read().await,
            (&Method::PUT, "/v1/state") => self.write(request).await,
            (&Method::GET, "/healthz") => {
                let Process { pid, program, .. } = &self.process;
                said(
                    StatusCode::OK,
                    &json!({"status": "ok", "pid": pid, "program": program}),
                )
            }
            (&Method::GET, "/metrics") => {
                let mut answer = Response::new(metrics::text(&self.router).into());
                let kind = HeaderValue::from_static("text/plain; version=0.0.4");
                answer.headers_mut().insert(CONTENT_TYPE, kind);
                answer
            }
            (&Method::POST, "/v1/stop") => {
                self.stop.notify_one();
                said(
                    StatusCode::ACCEPTED,
                    &json!({"grace_ms": self.process.grace_ms}),
                )
            }
            (_, "/v1/state") => wrong_method("GET, PUT"),
            (_, "/healthz" | "/metrics") => wrong_method("GET"),
            (_, "/v1/stop") => wrong_method("POST"),
            _ => error(StatusCode::NOT_FOUND, "there is nothing at this path"),
        }
    }

    async fn read(&self) -> Answer {
        let status = self.status().await;
        let mut answer = said(StatusCode::OK, &status);
        answer.headers_mut().insert(ETAG, tag(status.revision));
        answer
    }

    /// What is asked of the process that this one took over from counts here, too.
    async fn status(&self) -> Status {
        let report = self.router.report();
        let mut status = Status {
            version: VERSION,
            revision: report.state.revision,
            pools: report.pools,
            routes: report.state.routes,
            ready: report.ready,
            totals: report.totals,
            process: self.process.clone(),
        };
        let predecessor = Arc::clone(&self.predecessor);
        let active = if predecessor.is_there() {
            spawn_blocking(move || predecessor.active())
                .await
                .ok()
                .flatten()
        } else {
            None
        };
        if let Some(active) = active {
            status.process.predecessor = true;
            for member in status.pools.iter_mut().flat_map(|pool| &mut pool.members) {
                let same = active.iter().filter(|other| {
                    other.target == member.target && other.address == member.address
                });
                member.active += same.map(|other| other.active).sum::<u64>();
            }
            status.totals.active += active.iter().map(|other| other.active).sum::<u64>();
        }
        status
    }

    async fn write(&self, request: Request<Incoming>) -> Answer {
        let Ok(expected) = expected(request.headers()) else {
            return error(StatusCode::BAD_REQUEST, "If-Match is not a revision");
        };
        let body = match received(request.into_body()).await {
            Ok(body) => body,
            Err(status) => {
                return error(status, "the state is too large, or did not arrive in time");
            }
        };
        let state = match State::parse(&body) {
            Ok(state) => state,
            Err(wrong @ StateError::Content(_)) => {
                return error(StatusCode::UNPROCESSABLE_ENTITY, &wrong.to_string());
            }
            Err(wrong) => return error(StatusCode::BAD_REQUEST, &wrong.to_string()),
        };
        let (router, file) = (Arc::clone(&self.router), self.file.clone());
        let predecessor = Arc::clone(&self.predecessor);
        // The disk may take its time.
        let applied = spawn_blocking(move || {
            let revision = router.apply(state, expected, &file)?;
            predecessor.follow(&router.report().state);
            Ok(revision)
        });
        match applied.await {
            Ok(Ok(revision)) => {
                tracing::info!(revision, "state applied");
                let mut answer = said(StatusCode::OK, &json!({"revision": revision}));
                answer.headers_mut().insert(ETAG, tag(revision));
                answer
            }
            Ok(Err(refusal)) => refused(&refusal),
            Err(_) => error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the state could not be applied",
            ),
        }
    }
}

/// All of a body that is no larger than any state may be.
async fn received(body: Incoming) -> Result<Bytes, StatusCode> {
    // What says beforehand that it is too large need not be sent.
    if body.size_hint().lower() > BYTES_MAX {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let limit = usize::try_from(BYTES_MAX).unwrap_or(usize::MAX);
    match tokio::time::timeout(REQUEST_TIMEOUT, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

fn refused(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::Conflict { current } => {
            let message = format!("the state was changed meanwhile; it is now revision {current}");
            let body = json!({"error": message, "revision": current});
            let mut answer = said(StatusCode::PRECONDITION_FAILED, &body);
            answer.headers_mut().insert(ETAG, tag(*current));
            answer
        }
        Refusal::Frozen => {
            let mut answer = error(
                StatusCode::SERVICE_UNAVAILABLE,
                "another process is taking over; ask again",
            );
            answer
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
            answer
        }
        Refusal::Unkept(cause) => {
            tracing::error!(error = %cause, "the state could not be kept");
            let message =
                format!("nothing was changed, since the state could not be kept: {cause}");
            error(StatusCode::INSUFFICIENT_STORAGE, &message)
        }
    }
}

/// The revision that the client goes by.
fn expected(headers: &HeaderMap) -> Result<Option<u64>, ParseIntError> {
    let Some(value) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let quoted = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    quoted.unwrap_or(text).parse().map(Some)
}

/// A web page must not get at the API, be it by a name that resolves to loopback or from within
/// a page that is open in this machine's browser.
fn refuse_browsers(headers: &HeaderMap) -> Option<Answer> {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let local = name == "localhost"
        || name
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    if local && !headers.contains_key(ORIGIN) {
        return None;
    }
    Some(error(
        StatusCode::FORBIDDEN,
        "the admin API is not for web pages, and goes by loopback addresses only",
    ))
}

fn tag(revision: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{revision}\"")).expect("digits and quotes")
}

fn said(status: StatusCode, body: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(body).expect("what is said has text keys and finite numbers");
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn error(status: StatusCode, message: &str) -> Answer {
    said(status, &json!({"error": message}))
}

fn wrong_method(allowed: &'static str) -> Answer {
    let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, "not with this method");
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_pages_are_refused() {
        let refused = |pairs: &[(http::HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(name, HeaderValue::from_static(value));
            }
            refuse_browsers(&headers).is_some()
        };
        for host in ["127.0.0.1:9000", "localhost", "localhost:1", "[::1]:9000"] {
            assert!(!refused(&[(HOST, host)]), "{host}");
            assert!(
                refused(&[(HOST, host), (ORIGIN, "http://localhost")]),
                "{host}"
            );
        }
        for host in [
            "evil.example:9000",
            "10.0.0.1",
            "",
            "localhost.evil.example",
        ] {
            assert!(refused(&[(HOST, host)]), "{host}");
        }
    }
}
