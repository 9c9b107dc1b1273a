//! A member: answers who it is, echoes, thinks as long as it is told to, and can be killed.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{CONNECTION, UPGRADE},
};
use http_body_util::{BodyExt, Either, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
    sync::Notify,
    task::JoinHandle,
};

/// A member, killed with this.
pub(crate) struct Upstream {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    requests: AtomicU64,
    posts: AtomicU64,
    connections: AtomicU64,
    /// Lets what waits at `/slow` go on.
    go_on: Notify,
}

type Body = Either<Full<Bytes>, BoxBody<Bytes, hyper::Error>>;

impl Upstream {
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_at(name, crate::world::any_port()).await
    }

    pub(crate) async fn start_at(name: &str, address: SocketAddr) -> Self {
        let listener = listen(address);
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let serving = tokio::spawn(serve(listener, name.to_owned(), Arc::clone(&shared)));
        Self {
            name: name.into(),
            address,
            shared,
            serving,
        }
    }

    /// A member at whose address nobody listens.
    pub(crate) async fn absent(name: &str) -> Self {
        let upstream = Self::start(name).await;
        upstream.kill().await;
        upstream
    }

    /// Ends it with all its connections, as a crash does.
    pub(crate) async fn kill(&self) {
        self.serving.abort();
        while !self.serving.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn posts(&self) -> u64 {
        self.shared.posts.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Has one request at `/slow` answered, also one that comes later.
    pub(crate) fn go_on(&self) {
        self.shared.go_on.notify_one();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    // So that it can be there again at once.
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(1024).unwrap()
}

async fn serve(listener: TcpListener, name: String, shared: Arc<Shared>) {
    // Dropped, and its tasks with it, when this is aborted.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let (name, shared) = (name.clone(), Arc::clone(&shared));
        let service = service_fn(move |request| answer(request, name.clone(), Arc::clone(&shared)));
        connections.spawn(async move {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = connection.with_upgrades().await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    name: String,
    shared: Arc<Shared>,
) -> Result<Response<Body>, Infallible> {
    shared.requests.fetch_add(1, Ordering::SeqCst);
    if request.method() == Method::POST {
        shared.posts.fetch_add(1, Ordering::SeqCst);
    }
    let path = request.uri().path().to_owned();
    let mut response = match path.as_str() {
        "/echo" => Response::new(Either::Right(request.into_body().boxed())),
        "/slow" => {
            shared.go_on.notified().await;
            text("slow")
        }
        "/length" => {
            let mut body = request.into_body();
            let mut length = 0;
            while let Some(Ok(frame)) = body.frame().await {
                length += frame.data_ref().map_or(0, Bytes::len);
            }
            text(length.to_string())
        }
        "/head" => text(described(&request)),
        "/large" => text("x".repeat(1 << 20)),
        "/halves" => Response::new(Either::Right(halves(shared))),
        // Said before the request is complete.
        "/refuse" => with(StatusCode::PAYLOAD_TOO_LARGE, text("no")),
        "/unchanged" => with(StatusCode::NOT_MODIFIED, text("")),
        "/once" => having(CONNECTION, "close", text(name.clone())),
        "/socket" => {
            tokio::spawn(echo(request));
            let switched = with(StatusCode::SWITCHING_PROTOCOLS, text(""));
            having(UPGRADE, "echo", switched)
        }
        _ => {
            let _ = request.into_body().collect().await;
            text(name.clone())
        }
    };
    let member = HeaderValue::try_from(name).unwrap();
    response.headers_mut().insert("x-member", member);
    Ok(response)
}

fn text(text: impl Into<Bytes>) -> Response<Body> {
    Response::new(Either::Left(Full::from(text.into())))
}

fn with(status: StatusCode, mut response: Response<Body>) -> Response<Body> {
    *response.status_mut() = status;
    response
}

fn having(name: HeaderName, value: &'static str, mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
    response
}

/// The request's line and headers, sorted.
fn described(request: &Request<Incoming>) -> String {
    let headers = request.headers().iter();
    let mut lines: Vec<String> = headers
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines.insert(0, format!("{} {}", request.method(), request.uri()));
    lines.join("\n")
}

/// A body whose second half comes when it is asked for.
fn halves(shared: Arc<Shared>) -> BoxBody<Bytes, hyper::Error> {
    let halves = futures::stream::unfold(Some("first "), move |half| {
        let shared = Arc::clone(&shared);
        async move {
            let half = half?;
            let next = (half == "first ").then_some("second");
            if next.is_none() {
                shared.go_on.notified().await;
            }
            Some((Ok(Frame::data(Bytes::from(half))), next))
        }
    });
    BodyExt::boxed(StreamBody::new(halves))
}

async fn echo(request: Request<Incoming>) {
    let mut stream = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
    let mut bytes = [0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut bytes).await {
        if stream.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
