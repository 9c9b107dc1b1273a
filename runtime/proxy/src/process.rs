//! The proxy as a process: opens what it listens on, serves, and ends in order.

use std::{
    io,
    num::NonZero,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    sync::Notify,
};

use crate::{
    Options, ProxyError,
    admin::Api,
    control::Process,
    handover::{Giver, Predecessor},
    router::Router,
    server::{Phase, Server, tls},
    sockets::{self, Sockets},
    state::{StateFile, failed},
};

/// How long a proxy that just ended may still hold its claim on the state.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// How often is looked whether what must end has ended.
const LOOK: Duration = Duration::from_millis(10);

/// How long connections get to close once no request is under way.
const CLOSING_MAX: Duration = Duration::from_secs(1);

/// Runs a proxy until it is told to stop, by its admin API or by a signal (TERM or INT), or until
/// another process has taken over. What is under way then gets the grace of the options to end.
///
/// Blocks, on threads of its own; where it is called from does not matter.
pub fn run(options: Options) -> Result<(), ProxyError> {
    let control = thread::Builder::new()
        .name("control".into())
        .spawn(move || control(&options));
    match control.map_err(ProxyError::Threads)?.join() {
        Ok(ended) => ended,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn control(options: &Options) -> Result<(), ProxyError> {
    options.admin.check()?;
    if options.listen.is_empty() {
        return Err(ProxyError::NoListen);
    }
    if options.detach {
        // Fails where this process leads a session already, which is as good.
        let _ = rustix::process::setsid();
    }
    let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
    let file = StateFile::new(&options.state);
    file.prepare()?;
    let socket = file.beside("sock");
    let taken = if options.take_over {
        Predecessor::ask(&socket)?
    } else {
        None
    };
    let (predecessor, sockets) = match taken {
        Some((predecessor, inherited)) => (predecessor, Sockets::inherit(options, inherited)?),
        None => (Predecessor::default(), open(options, &file)?),
    };
    let state = file.read()?;
    let workers = options
        .workers
        .or_else(|| thread::available_parallelism().ok());
    let workers = workers.map_or(1, NonZero::get);
    let router = Arc::new(Router::new(state, workers));
    let trust = options.trust_forwarded;
    let server = Server::start(
        Arc::clone(&router),
        workers,
        options.response_timeout,
        tls,
        trust,
    );
    let running = Running {
        server: Arc::new(server.map_err(ProxyError::Threads)?),
        router,
        options: options.clone(),
        file,
        predecessor: Arc::new(predecessor),
        sockets: Arc::new(Mutex::new(Some(sockets))),
        stop: Arc::default(),
        retire: Arc::default(),
    };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ProxyError::Threads)?;
    let ended = runtime.block_on(running.serve(&socket));
    // Threads that wait for the disk, or for the process that took over, end with this one.
    runtime.shutdown_background();
    ended
}

fn open(options: &Options, file: &StateFile) -> Result<Sockets, ProxyError> {
    let begun = Instant::now();
    loop {
        match Sockets::open(options, file) {
            Err(ProxyError::Locked { .. }) if begun.elapsed() < LOCK_PATIENCE => {
                thread::sleep(LOOK)
            }
            opened => return opened,
        }
    }
}

struct Running {
    server: Arc<Server>,
    router: Arc<Router>,
    options: Options,
    file: StateFile,
    predecessor: Arc<Predecessor>,
    /// Gone once the proxy stops.
    sockets: Arc<Mutex<Option<Sockets>>>,
    stop: Arc<Notify>,
    retire: Arc<Notify>,
}

/// Why the proxy ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stopped,
    HandedOver,
}

