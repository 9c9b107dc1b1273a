//! A constant load from clients of every habit, and what each of them saw. It is paced by the
//! clock and not by the answers, so a server that stops answering is noticed.

mod client;
mod counts;
mod socket;

use std::{
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    runtime,
    time::{MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::client::Client;
pub use self::counts::{Counted, Kind, Outcome, Sample};

/// How long the slow request takes, in milliseconds.
const SLOW_MS: u32 = 100;
/// How long requests under way may take once the load is to end.
const ENDING: Duration = Duration::from_secs(15);

/// How many requests a second each habit makes; 0 is none.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Each on a connection of its own.
    pub fresh_get: u32,
    /// Each on a connection of its own.
    pub fresh_post: u32,
    /// One after the other on a connection that is kept.
    pub kept_get: u32,
    /// One after the other on a connection that is kept.
    pub kept_post: u32,
    /// On a kept connection, and once more on a new one where that connection turned out to be
    /// closed, as browsers and most HTTP libraries do.
    pub retrying_get: u32,
    /// Requests that take a while.
    pub slow_get: u32,
    /// Messages over a WebSocket.
    pub socket: u32,
}

impl Mix {
    /// Every habit.
    pub const ALL: Self = Self {
        fresh_get: 20,
        fresh_post: 10,
        kept_get: 20,
        kept_post: 10,
        retrying_get: 10,
        slow_get: 4,
        socket: 10,
    };
    /// A connection for each request, and clients that try again.
    pub const CAREFUL: Self = Self {
        kept_get: 0,
        kept_post: 0,
        ..Self::ALL
    };
    /// One connection, kept, each for GET and POST.
    pub const KEPT: Self = Self {
        kept_get: 200,
        kept_post: 200,
        fresh_get: 0,
        fresh_post: 0,
        retrying_get: 0,
        slow_get: 0,
        socket: 0,
    };

    fn rates(&self) -> [(Kind, u32); 7] {
        [
            (Kind::FreshGet, self.fresh_get),
            (Kind::FreshPost, self.fresh_post),
            (Kind::KeptGet, self.kept_get),
            (Kind::KeptPost, self.kept_post),
            (Kind::RetryingGet, self.retrying_get),
            (Kind::SlowGet, self.slow_get),
            (Kind::Socket, self.socket),
        ]
    }
}

/// A load that is on until it is ended.
#[derive(Debug)]
pub struct Load {
    ending: CancellationToken,
    samples: Arc<Mutex<Vec<Sample>>>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Every habit, on `address` (`host:port`).
    pub fn on(address: &str) -> Self {
        Self::of(Mix::ALL, address)
    }

    /// The habits of `mix`, on `address`.
    pub fn of(mix: Mix, address: &str) -> Self {
        let ending = CancellationToken::new();
        let samples = Arc::default();
        let shared = Shared {
            address: address.to_owned(),
            ending: ending.clone(),
            samples: Arc::clone(&samples),
        };
        let thread = thread::spawn(move || {
            let running = runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            running.block_on(run(mix, shared));
        });
        Self {
            ending,
            samples,
            thread: Some(thread),
        }
    }

    /// What was seen so far.
    pub fn so_far(&self) -> Counted {
        Counted::of(self.samples.lock().unwrap().clone())
    }

    /// Waits until so many more requests have been answered well.
    pub fn until_answered(&self, more: usize) {
        let answered = || self.so_far().answered();
        let enough = answered() + more;
        crate::wait::until("the load is answered", || {
            (answered() >= enough).then_some(())
        });
    }

    /// Ends it, once what is under way is answered.
    pub fn end(mut self) -> Counted {
        self.stop();
        self.so_far()
    }

    fn stop(&mut self) {
        self.ending.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the load's own code does not panic");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ending.cancel();
    }
}

/// What every habit needs.
#[derive(Clone)]
struct Shared {
    address: String,
    ending: CancellationToken,
    samples: Arc<Mutex<Vec<Sample>>>,
}

impl Shared {
    fn record(&self, kind: Kind, at_ms: u64, outcome: Outcome) {
        let took_ms = now_ms() - at_ms;
        self.samples.lock().unwrap().push(Sample {
            at_ms,
            took_ms,
            kind,
            outcome,
        });
    }
}

/// Milliseconds since 1970, as records have it.
pub fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970");
    since.as_millis() as u64
}

async fn run(mix: Mix, shared: Shared) {
    let tasks = TaskTracker::new();
    for (kind, rate) in mix.rates() {
        if rate > 0 {
            tasks.spawn(keep_up(kind, rate, shared.clone(), tasks.clone()));
        }
    }
    shared.ending.cancelled().await;
    tasks.close();
    // A server that never answers is counted by the client's own limit, when that is shorter.
    let _ = tokio::time::timeout(ENDING, tasks.wait()).await;
}

/// One habit, at its pace, to the end.
async fn keep_up(kind: Kind, rate: u32, shared: Shared, tasks: TaskTracker) {
    let mut pace = interval(Duration::from_secs(1) / rate);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut client = Client::new(kind, shared.address.clone());
    let mut socket = None;
    loop {
        tokio::select! {
            biased;
            () = shared.ending.cancelled() => return,
            _ = pace.tick() => {}
        }
        let at_ms = now_ms();
        if kind == Kind::Socket {
            let outcome = socket::exchange(&mut socket, &shared.address).await;
            shared.record(kind, at_ms, outcome);
        } else if kind.keeps() {
            let outcome = client.request().await;
            shared.record(kind, at_ms, outcome);
        } else {
            let (mut client, shared) = (Client::new(kind, shared.address.clone()), shared.clone());
            tasks.spawn(async move {
                let outcome = client.request().await;
                shared.record(kind, at_ms, outcome);
            });
        }
    }
}
