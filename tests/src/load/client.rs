//! One HTTP client: how it connects, and what it does when a connection is gone.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::{
    SLOW_MS,
    counts::{Kind, Outcome},
};

/// The longest that one request may take before it counts as failed.
const LIMIT: Duration = Duration::from_secs(10);

/// What is posted, and must come back.
const BODY: &[u8] = b"one request among many";

pub(super) struct Client {
    kind: Kind,
    address: String,
    kept: Option<SendRequest<Full<Bytes>>>,
}

/// Why there is no answer.
struct Failed {
    why: String,
    /// Nothing of the request can have been answered, because nothing of it was sent.
    unsent: bool,
}

impl Client {
    pub(super) fn new(kind: Kind, address: String) -> Self {
        Self {
            kind,
            address,
            kept: None,
        }
    }

    /// Makes one request, and says how it went.
    pub(super) async fn request(&mut self) -> Outcome {
        match timeout(LIMIT, self.attempts()).await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.kept = None;
                Outcome::Failed(format!("no answer within {} s", LIMIT.as_secs()))
            }
        }
    }

    async fn attempts(&mut self) -> Outcome {
        let reused = self.kept.is_some();
        let failed = match self.attempt().await {
            Ok(outcome) => return outcome,
            Err(failed) => failed,
        };
        // What was not sent may always be sent again; what was, only by those who retry, and
        // only where the connection was an old one.
        if reused && (failed.unsent || self.kind == Kind::RetryingGet) {
            return self
                .attempt()
                .await
                .unwrap_or_else(|failed| Outcome::Failed(failed.why));
        }
        Outcome::Failed(failed.why)
    }

    async fn attempt(&mut self) -> Result<Outcome, Failed> {
        let mut connection = match self.kept.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let sent = |error: hyper::Error| Failed {
            unsent: error.is_canceled(),
            why: tell(&error),
        };
        connection.ready().await.map_err(|error| Failed {
            unsent: true,
            why: tell(&error),
        })?;
        let response = connection
            .send_request(self.compose())
            .await
            .map_err(sent)?;
        let status = response.status();
        let version = response
            .headers()
            .get("x-version")
            .and_then(|value| value.to_str().ok());
        let version = version.unwrap_or("unknown").to_owned();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(sent)?
            .to_bytes();
        if self.kind.keeps() {
            self.kept = Some(connection);
        }
        Ok(
            match (status.is_success(), self.kind.posts() && body != BODY) {
                (true, false) => Outcome::Answered(version),
                (true, true) => Outcome::Failed("another body came back".into()),
                (false, _) => Outcome::Failed(format!("status {}", status.as_u16())),
            },
        )
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failed> {
        let failed = |why: String| Failed { unsent: true, why };
        let stream = TcpStream::connect(&self.address)
            .await
            .map_err(|error| failed(format!("cannot connect: {}", error.kind())))?;
        let _ = stream.set_nodelay(true);
        let (connection, driver) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(tell(&error)))?;
        // How the connection ends is seen by the requests on it.
        tokio::spawn(async move {
            let _ = driver.await;
        });
        Ok(connection)
    }

    fn compose(&self) -> Request<Full<Bytes>> {
        let (method, path, body) = match self.kind {
            _ if self.kind.posts() => (Method::POST, "/echo".to_owned(), BODY),
            Kind::SlowGet => (Method::GET, format!("/slow?ms={SLOW_MS}"), &b""[..]),
            _ => (Method::GET, "/".to_owned(), &b""[..]),
        };
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::HOST, &self.address);
        let request = match self.kind.keeps() {
            true => request,
            false => request.header(header::CONNECTION, "close"),
        };
        request
            .body(Full::new(Bytes::from_static(body)))
            .expect("the request is well formed")
    }
}

/// The error with its causes, which say what really happened.
fn tell(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
