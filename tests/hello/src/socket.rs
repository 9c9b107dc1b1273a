//! The WebSocket that says back what it is told, until the application stops.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};
use tokio_util::sync::CancellationToken;

use crate::pages::{self, Application};

/// Answers the request to upgrade; the echoing begins once the answer is out.
pub(crate) fn accept(
    mut request: Request<Incoming>,
    application: &Application,
) -> Response<Full<Bytes>> {
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        return pages::text(StatusCode::BAD_REQUEST, "this is a WebSocket\n");
    };
    let accepted = derive_accept_key(key.as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    let stopping = application.stopping.clone();
    application.sockets.spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            echo(upgraded, stopping).await;
        }
    });
    let mut response = pages::text(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accepted = HeaderValue::from_str(&accepted).expect("base64 is a header's value");
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accepted);
    response
}

async fn echo(upgraded: Upgraded, stopping: CancellationToken) {
    let mut socket =
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            () = stopping.cancelled() => break,
        };
        let Some(Ok(message)) = message else { return };
        let echoed = matches!(message, Message::Text(_) | Message::Binary(_));
        if echoed && socket.send(message).await.is_err() {
            return;
        }
    }
    let farewell = CloseFrame {
        code: CloseCode::Away,
        reason: "stopping".into(),
    };
    if socket.close(Some(farewell)).await.is_ok() {
        // The other side answers with a close of its own, and the connection ends.
        while let Some(Ok(_)) = socket.next().await {}
    }
}
