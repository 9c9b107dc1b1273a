//! One connection, from its first byte to its end.

use std::{
    io,
    net::{IpAddr, TcpStream},
    pin::pin,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{Phase, preface};
use crate::forward::{Client, Forward};

/// How long a client may take for the head of a request, and stay idle before it: long enough
/// for kept-alive connections, as nginx has it, and an end for those that trickle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// How long a TLS handshake may take, or the first bytes of a connection.
const OPENING_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest head of a request, in bytes: twice what nginx takes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// The most headers of a request.
const HEADERS_MAX: usize = 128;

/// The most requests under way on one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;

/// After how long without a word an HTTP/2 client is asked whether it is there, and how long it
/// may take to say so.
const PING: Duration = Duration::from_secs(30);

/// How long the system tries to get bytes to a client that does not take them.
const UNSENT_MAX: Duration = Duration::from_secs(60);

/// A connection that was just taken.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) address: IpAddr,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) trusted: bool,
    pub(super) retiring: Arc<AtomicBool>,
    pub(super) phase: watch::Receiver<Phase>,
}

impl Accepted {
    /// Answers its requests, on this thread.
    pub(super) async fn serve(self, forward: Arc<Forward>) {
        let Ok(stream) = prepare(self.stream) else {
            return;
        };
        let client = Client::new(
            self.address,
            self.tls.is_some(),
            self.trusted,
            self.retiring,
        );
        let serving = Serving {
            forward,
            client: Arc::new(client),
            phase: self.phase,
        };
        match self.tls {
            None => {
                if let Ok(Ok((second, stream))) =
                    timeout(OPENING_TIMEOUT, preface::read(stream)).await
                {
                    serving.speak(stream, second).await;
                }
            }
            Some(acceptor) => {
                if let Ok(Ok(stream)) = timeout(OPENING_TIMEOUT, acceptor.accept(stream)).await {
                    let second = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    serving.speak(stream, second).await;
                }
            }
        }
    }
}

struct Serving {
    forward: Arc<Forward>,
    client: Arc<Client>,
    phase: watch::Receiver<Phase>,
}

impl Serving {
    async fn speak<S>(self, stream: S, second: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self {
            forward,
            client,
            phase,
        } = self;
        let service = service_fn(move |request: Request<Incoming>| {
            Arc::clone(&forward).answer(request, Arc::clone(&client))
        });
        // What ends a connection early is the client's affair, or was logged where it happened.
        if second {
            let connection = second_version().serve_connection(TokioIo::new(stream), service);
            // A client of HTTP/2 is told, and its requests on the way are still answered.
            let _ = until(phase, Phase::Retiring, connection, |connection| {
                connection.graceful_shutdown()
            })
            .await;
        } else {
            let connection = first_version()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            // A client of HTTP/1 is told with its next answer. Closed before, its next request may
            // already be on the way.
            let _ = until(phase, Phase::Closing, connection, |connection| {
                connection.graceful_shutdown()
            })
            .await;
        }
    }
}

/// Runs a connection to its end, which begins with the phase.
async fn until<C: Future>(
    mut phase: watch::Receiver<Phase>,
    last: Phase,
    connection: C,
    end: impl FnOnce(std::pin::Pin<&mut C>),
) -> C::Output {
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        output = connection.as_mut() => return output,
        _ = phase.wait_for(|phase| *phase >= last) => {}
    }
    end(connection.as_mut());
    connection.await
}

fn first_version() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEAD_BYTES_MAX);
    builder
}

fn second_version() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

fn prepare(stream: TcpStream) -> io::Result<tokio::net::TcpStream> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
    #[cfg(target_os = "linux")]
    rustix::net::sockopt::set_tcp_user_timeout(&stream, UNSENT_MAX.as_millis() as u32)?;
    tokio::net::TcpStream::from_std(stream)
}
