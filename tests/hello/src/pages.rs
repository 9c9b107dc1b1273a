//! What the application answers.

use std::{
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::json;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{behaviour::Behaviour, socket};

/// The longest that `/slow` takes, however long it is asked to.
const SLOW_MS_MAX: u64 = 60_000;

/// One running release.
pub(crate) struct Application {
    version: String,
    behaviour: Behaviour,
    started: Instant,
    requests: AtomicU64,
    /// Told when the application is to stop.
    pub(crate) stopping: CancellationToken,
    /// Every open WebSocket.
    pub(crate) sockets: TaskTracker,
}

impl Application {
    pub(crate) fn new(version: String, behaviour: Behaviour, started: Instant) -> Self {
        Self {
            version,
            behaviour,
            started,
            requests: AtomicU64::new(0),
            stopping: CancellationToken::new(),
            sockets: TaskTracker::new(),
        }
    }

    /// What it says of itself when it starts and stops.
    pub(crate) fn introduction(&self) -> String {
        format!("hello {}, process {}", self.version, process::id())
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let mut response = match (request.method(), path.as_str()) {
            (&Method::GET, "/health") => self.health(),
            _ if self
                .behaviour
                .fails(self.requests.fetch_add(1, Ordering::Relaxed)) =>
            {
                text(StatusCode::INTERNAL_SERVER_ERROR, "this release is bad\n")
            }
            (&Method::GET, "/") => text(StatusCode::OK, self.introduction() + "\n"),
            (&Method::GET, "/slow") => slow(request.uri().query()).await,
            (&Method::GET, "/ws") => socket::accept(request, self),
            (&Method::POST, "/echo") => echo(request).await,
            _ => text(StatusCode::NOT_FOUND, "nothing here\n"),
        };
        if let Ok(version) = HeaderValue::from_str(&self.version) {
            response.headers_mut().insert("x-version", version);
        }
        response
    }

    fn health(&self) -> Response<Full<Bytes>> {
        let (status, word) = match self.behaviour.healthy(self.started.elapsed()) {
            true => (StatusCode::OK, "ok"),
            false => (StatusCode::SERVICE_UNAVAILABLE, "unhealthy"),
        };
        let body = json!({ "status": word, "version": self.version, "process": process::id() });
        let mut response = text(status, body.to_string());
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

/// An answer with that text as its body.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}

async fn slow(query: Option<&str>) -> Response<Full<Bytes>> {
    let wanted = query
        .and_then(|query| query.strip_prefix("ms="))
        .and_then(|ms| ms.parse().ok());
    let Some(ms) = wanted else {
        return text(StatusCode::BAD_REQUEST, "say how slow: /slow?ms=500\n");
    };
    tokio::time::sleep(Duration::from_millis(SLOW_MS_MAX.min(ms))).await;
    text(StatusCode::OK, "done\n")
}

async fn echo(request: Request<Incoming>) -> Response<Full<Bytes>> {
    match request.into_body().collect().await {
        Ok(body) => text(StatusCode::OK, body.to_bytes()),
        Err(_) => text(StatusCode::BAD_REQUEST, "the body did not arrive\n"),
    }
}
