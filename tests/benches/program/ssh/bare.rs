//! The floor: one connection, one exec for each step, nothing else.

use std::{path::Path, sync::Arc};

use futures::future::join_all;
use russh::{
    Channel, ChannelMsg,
    client::{Config, Handler, Msg, connect_stream},
    keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key},
};
use tokio::{net::TcpStream, runtime::Runtime};

use super::Host;

/// What is on its way at most.
const AHEAD: u32 = 256 << 10;

struct Client;

impl Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// Releases to all hosts side by side.
pub(crate) fn deploy(hosts: &[Host], archive: &Path, id: &str) {
    let all = hosts.iter().map(|host| one(host, archive, id));
    Runtime::new().unwrap().block_on(join_all(all));
}

async fn one(host: &Host, archive: &Path, id: &str) {
    let stream = TcpStream::connect(&host.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let stream = Prompt(stream);
    let mut handle = connect_stream(Arc::new(Config::default()), stream, Client)
        .await
        .unwrap();
    let key = Arc::new(load_secret_key(&host.key, None).unwrap());
    let key = PrivateKeyWithHashAlg::new(key, None);
    assert!(
        handle
            .authenticate_publickey(&host.user, key)
            .await
            .unwrap()
            .success()
    );
    for (index, step) in super::steps(host, id).iter().enumerate() {
        let mut channel = handle.channel_open_session().await.unwrap();
        channel.exec(false, step.as_str()).await.unwrap();
        if index == 1 {
            send(&mut channel, archive).await;
        }
        channel.eof().await.unwrap();
        let mut status = None;
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
                ChannelMsg::Close => break,
                _ => {}
            }
        }
        assert_eq!(status, Some(0), "{step}");
    }
}

/// Sends a file, so much ahead of what was taken.
async fn send(channel: &mut Channel<Msg>, archive: &Path) {
    let contents = bytes::Bytes::from(std::fs::read(archive).unwrap());
    let (mut window, mut whole) = (0, 0);
    let mut rest = contents;
    while !rest.is_empty() {
        while whole == 0 || whole - window >= AHEAD {
            match channel.wait().await {
                Some(ChannelMsg::WindowAdjusted { new_size }) => {
                    window = new_size;
                    whole = whole.max(new_size);
                }
                Some(_) => {}
                None => panic!("the server hung up"),
            }
        }
        let chunk = rest.split_to(rest.len().min(32 << 10));
        window = window.saturating_sub(chunk.len() as u32);
        channel.data_bytes(chunk).await.unwrap();
    }
}

/// Acknowledges at once, as the machines' connections do.
struct Prompt(TcpStream);

impl tokio::io::AsyncRead for Prompt {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let read = std::pin::Pin::new(&mut self.0).poll_read(context, buffer);
        #[cfg(target_os = "linux")]
        let _ = rustix::net::sockopt::set_tcp_quickack(&self.0, true);
        read
    }
}

impl tokio::io::AsyncWrite for Prompt {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(context)
    }
}
