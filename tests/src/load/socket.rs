//! The WebSocket client: says something, and wants to hear it back.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message},
};

use super::counts::Outcome;

/// The longest that an answer, or the connection to one, may take.
const LIMIT: Duration = Duration::from_secs(10);

/// An open WebSocket, and the version at its other end.
pub(super) struct Open {
    stream: WebSocketStream<TcpStream>,
    version: String,
}

/// One message and its echo. A server that says goodbye, as a release that ends does, is no
/// failure: the message goes out again over a new WebSocket. A connection that just breaks is.
pub(super) async fn exchange(kept: &mut Option<Open>, address: &str) -> Outcome {
    match timeout(LIMIT, attempts(kept, address)).await {
        Ok(outcome) => outcome,
        Err(_) => {
            *kept = None;
            Outcome::Failed(format!("no echo within {} s", LIMIT.as_secs()))
        }
    }
}

async fn attempts(kept: &mut Option<Open>, address: &str) -> Outcome {
    let mut reopened = false;
    loop {
        let mut open = match kept.take() {
            Some(open) => open,
            None => match connect(address).await {
                Ok(open) => open,
                Err(error) => return Outcome::Failed(format!("cannot open: {error}")),
            },
        };
        match say(&mut open.stream).await {
            Ok(true) if reopened => {
                let version = open.version.clone();
                *kept = Some(open);
                return Outcome::Reopened(version);
            }
            Ok(true) => {
                let version = open.version.clone();
                *kept = Some(open);
                return Outcome::Answered(version);
            }
            Ok(false) => reopened = true,
            Err(error) => return Outcome::Failed(error.to_string()),
        }
    }
}

async fn connect(address: &str) -> Result<Open, Error> {
    let stream = TcpStream::connect(address).await?;
    let (stream, response) = client_async(format!("ws://{address}/ws"), stream).await?;
    let version = response
        .headers()
        .get("x-version")
        .and_then(|value| value.to_str().ok());
    Ok(Open {
        stream,
        version: version.unwrap_or("unknown").to_owned(),
    })
}

/// Whether the echo came; false where the other side said goodbye.
async fn say(stream: &mut WebSocketStream<TcpStream>) -> Result<bool, Error> {
    let said = Message::text("are you there?");
    // After a goodbye nothing more can be sent; it is still to be read then.
    match stream.send(said.clone()).await {
        Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_)) => {}
        Err(error) => return Err(error),
    }
    loop {
        match stream.next().await {
            Some(Ok(message)) if message == said => return Ok(true),
            Some(Ok(Message::Close(_))) | Some(Err(Error::ConnectionClosed)) => return Ok(false),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error),
            None => return Err(Error::ConnectionClosed),
        }
    }
}
