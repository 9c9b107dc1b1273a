//! A line with a length: everything arrives later, nothing is slower.

use std::time::Duration;

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

/// Stands between a client and the server at `to`. Gives back its own port.
pub(crate) async fn before(to: String, one_way: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(join(near, to.clone(), one_way));
        }
    });
    here
}

async fn join(near: TcpStream, to: String, one_way: Duration) {
    // What TCP itself takes to connect.
    tokio::time::sleep(2 * one_way).await;
    let far = TcpStream::connect(to).await.unwrap();
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    let (near_out, near_in) = near.into_split();
    let (far_out, far_in) = far.into_split();
    let there = carry(near_out, far_in, one_way);
    let back = carry(far_out, near_in, one_way);
    tokio::join!(there, back);
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, one_way: Duration) {
    let (put, mut get) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS);
    let read = async move {
        let mut chunk = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut chunk).await {
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
