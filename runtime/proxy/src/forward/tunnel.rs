//! Requests that turn their connection into another protocol's, WebSocket above all.

use std::sync::Arc;

use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CONNECTION, UPGRADE},
};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::{Answer, Client, Failed, Fault, Forward, MEMBERS_MAX, Ready, headers};
use crate::router::{Upstream, count};

impl Forward {
    pub(super) async fn upgrade(
        &self,
        mut request: Request<Incoming>,
        client: &Client,
    ) -> Result<Response<Answer>, Fault> {
        let ours = hyper::upgrade::on(&mut request);
        let protocol = request.headers().get(UPGRADE).cloned();
        let (mut parts, body) = request.into_parts();
        let version = parts.version;
        headers::to_member(&mut parts, version, client).map_err(Fault::Malformed)?;
        if let Some(protocol) = protocol {
            parts.headers.insert(UPGRADE, protocol);
            parts
                .headers
                .insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        let mut ready = Ready::new(parts, body);
        let mut tried: Vec<Arc<Upstream>> = Vec::new();
        while tried.len() < MEMBERS_MAX {
            let Some(hold) = self.router.pick(&tried) else {
                break;
            };
            let connected = hold.upstream().connect_to_upgrade().await;
            self.router
                .note_reachable(hold.upstream(), connected.is_ok());
            let Ok(mut connection) = connected else {
                count(&self.router.counters().retries);
                tried.push(Arc::clone(hold.upstream()));
                continue;
            };
            let Some(request) = ready.take() else {
                break;
            };
            let sent = connection.try_send_request(request);
            let mut response = match self.wait(sent, ready.progress.as_deref()).await {
                Some(Ok(response)) => response,
                Some(Err(error)) => {
                    if matches!(ready.recover(error), Failed::Unsent) {
                        tried.push(Arc::clone(hold.upstream()));
                        continue;
                    }
                    hold.failed();
                    return Err(Fault::Unanswered);
                }
                None => {
                    hold.failed();
                    return Err(Fault::Timeout);
                }
            };
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                return Ok(self.respond(response, connection, hold, ready));
            }
            hold.answered(response.status());
            let theirs = hyper::upgrade::on(&mut response);
            tokio::spawn(async move {
                if let (Ok(ours), Ok(theirs)) = tokio::join!(ours, theirs) {
                    let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
                    // However it ends, it has ended.
                    let _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await;
                }
                drop(hold);
            });
            return Ok(switched(response));
        }
        if tried.is_empty() {
            count(&self.router.counters().unserved);
            Err(Fault::Unserved)
        } else {
            count(&self.router.counters().failed);
            Err(Fault::Unanswered)
        }
    }
}

/// The member's answer to the client, which has the headers of the new protocol in it.
fn switched(response: Response<Incoming>) -> Response<Answer> {
    let (mut parts, _) = response.into_parts();
    let protocol = parts.headers.get(UPGRADE).cloned();
    headers::to_client(&mut parts);
    if let Some(protocol) = protocol {
        parts.headers.insert(UPGRADE, protocol);
        parts
            .headers
            .insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    Response::from_parts(parts, Answer::empty())
}