impl Running {
    async fn serve(self, socket: &Path) -> Result<(), ProxyError> {
        let signals = (|| {
            Ok((
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
            ))
        })();
        let (mut terminate, mut interrupt) = signals.map_err(ProxyError::Threads)?;
        let admin = self.begin(socket).map_err(ProxyError::Threads)?;
        let predecessor = Arc::clone(&self.predecessor);
        if predecessor.is_there() {
            // Everything is served here by now.
            let retired = tokio::task::spawn_blocking(move || predecessor.retire()).await;
            if !retired.map_err(|error| ProxyError::Threads(io::Error::other(error)))? {
                let reason = "it has stopped waiting, and goes on by itself".to_owned();
                return Err(ProxyError::Handover { reason });
            }
        }
        tracing::info!(listen = ?self.options.listen, admin = %self.options.admin, "the proxy is ready");
        let end = tokio::select! {
            () = self.stop.notified() => End::Stopped,
            () = self.retire.notified() => End::HandedOver,
            _ = terminate.recv() => End::Stopped,
            _ = interrupt.recv() => End::Stopped,
        };
        tracing::info!(?end, "the proxy ends");
        if end == End::HandedOver {
            admin.abort();
        }
        let at_once = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        tokio::select! {
            () = self.end(end) => {}
            () = at_once => tracing::warn!("the proxy ends at once"),
        }
        if end == End::Stopped {
            self.clean_up(socket);
        }
        Ok(())
    }

    /// Starts everything, and gives back what answers the admin API.
    fn begin(&self, socket: &Path) -> io::Result<tokio::task::JoinHandle<()>> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let sockets = sockets.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        for (address, listener) in &sockets.listen {
            let (server, listener, address) =
                (Arc::clone(&self.server), listener.try_clone()?, *address);
            tokio::spawn(async move {
                if let Err(error) = server.accept(listener).await {
                    tracing::error!(%address, %error, "nothing is taken from this socket");
                }
            });
        }
        let api = Arc::new(Api {
            router: Arc::clone(&self.router),
            file: self.file.clone(),
            process: self.process(sockets),
            predecessor: Arc::clone(&self.predecessor),
            stop: Arc::clone(&self.stop),
        });
        let listener = sockets.admin.again()?;
        let admin = tokio::spawn(async move {
            let Err(error) = api.serve(listener).await;
            tracing::error!(%error, "the admin API cannot be served");
        });
        let retire = Arc::clone(&self.retire);
        let giver = Giver {
            router: Arc::clone(&self.router),
            sockets: Arc::clone(&self.sockets),
            admin: self.options.admin.settled().to_string(),
            predecessor: Arc::clone(&self.predecessor),
            retire: Box::new(move || retire.notify_one()),
        };
        let listener = sockets::replace_unix(socket)?;
        thread::Builder::new()
            .name("handover".into())
            .spawn(move || {
                // One at a time: who comes second finds the first one's process.
                for stream in listener.incoming().flatten() {
                    giver.serve(stream);
                }
            })?;
        Ok(admin)
    }

    /// Takes nothing new, and waits for what is under way.
    async fn end(&self, end: End) {
        // While a descriptor of it is open, the system takes connections in for a socket.
        let sockets = self
            .sockets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let lock = sockets.map(|sockets| sockets.lock);
        self.server.set_phase(Phase::Retiring);
        let begun = Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            let idle = self.router.counters().active() == 0;
            // Clients that wait with a connection open have one to go to after a handover, and
            // are told so with their next answer.
            let done = idle && (end == End::Stopped || self.server.connections() == 0);
            if done || begun.elapsed() >= self.options.grace {
                break;
            }
        }
        self.server.set_phase(Phase::Closing);
        let begun = Instant::now();
        while self.server.connections() > 0 && begun.elapsed() < CLOSING_MAX {
            tokio::time::sleep(LOOK).await;
        }
        drop(lock);
    }

    fn clean_up(&self, socket: &Path) {
        let admin = match &self.options.admin {
            crate::Admin::Unix(path) => Some(path.as_path()),
            crate::Admin::Tcp(_) => None,
        };
        for path in admin.into_iter().chain([socket]) {
            if let Err(error) = std::fs::remove_file(path) {
                tracing::debug!(error = %failed(path, error), "left behind");
            }
        }
    }

    fn process(&self, sockets: &Sockets) -> Process {
        let listeners = sockets.listen.iter();
        let actual = listeners.filter_map(|(_, listener)| listener.local_addr().ok());
        Process {
            listen: actual.collect(),
            pid: std::process::id(),
            program: env!("CARGO_PKG_VERSION").into(),
            arguments: self.options.settled().essence(),
            grace_ms: u64::try_from(self.options.grace.as_millis()).unwrap_or(u64::MAX),
            predecessor: false,
        }
    }
}
