//! One request's way: to a member, on to another where it was not sent yet or may be sent twice,
//! and its answer back.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER},
};
use hyper::body::{Body, Incoming};
use hyper::client::conn::TrySendError;

use crate::router::{Connection, Hold, Reuse, Router, Upstream, count};

mod answer;
mod headers;
mod tunnel;
mod upload;

pub(crate) use answer::Answer;
pub(crate) use headers::Client;
pub(crate) use upload::Upload;

/// At how many members a request is tried. A fleet where three in a row do not answer is down.
const MEMBERS_MAX: usize = 3;

/// How many connections that turn out to be closed are passed over at one member before a new one
/// is made.
const STALE_MAX: usize = 2;

/// What forwarding needs on one thread.
pub(crate) struct Forward {
    pub(crate) router: Arc<Router>,
    pub(crate) worker: usize,
    pub(crate) response_timeout: Duration,
}

/// A request, ready to be sent; and to be sent again, where that does no harm.
struct Ready {
    request: Option<Request<Upload>>,
    again: Option<Again>,
    progress: Option<Arc<upload::Progress>>,
}

struct Again {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

/// Why there is no answer.
enum Fault {
    /// No member is ready.
    Unserved,
    /// No member could be reached, or none answered.
    Unanswered,
    /// A member thinks for too long.
    Timeout,
    /// The request is not one that can be sent on.
    Malformed(&'static str),
}

/// How an attempt at a member ended without an answer.
enum Failed {
    /// The request was not sent, and is still there.
    Unsent,
    /// It may have been received.
    Lost,
    /// It was received, as far as one can tell.
    Timeout,
}

impl Forward {
    /// Answers a request: with a member's answer, or a short text that says why there is none.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        client: Arc<Client>,
    ) -> Result<Response<Answer>, Infallible> {
        count(&self.router.counters().requests);
        let version = request.version();
        let answered = if headers::wants_upgrade(&request) {
            self.upgrade(request, &client).await
        } else {
            self.forward(request, &client).await
        };
        let mut response = answered.unwrap_or_else(Fault::response);
        client.finish(&mut response, version);
        Ok(response)
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
        client: &Client,
    ) -> Result<Response<Answer>, Fault> {
        let version = request.version();
        let (mut parts, body) = request.into_parts();
        headers::to_member(&mut parts, version, client).map_err(Fault::Malformed)?;
        let mut ready = Ready::new(parts, body);
        let mut tried: Vec<Arc<Upstream>> = Vec::new();
        let mut last = Fault::Unserved;
        while tried.len() < MEMBERS_MAX {
            let Some(hold) = self.router.pick(&tried) else {
                break;
            };
            match self.attempt(&hold, &mut ready).await {
                Ok((response, connection)) => {
                    return Ok(self.respond(response, connection, hold, ready));
                }
                Err(Failed::Timeout) => {
                    hold.failed();
                    return Err(Fault::Timeout);
                }
                Err(failed) => {
                    last = Fault::Unanswered;
                    if matches!(failed, Failed::Lost) && ready.request.is_none() {
                        hold.failed();
                        return Err(last);
                    }
                    count(&self.router.counters().retries);
                    tried.push(Arc::clone(hold.upstream()));
                }
            }
        }
        if matches!(last, Fault::Unserved) {
            count(&self.router.counters().unserved);
        } else {
            count(&self.router.counters().failed);
        }
        Err(last)
    }

    /// Sends the request to one member.
    async fn attempt(
        &self,
        hold: &Hold,
        ready: &mut Ready,
    ) -> Result<(Response<Incoming>, Connection), Failed> {
        let upstream = hold.upstream();
        let mut reuse = ready.reuse();
        let mut stale = 0;
        loop {
            let (mut connection, reused) = match upstream.take_idle(self.worker, reuse) {
                Some(connection) => (connection, true),
                None => match self.connect(upstream).await {
                    Ok(connection) => (connection, false),
                    Err(_) => return Err(Failed::Unsent),
                },
            };
            if connection.ready().await.is_err() && reused {
                reuse = next_reuse(&mut stale, reuse);
                continue;
            }
            let request = ready.take().ok_or(Failed::Lost)?;
            let sent = connection.try_send_request(request);
            match self.wait(sent, ready.progress.as_deref()).await {
                None => return Err(Failed::Timeout),
                Some(Ok(response)) => return Ok((response, connection)),
                Some(Err(error)) => match ready.recover(error) {
                    Failed::Unsent if reused => reuse = next_reuse(&mut stale, reuse),
                    // Where it was lost on a connection that was idle before, the member most
                    // likely closed it just then.
                    Failed::Lost if reused && ready.request.is_some() => reuse = Reuse::Never,
                    failed => return Err(failed),
                },
            }
        }
    }

