//! One member as requests see it: whether it takes any, how many it has, and the connections to
//! it that wait for the next.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http::StatusCode;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::count;
use crate::{forward::Upload, state::Member};

/// How long connecting may take: far above any round trip, and short enough to try elsewhere.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// For how long a member that could not be reached is asked only where no other is left.
const SHUNNED: Duration = Duration::from_millis(500);

/// For how long a connection may have been idle to carry a request that must not be sent twice:
/// servers close idle connections, but none so soon.
const RECENT: Duration = Duration::from_secs(1);

/// How long a connection may wait for a request; servers close theirs after 2 (gunicorn) to 75 s.
const IDLE_TIME_MAX: Duration = Duration::from_secs(15);

/// How many wait per member and thread: what a burst leaves behind, not more.
const IDLE_MAX: usize = 256;

/// A member as requests see it.
pub(crate) struct Upstream {
    target: String,
    address: String,
    /// Where `address` is not a name, so that it need not be looked up.
    literal: Option<SocketAddr>,
    serves: AtomicBool,
    active: AtomicU64,
    /// Milliseconds on the router's clock; 0 where the last attempt to connect worked.
    shunned_until: AtomicU64,
    /// By the first digit of the status; 0 for no answer.
    answers: [AtomicU64; 6],
    /// One pool a thread, whose event queue its connections belong to.
    idle: Box<[Mutex<Vec<Idle>>]>,
}

/// A connection that one request at a time can be sent on.
pub(crate) type Connection = SendRequest<Upload>;

struct Idle {
    connection: Connection,
    since: Instant,
}

/// Which connections will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Any that is open: the request can be sent again.
    Any,
    /// One that was in use a moment ago.
    Recent,
    /// A new one.
    Never,
}

impl Upstream {
    pub(super) fn new(member: &Member, workers: usize) -> Self {
        Self {
            target: member.target.clone(),
            address: member.address.clone(),
            literal: member.address.parse().ok(),
            serves: AtomicBool::new(false),
            active: AtomicU64::new(0),
            shunned_until: AtomicU64::new(0),
            answers: Default::default(),
            idle: (0..workers).map(|_| Mutex::default()).collect(),
        }
    }

    pub(super) fn key(&self) -> (&str, &str) {
        (&self.target, &self.address)
    }

    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whether it takes new requests.
    pub(crate) fn serves(&self) -> bool {
        self.serves.load(Ordering::SeqCst)
    }

    pub(super) fn admit(&self) {
        self.shunned_until.store(0, Ordering::Relaxed);
        self.serves.store(true, Ordering::SeqCst);
    }

    /// Takes no new requests, and lets the connections go that none is on: their other end may be
    /// about to stop.
    pub(super) fn dismiss(&self) {
        self.serves.store(false, Ordering::SeqCst);
        for worker in 0..self.idle.len() {
            self.pool(worker).clear();
        }
    }

    pub(super) fn enter(&self) {
        self.active.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn leave(&self) {
        self.active.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn active(&self) -> u64 {
        self.active.load(Ordering::SeqCst)
    }

    pub(super) fn count_answer(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100);
        count(self.answers.get(class).unwrap_or(&self.answers[0]));
    }

    pub(super) fn count_failure(&self) {
        count(&self.answers[0]);
    }

    /// How often it answered with a status of each class; first, how often it did not.
    pub(crate) fn answers(&self) -> [u64; 6] {
        self.answers
            .each_ref()
            .map(|counter| counter.load(Ordering::Relaxed))
    }

    pub(super) fn requests(&self) -> u64 {
        self.answers().iter().sum()
    }

    pub(super) fn idle(&self) -> u64 {
        (0..self.idle.len())
            .map(|worker| self.pool(worker).len() as u64)
            .sum()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.shunned_until.load(Ordering::Relaxed) == 0
    }

    pub(super) fn is_shunned(&self, now_ms: impl Fn() -> u64) -> bool {
        let until = self.shunned_until.load(Ordering::Relaxed);
        until != 0 && now_ms() < until
    }

    pub(super) fn note_reachable(&self, reachable: bool, now_ms: impl Fn() -> u64) {
        if !reachable {
            let until = now_ms() + SHUNNED.as_millis() as u64;
            self.shunned_until.store(until, Ordering::Relaxed);
        } else if !self.is_up() {
            self.shunned_until.store(0, Ordering::Relaxed);
        }
    }

    /// A connection that waits for a request.
    pub(crate) fn take_idle(&self, worker: usize, reuse: Reuse) -> Option<Connection> {
        if reuse == Reuse::Never {
            return None;
        }
        let mut pool = self.pool(worker);
        // The last one is the one that was in use last.
        while let Some(idle) = pool.pop() {
            if idle.connection.is_closed() {
                continue;
            }
            if reuse == Reuse::Recent && idle.since.elapsed() > RECENT {
                pool.push(idle);
                return None;
            }
            return Some(idle.connection);
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(crate) fn keep(&self, worker: usize, connection: Connection) {
        if connection.is_closed() {
            return;
        }
        let mut pool = self.pool(worker);
        // Asked under the lock, so that what comes late is not left over by `dismiss`.
        if self.serves() && pool.len() < IDLE_MAX {
            pool.push(Idle {
                connection,
                since: Instant::now(),
            });
        }
    }

    pub(super) fn sweep(&self, worker: usize) {
        let fits =
            |idle: &Idle| !idle.connection.is_closed() && idle.since.elapsed() < IDLE_TIME_MAX;
        self.pool(worker).retain(fits);
    }

    /// A new connection, whose other half runs on this thread until it ends.
    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        let (connection, driver) = self.open().await?;
        tokio::spawn(async move {
            // What fails is told to the request on it; without one there is nobody to tell.
            let _ = driver.await;
        });
        Ok(connection)
    }

    /// The same, for a request that may turn the connection into another protocol's.
    pub(crate) async fn connect_to_upgrade(&self) -> io::Result<Connection> {
        let (connection, driver) = self.open().await?;
        tokio::spawn(async move {
            let _ = driver.with_upgrades().await;
        });
        Ok(connection)
    }

    async fn open(
        &self,
    ) -> io::Result<(Connection, http1::Connection<TokioIo<TcpStream>, Upload>)> {
        let connecting = async {
            match self.literal {
                Some(address) => TcpStream::connect(address).await,
                None => TcpStream::connect(self.address.as_str()).await,
            }
        };
        let stream = match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connected) => connected?,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        stream.set_nodelay(true)?;
        let builder = http1::Builder::new();
        let opened = builder.handshake(TokioIo::new(stream)).await;
        opened.map_err(io::Error::other)
    }

    fn pool(&self, worker: usize) -> MutexGuard<'_, Vec<Idle>> {
        // A list of connections is whole at any time.
        self.idle[worker]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
