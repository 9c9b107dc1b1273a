//! A wire between a test and a server: counts how often the talk turns round, and can be cut.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// The wire; it is taken away with this.
pub(crate) struct Wire {
    port: u16,
    state: Arc<State>,
    cut: watch::Sender<u64>,
    accepting: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// Whether the server spoke last.
    answered: AtomicBool,
    turns: AtomicU64,
    connections: AtomicU64,
    /// What may still go to the server.
    allowed: AtomicU64,
}

impl Wire {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            allowed: AtomicU64::new(u64::MAX),
            ..State::default()
        });
        let (cut, cuts) = watch::channel(0);
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(carry(near, far, Arc::clone(&shared), cuts.clone()));
            }
        });
        Self {
            port: here,
            state,
            cut,
            accepting,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How often the client spoke after the server had: each is a round trip.
    pub(crate) fn turns(&self) -> u64 {
        self.state.turns.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Cuts all connections that there are.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Cuts a connection once so much more has gone to the server.
    pub(crate) fn cut_after(&self, bytes: u64) {
        self.state.allowed.store(bytes, Ordering::SeqCst);
    }

    /// Carries everything again.
    pub(crate) fn mend(&self) {
        self.cut_after(u64::MAX);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(near: TcpStream, far: TcpStream, state: Arc<State>, mut cuts: watch::Receiver<u64>) {
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    let (mut near_out, mut near_in) = near.into_split();
    let (mut far_out, mut far_in) = far.into_split();
    let there = async {
        let mut chunk = vec![0; 64 << 10];
        while let Ok(count @ 1..) = near_out.read(&mut chunk).await {
            if state.answered.swap(false, Ordering::SeqCst) {
                state.turns.fetch_add(1, Ordering::SeqCst);
            }
            let allowed = state.allowed.load(Ordering::SeqCst);
            if allowed < count as u64 {
                break;
            }
            if allowed != u64::MAX {
                state.allowed.fetch_sub(count as u64, Ordering::SeqCst);
            }
            if far_in.write_all(&chunk[..count]).await.is_err() {
                break;
            }
        }
    };
    let back = async {
        let mut chunk = vec![0; 64 << 10];
        while let Ok(count @ 1..) = far_out.read(&mut chunk).await {
            state.answered.store(true, Ordering::SeqCst);
            if near_in.write_all(&chunk[..count]).await.is_err() {
                break;
            }
        }
    };
    cuts.mark_unchanged();
    tokio::select! {
        () = there => {}
        () = back => {}
        _ = cuts.changed() => {}
    }
}