    async fn connect(&self, upstream: &Upstream) -> io::Result<Connection> {
        let connected = upstream.connect().await;
        self.router.note_reachable(upstream, connected.is_ok());
        connected
    }

    /// Waits for the answer, for as long as the request is still on its way and a while longer.
    async fn wait<F: Future>(
        &self,
        sent: F,
        progress: Option<&upload::Progress>,
    ) -> Option<F::Output> {
        let mut sent = std::pin::pin!(sent);
        loop {
            let before = progress.map(upload::Progress::read);
            if let Ok(output) = tokio::time::timeout(self.response_timeout, sent.as_mut()).await {
                return Some(output);
            }
            // A body that stalls ends by a limit of its own.
            let now = progress.map(upload::Progress::read);
            if now == before && progress.is_none_or(upload::Progress::is_complete) {
                return None;
            }
        }
    }

    fn respond(
        &self,
        response: Response<Incoming>,
        connection: Connection,
        hold: Hold,
        ready: Ready,
    ) -> Response<Answer> {
        hold.answered(response.status());
        let (mut parts, body) = response.into_parts();
        headers::to_client(&mut parts);
        let answer = Answer::streamed(body, hold, connection, self.worker, ready.progress);
        Response::from_parts(parts, answer)
    }
}

fn next_reuse(stale: &mut usize, reuse: Reuse) -> Reuse {
    *stale += 1;
    if *stale < STALE_MAX {
        reuse
    } else {
        Reuse::Never
    }
}

impl Ready {
    fn new(parts: http::request::Parts, body: Incoming) -> Self {
        let empty = body.is_end_stream();
        // Idempotent by RFC 9110 section 9.2.2; and nothing of a body is kept to be sent again.
        let repeatable = empty && parts.method.is_idempotent();
        let again = repeatable.then(|| Again {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
        });
        let (upload, progress) = Upload::new(body);
        let request = Request::from_parts(parts, upload);
        Self {
            request: Some(request),
            again,
            progress,
        }
    }

    fn reuse(&self) -> Reuse {
        if self.again.is_some() {
            Reuse::Any
        } else {
            Reuse::Recent
        }
    }

    fn take(&mut self) -> Option<Request<Upload>> {
        self.request.take()
    }

    /// Has the request back after a failure, where that can be.
    fn recover(&mut self, mut error: TrySendError<Request<Upload>>) -> Failed {
        if let Some(request) = error.take_message() {
            self.request = Some(request);
            return Failed::Unsent;
        }
        if let Some(again) = &self.again {
            let mut request = Request::new(Upload::empty());
            *request.method_mut() = again.method.clone();
            *request.uri_mut() = again.uri.clone();
            *request.headers_mut() = again.headers.clone();
            self.request = Some(request);
        }
        Failed::Lost
    }
}

impl Fault {
    fn response(self) -> Response<Answer> {
        let (status, text) = match self {
            Self::Unserved => (
                StatusCode::SERVICE_UNAVAILABLE,
                "no target is ready to answer\n",
            ),
            Self::Unanswered => (StatusCode::BAD_GATEWAY, "the target did not answer\n"),
            Self::Timeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "the target did not answer in time\n",
            ),
            Self::Malformed(why) => (StatusCode::BAD_REQUEST, why),
        };
        let mut response = Response::new(Answer::text(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"))
            }
            // Whoever sends such a thing may see requests where we see none.
            StatusCode::BAD_REQUEST => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"))
            }
            _ => None,
        };
        response
    }
}
