//! One request to an admin API.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header::HOST};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::{Admin, ProxyError};

/// How long a proxy may take to answer: it is on this machine, and asks its predecessor at most.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of an answer that is no success goes into the error.
const EXCERPT: usize = 300;

/// The body of a successful answer.
pub(super) async fn ask(admin: &Admin, method: Method, path: &str) -> Result<Bytes, ProxyError> {
    let unreachable = |source| ProxyError::Unreachable {
        admin: admin.to_string(),
        source,
    };
    let asked = async {
        match admin {
            Admin::Tcp(address) => {
                let stream = TcpStream::connect(address).await.map_err(unreachable)?;
                send(stream, admin, address.to_string(), method, path).await
            }
            Admin::Unix(socket) => {
                let stream = UnixStream::connect(socket).await.map_err(unreachable)?;
                send(stream, admin, "localhost".into(), method, path).await
            }
        }
    };
    match timeout(ANSWER_TIMEOUT, asked).await {
        Ok(answered) => answered,
        Err(_) => Err(failed(admin, "nothing in time")),
    }
}

async fn send<S>(
    stream: S,
    admin: &Admin,
    host: String,
    method: Method,
    path: &str,
) -> Result<Bytes, ProxyError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let wrong = |error: hyper::Error| failed(admin, &error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(wrong)?;
    // What ends it early is told to the request.
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, host);
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(admin, &error.to_string()))?;
    let response = sender.send_request(request).await.map_err(wrong)?;
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(wrong)?
        .to_bytes();
    driver.abort();
    if status.is_success() {
        return Ok(body);
    }
    let text: String = String::from_utf8_lossy(&body)
        .chars()
        .take(EXCERPT)
        .collect();
    Err(failed(admin, &format!("{status}: {text}")))
}

fn failed(admin: &Admin, answer: &str) -> ProxyError {
    ProxyError::Answer {
        admin: admin.to_string(),
        answer: answer.to_owned(),
    }
}
