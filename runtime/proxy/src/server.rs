//! Clients' connections: taken from the listening sockets, dealt out to the threads, spoken to in
//! the protocol they begin with, and brought to an end when the proxy retires.

use std::{
    io,
    net::{IpAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    net::TcpListener,
    runtime::{Builder, Handle},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use crate::{forward::Forward, router::Router};

mod connection;
mod preface;
pub(crate) mod tls;

/// How often connections to members are looked through for those that waited too long.
const SWEEP: Duration = Duration::from_secs(5);

/// How long accepting rests where the system has no descriptor left to give.
const REST: Duration = Duration::from_millis(20);

/// How many connections may be open where the system's own limit is not lower: each costs up to
/// a few ten thousand bytes.
const CONNECTIONS_MAX: u64 = 50_000;

/// What is left of the system's limit of open files for connections to members.
const SHARE_OF_CLIENTS: u64 = 2;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) enum Phase {
    /// Not begun.
    Serving,
    /// Each connection ends with its next answer.
    Retiring,
    /// Connections that wait for a request end now.
    Closing,
}

/// The threads that carry requests.
pub(crate) struct Server {
    workers: Vec<Worker>,
    router: Arc<Router>,
    phase: watch::Sender<Phase>,
    /// The same, for where only a glance is had.
    retiring: Arc<AtomicBool>,
    tls: Option<TlsAcceptor>,
    trust_forwarded: bool,
    connections_max: u64,
    /// Gone with this, and the threads end.
    _running: watch::Sender<()>,
}

struct Worker {
    handle: Handle,
    forward: Arc<Forward>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Starts the threads.
    pub(crate) fn start(
        router: Arc<Router>,
        workers: usize,
        response_timeout: Duration,
        tls: Option<TlsAcceptor>,
        trust_forwarded: bool,
    ) -> io::Result<Self> {
        let running = watch::Sender::new(());
        let start = |worker| {
            let forward = Forward {
                router: Arc::clone(&router),
                worker,
                response_timeout,
            };
            Worker::start(forward, running.subscribe())
        };
        Ok(Self {
            workers: (0..workers).map(start).collect::<io::Result<_>>()?,
            router,
            phase: watch::Sender::new(Phase::Serving),
            retiring: Arc::default(),
            tls,
            trust_forwarded,
            connections_max: connections_max(),
            _running: running,
        })
    }

    /// Takes connections from the socket until the proxy retires.
    pub(crate) async fn accept(&self, listener: std::net::TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let mut phase = self.phase.subscribe();
        let retiring = async move {
            let _ = phase.wait_for(|phase| *phase >= Phase::Retiring).await;
        };
        tokio::select! {
            biased;
            () = retiring => {}
            never = self.accept_all(&listener) => match never {},
        }
        // What the system had taken in by now was promised to somebody. After a handover the
        // other process sees to it as well, and whoever comes first has it.
        let listener = listener.into_std()?;
        while let Ok((stream, address)) = listener.accept() {
            self.deal(stream, address.ip());
        }
        Ok(())
    }

    async fn accept_all(&self, listener: &TcpListener) -> std::convert::Infallible {
        loop {
            while self.connections() >= self.connections_max {
                tokio::time::sleep(REST).await;
            }
            match listener.accept().await {
                // It belongs to the event queue of this thread, and goes to another's.
                Ok((stream, address)) => {
                    if let Ok(stream) = stream.into_std() {
                        self.deal(stream, address.ip());
                    }
                }
                // Where no descriptor is left it helps to wait; the rest concerns the one that
                // would have connected.
                Err(error) if error.raw_os_error().is_some_and(is_shortage) => {
                    tracing::warn!(%error, "no connection could be taken");
                    tokio::time::sleep(REST).await;
                }
                Err(_) => {}
            }
        }
    }

    /// Gives the connection to the thread that has the fewest.
    fn deal(&self, stream: TcpStream, address: IpAddr) {
        let fewest = self
            .workers
            .iter()
            .min_by_key(|worker| worker.connections.load(Ordering::Relaxed));
        let Some(worker) = fewest else {
            return;
        };
        let open = Open::count(Arc::clone(&worker.connections), Arc::clone(&self.router));
        let client = connection::Accepted {
            stream,
            address,
            tls: self.tls.clone(),
            trusted: self.trust_forwarded,
            retiring: Arc::clone(&self.retiring),
            phase: self.phase.subscribe(),
        };
        let forward = Arc::clone(&worker.forward);
        worker.handle.spawn(async move {
            client.serve(forward).await;
            drop(open);
        });
    }

    /// Connections that are open.
    pub(crate) fn connections(&self) -> u64 {
        self.router.counters().connections.load(Ordering::Relaxed)
    }

    /// Goes on to the end.
    pub(crate) fn set_phase(&self, phase: Phase) {
        self.retiring
            .store(phase >= Phase::Retiring, Ordering::Relaxed);
        self.phase.send_replace(phase);
    }
}

impl Worker {
    fn start(forward: Forward, mut running: watch::Receiver<()>) -> io::Result<Self> {
        let forward = Arc::new(forward);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (router, worker) = (Arc::clone(&forward.router), forward.worker);
        thread::Builder::new()
            .name(format!("worker {worker}"))
            .spawn(move || {
                let sweep = async {
                    let mut ticks = tokio::time::interval(SWEEP);
                    loop {
                        ticks.tick().await;
                        router.sweep(worker);
                    }
                };
                runtime.block_on(async {
                    tokio::select! {
                        () = sweep => {}
                        _ = running.changed() => {}
                    }
                });
            })?;
        Ok(Self {
            handle,
            forward,
            connections: Arc::default(),
        })
    }
}

/// One connection, counted while it is open.
struct Open {
    worker: Arc<AtomicUsize>,
    router: Arc<Router>,
}

impl Open {
    fn count(worker: Arc<AtomicUsize>, router: Arc<Router>) -> Self {
        worker.fetch_add(1, Ordering::Relaxed);
        Self::all(&router).fetch_add(1, Ordering::Relaxed);
        Self { worker, router }
    }

    fn all(router: &Router) -> &AtomicU64 {
        &router.counters().connections
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.worker.fetch_sub(1, Ordering::Relaxed);
        Self::all(&self.router).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Raises the limit of open files as far as it goes, and says how many clients that is for.
fn connections_max() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    files.map_or(CONNECTIONS_MAX, |files| {
        (files / SHARE_OF_CLIENTS).clamp(1, CONNECTIONS_MAX)
    })
}

fn is_shortage(code: i32) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .contains(&Errno::from_raw_os_error(code))
}
