//! Clients that retry nothing: what goes wrong for them went wrong.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
};

/// One connection, opened anew where the other side said that it would close it.
pub(crate) struct Client {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            sender: None,
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> hyper::Result<Response<Bytes>> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    pub(crate) async fn post(
        &mut self,
        path: &str,
        body: impl Into<Bytes>,
    ) -> hyper::Result<Response<Bytes>> {
        self.send(Method::POST, path, body.into()).await
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> hyper::Result<Response<Bytes>> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "test.example");
        self.request(request.body(Full::from(body)).unwrap()).await
    }

    pub(crate) async fn request(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Bytes>> {
        let mut sender = match self.sender.take() {
            Some(sender) => sender,
            None => connect(self.address).await,
        };
        let response = sender.send_request(request).await?;
        let closes = response
            .headers()
            .get("connection")
            .is_some_and(|value| value == "close");
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        if !closes {
            // Where the other side closed without having said so, this is where it shows.
            sender.ready().await?;
            self.sender = Some(sender);
        }
        Ok(Response::from_parts(parts, body))
    }
}

pub(crate) async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    handshake(stream).await
}

async fn handshake<S>(stream: S) -> SendRequest<Full<Bytes>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    sender
}

pub(crate) async fn admin(
    socket: &Path,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> (StatusCode, Value) {
    let mut sender = handshake(UnixStream::connect(socket).await.unwrap()).await;
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender
        .send_request(request.body(Full::from(body)).unwrap())
        .await
        .unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (
        status,
        serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into())),
    )
}

/// Clients that go on asking, each in its own way, until told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Kept-alive GET and POST, and a connection for each request.
    pub(crate) fn start(address: SocketAddr) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let clients = (0..9).map(|number| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut failures = Vec::new();
                let mut client = Client::new(address);
                while !stop.load(Ordering::Relaxed) {
                    let answer = match number % 3 {
                        0 => client.get("/").await,
                        1 => client.post("/length", "0123456789").await,
                        _ => Client::new(address).get("/").await,
                    };
                    match answer {
                        Ok(response) if response.status() == StatusCode::OK => {
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(response) => failures.push(format!("{number}: {response:?}")),
                        Err(error) => {
                            client = Client::new(address);
                            failures.push(format!("{number}: {error:?}"));
                        }
                    }
                }
                failures
            })
        });
        Self {
            clients: clients.collect(),
            stop,
            answered,
        }
    }

    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits until so many more were answered.
    pub(crate) async fn answer_more(&self, more: u64) {
        let goal = self.answered() + more;
        while self.answered() < goal {
            tokio::task::yield_now().await;
        }
    }

    /// Ends it. None of the requests may have failed.
    pub(crate) async fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let mut failures = Vec::new();
        for client in self.clients {
            failures.extend(client.await.unwrap());
        }
        let answered = self.answered.load(Ordering::Relaxed);
        assert!(
            failures.is_empty(),
            "{} of {answered} failed: {:#?}",
            failures.len(),
            &failures[..failures.len().min(5)]
        );
        answered
    }
}
