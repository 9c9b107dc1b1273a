//! A line with a length: everything arrives later, nothing is slower. Without a length it is not
//! there at all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::Instant,
};

/// More than any line of the measurements holds.
const CHUNKS: usize = 4096;

pub(crate) struct Delay {
    port: u16,
    talk: Arc<Talk>,
}

#[derive(Default)]
struct Talk {
    answered: AtomicBool,
    turns: AtomicU64,
}

impl Delay {
    pub(crate) async fn to(port: u16, one_way: Duration) -> Self {
        let talk = Arc::new(Talk::default());
        if one_way.is_zero() {
            return Self { port, talk };
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().port();
        let shared = Arc::clone(&talk);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let talk = Arc::clone(&shared);
                tokio::spawn(async move {
                    // What TCP itself takes to connect.
                    tokio::time::sleep(2 * one_way).await;
                    let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    near.set_nodelay(true).unwrap();
                    far.set_nodelay(true).unwrap();
                    let (near_out, near_in) = near.into_split();
                    let (far_out, far_in) = far.into_split();
                    let there = carry(near_out, far_in, one_way, Some(&talk), false);
                    let back = carry(far_out, near_in, one_way, Some(&talk), true);
                    tokio::join!(there, back);
                });
            }
        });
        Self { port: here, talk }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How often the client spoke after the server had.
    pub(crate) fn turns(&self) -> u64 {
        self.talk.turns.load(Ordering::Relaxed)
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    one_way: Duration,
    talk: Option<&Talk>,
    answer: bool,
) {
    let (put, mut get) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS);
    let read = async move {
        let mut chunk = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut chunk).await {
            if let Some(talk) = talk
                && talk.answered.swap(answer, Ordering::Relaxed)
                && !answer
            {
                talk.turns.fetch_add(1, Ordering::Relaxed);
            }
            let arrives = Instant::now() + one_way;
            if put.send((arrives, chunk[..count].to_vec())).await.is_err() {
                break;
            }
        }
    };
    let write = async move {
        while let Some((arrives, chunk)) = get.recv().await {
            tokio::time::sleep_until(arrives).await;
            if to.write_all(&chunk).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(read, write);
}
