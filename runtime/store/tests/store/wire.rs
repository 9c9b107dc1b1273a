//! The network between a store and its database, in the hands of a test: it can be cut and
//! stalled at any piece that goes over it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What happens to one piece that the store sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection is cut before the piece gets there.
    Before,
    /// The piece gets there, and the connection is cut before its answer comes back.
    After,
    /// The piece gets stuck on its way, and everything after it, until [`Wire::thaw`].
    Stuck,
}

/// Which piece it happens to, once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece {
    /// The one with that number, over all connections, from 0.
    Number(usize),
    /// The first one that has these bytes.
    With(&'static str),
}

#[derive(Default)]
struct Plan {
    fault: Option<(Piece, Fault)>,
    pieces: usize,
}

impl Plan {
    /// What happens to the next piece.
    fn next(&mut self, piece: &[u8]) -> Option<Fault> {
        let number = self.pieces;
        self.pieces += 1;
        let (hit, fault) = self.fault?;
        let hits = match hit {
            Piece::Number(hit) => hit == number,
            Piece::With(text) => piece
                .windows(text.len())
                .any(|window| window == text.as_bytes()),
        };
        if !hits {
            return None;
        }
        self.fault = None;
        Some(fault)
    }
}

/// Passes connections on.
pub(crate) struct Wire {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    closed: watch::Sender<bool>,
    frozen: watch::Sender<bool>,
    attempts: watch::Receiver<usize>,
}

impl Wire {
    /// A wire to that port of this machine.
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let plan = Arc::<Mutex<Plan>>::default();
        let (closed, frozen) = (watch::Sender::new(false), watch::Sender::new(false));
        let (attempted, attempts) = watch::channel(0);
        let (shared, closing, freezing) =
            (Arc::clone(&plan), closed.subscribe(), frozen.subscribe());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                attempted.send_modify(|attempts| *attempts += 1);
                if *closing.borrow() {
                    continue;
                }
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let connection = Connection {
                    plan: Arc::clone(&shared),
                    frozen: freezing.clone(),
                };
                tokio::spawn(connection.pass(client, server, closing.clone()));
            }
        });
        Self {
            address,
            plan,
            closed,
            frozen,
            attempts,
        }
    }

    /// The address of a database at its end.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://anna@{}/{database}", self.address)
    }

    /// Lets something happen to a piece from now on, once.
    pub(crate) fn plan(&self, piece: Piece, fault: Fault) {
        let mut plan = self.plan.lock().unwrap();
        plan.fault = Some((piece, fault));
        plan.pieces = 0;
    }

    /// Whether what was planned has happened.
    pub(crate) fn happened(&self) -> bool {
        self.plan.lock().unwrap().fault.is_none()
    }

    /// Cuts every connection and lets none through.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Lets connections through again.
    pub(crate) fn open(&self) {
        self.closed.send_replace(false);
    }

    /// Waits until so many more connections were tried.
    pub(crate) async fn attempts(&self, more: usize) {
        let mut attempts = self.attempts.clone();
        let enough = *attempts.borrow() + more;
        attempts.wait_for(|tried| *tried >= enough).await.unwrap();
    }

    /// Lets go of what got stuck.
    pub(crate) fn thaw(&self) {
        self.frozen.send_replace(true);
    }
}

struct Connection {
    plan: Arc<Mutex<Plan>>,
    frozen: watch::Receiver<bool>,
}

impl Connection {
    async fn pass(self, client: TcpStream, server: TcpStream, mut closed: watch::Receiver<bool>) {
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let (cut, after) = watch::channel(false);
        // Whichever ends first ends both.
        tokio::select! {
            () = self.up(from_client, to_server, cut) => {}
            () = down(from_server, to_client, after) => {}
            _ = closed.wait_for(|closed| *closed) => {}
        }
    }

    async fn up(
        mut self,
        mut client: OwnedReadHalf,
        mut server: OwnedWriteHalf,
        cut: watch::Sender<bool>,
    ) {
        let mut piece = vec![0; 1 << 16];
        loop {
            let Ok(length @ 1..) = client.read(&mut piece).await else {
                return;
            };
            let fault = self.plan.lock().unwrap().next(&piece[..length]);
            match fault {
                Some(Fault::Before) => return,
                Some(Fault::After) => {
                    cut.send_replace(true);
                }
                Some(Fault::Stuck) => {
                    let thawed = self.frozen.wait_for(|thawed| *thawed).await;
                    if thawed.is_err() {
                        return;
                    }
                }
                None => {}
            }
            if server.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
    }
}

async fn down(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, cut: watch::Receiver<bool>) {
    let mut piece = vec![0; 1 << 16];
    loop {
        let Ok(length @ 1..) = server.read(&mut piece).await else {
            return;
        };
        if *cut.borrow() || client.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
