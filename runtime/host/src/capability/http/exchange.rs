//! One request and its answer over one connection, by HTTP/1.1.

use bytes::Bytes;
use engine::{Code, Failure};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request,
    client::conn::http1,
    header::{ACCEPT, CONNECTION, HOST, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use url::Position;

use super::{BODY_BYTES_MAX, Incoming, Outgoing, connection, options::Options};
use crate::{call::CallState, grants::Origin};

const AGENT: &str = concat!("runtime/", env!("CARGO_PKG_VERSION"));

pub(super) async fn send(
    call: &CallState,
    outgoing: Outgoing,
    options: &Options,
) -> Result<Incoming, Failure> {
    let origin = outgoing.destination.origin.clone();
    let stream = connection::open(call, &origin, options).await?;
    let broken = |error: hyper::Error| {
        let text = format!("{origin} broke off: {}", innermost(&error));
        Failure::new(Code::Unavailable, text).retryable()
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(&broken)?;
    let request = message(outgoing)?;
    let answering = async {
        let response = sender.send_request(request).await.map_err(&broken)?;
        let (parts, mut body) = response.into_parts();
        let mut kept = Vec::new();
        let mut truncated = false;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(&broken)?;
            let Some(data) = frame.data_ref() else {
                continue;
            };
            let room = BODY_BYTES_MAX - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                truncated = true;
                break;
            }
        }
        let status = parts.status.as_u16();
        Ok(Incoming {
            status,
            headers: parts.headers,
            body: kept,
            truncated,
        })
    };
    // The connection is driven from here, so that it ends with the request.
    tokio::pin!(answering);
    tokio::pin!(connection);
    let mut driven = false;
    loop {
        tokio::select! {
            biased;
            answer = &mut answering => return answer,
            // Its end, well or ill, is what the answer then ends with, too.
            _ = &mut connection, if !driven => driven = true,
        }
    }
}

fn message(outgoing: Outgoing) -> Result<Request<Full<Bytes>>, Failure> {
    let Outgoing {
        method,
        destination,
        headers,
        body,
    } = outgoing;
    let url = &destination.url;
    let path = &url[Position::BeforePath..Position::AfterQuery];
    let host = match &destination.origin {
        Origin::Machine { .. } => "localhost",
        Origin::Outside { .. } => &url[Position::BeforeHost..Position::AfterPort],
    };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| Failure::new(Code::Invalid, format!("the request: {error}")))?;
    let own = request.headers_mut();
    let host = HeaderValue::from_str(host)
        .map_err(|_| Failure::new(Code::Invalid, "the URL's host is no header"))?;
    own.insert(HOST, host);
    own.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    own.insert(ACCEPT, HeaderValue::from_static("*/*"));
    let mut last = None;
    for (name, value) in headers {
        // What the plugin says stands in place of ours; a header said twice is sent twice.
        match name {
            Some(name) => {
                own.insert(name.clone(), value);
                last = Some(name);
            }
            None => {
                if let Some(name) = &last {
                    own.append(name.clone(), value);
                }
            }
        }
    }
    own.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

fn innermost(error: &hyper::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
