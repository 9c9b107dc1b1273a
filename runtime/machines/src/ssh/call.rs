//! One call: a script goes out with all that belongs to it, and what it reports comes back. It
//! costs one round trip.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use russh::{ChannelMsg, ChannelWriteHalf, client::Msg};
use tokio::time::Instant;

use super::{
    collect::{Came, Collector},
    connection::Connection,
    flow::Flow,
    script::{Blob, Script},
    shell::Shell,
};
use crate::{
    action::Output,
    artifact::Parcel,
    error::{ErrorKind, MachineError},
};

/// What goes out at a time: what one packet holds.
const CHUNK_BYTES: usize = 32 << 10;

/// What is read from a file at a time.
const READ_BYTES: usize = 128 << 10;

/// Why a call ended without an answer.
pub(super) enum Broken {
    /// Nothing had begun: it can be done again.
    NotBegun(MachineError),
    /// An action took too long; with what it wrote.
    OutOfTime(Option<usize>, Output),
    Lost(MachineError),
}

/// How long a call that was given up listens for the process that must be ended.
const LINGER: Duration = Duration::from_secs(5);

/// Has a script done.
pub(super) async fn call(
    connection: &Arc<Connection>,
    shell: Shell,
    script: &Arc<Script>,
) -> Result<Vec<Came>, Broken> {
    let collector = Collector::new(Arc::clone(script));
    let mut call = Call {
        connection,
        under_way: Some((shell, collector)),
    };
    let sent = call.converse(script).await?;
    let Some((shell, collector)) = call.under_way.take() else {
        return Ok(Vec::new());
    };
    if sent && collector.came_to_its_end() {
        connection.keep(shell);
    }
    collector.finish().map_err(Broken::Lost)
}

/// Ends what runs when it is dropped before its time.
struct Call<'a> {
    connection: &'a Arc<Connection>,
    under_way: Option<(Shell, Collector)>,
}

impl Call<'_> {
    /// Whether all was sent that was there to be sent.
    async fn converse(&mut self, script: &Script) -> Result<bool, Broken> {
        let Some((shell, collector)) = &mut self.under_way else {
            return Ok(false);
        };
        let mut head = shell.first.take().unwrap_or_default();
        head.extend_from_slice(&script.request());
        let flow = Arc::clone(&shell.flow);
        let out = Out::new(Arc::clone(&shell.writer), Arc::clone(&flow));
        let sending = send(out, head.into(), &script.blobs, collector.changed());
        tokio::pin!(sending);
        let mut sent = false;
        let mut clock = Clock::start(script.prelude);
        while !collector.is_complete() {
            let message = tokio::select! {
                done = &mut sending, if !sent => {
                    sent = true;
                    if let Err(Unsent::Artifact(index)) = done {
                        return Err(Broken::Lost(changed().at(index)));
                    }
                    // Why a channel takes no more is said by what comes next.
                    continue;
                }
                message = shell.hear() => message,
                () = tokio::time::sleep_until(clock.until) => {
                    if clock.goes_on(&flow) {
                        continue;
                    }
                    let index = collector.under_way().map(|(index, _)| index);
                    return Err(Broken::OutOfTime(index, collector.so_far()));
                }
            };
            match message {
                Some(ChannelMsg::Failure) => {
                    return Err(Broken::Lost(refused("the machine lets no program run")));
                }
                None | Some(ChannelMsg::Close) => {
                    return Err(ended(self.connection, collector));
                }
                Some(message) => collector.take(&message),
            }
            clock.turn(script, collector.under_way().map(|(index, _)| index));
        }
        Ok(sent)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let Some((mut shell, mut collector)) = self.under_way.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if !collector.may_run() || self.connection.is_lost() {
            return;
        }
        let connection = Arc::clone(self.connection);
        runtime.spawn(async move {
            // Which process it is may be on its way here.
            let listen = async {
                loop {
                    if let Some((_, Some(process))) = collector.under_way() {
                        return Some(process);
                    }
                    match shell.hear().await {
                        None | Some(ChannelMsg::Close) => return None,
                        Some(message) => collector.take(&message),
                    }
                    if collector.is_complete() {
                        return None;
                    }
                }
            };
            if let Ok(Some(process)) = tokio::time::timeout(LINGER, listen).await {
                connection.end(process).await;
            }
            drop(shell);
        });
    }
}

fn ended(connection: &Connection, collector: &Collector) -> Broken {
    if connection.is_lost() {
        return Broken::Lost(connection.lost());
    }
    if collector.begun {
        let text = "the shell on the machine ended before it was through";
        return Broken::Lost(MachineError::new(ErrorKind::Unavailable, text));
    }
    let noise = collector.noise();
    let colon = if noise.is_empty() { "" } else { ": " };
    Broken::NotBegun(refused(&format!(
        "the login shell takes no commands{colon}{noise}"
    )))
}

fn refused(text: &str) -> MachineError {
    MachineError::new(ErrorKind::Rejected, text)
}

/// Why not all was sent.
enum Unsent {
    /// The channel takes no more.
    Channel,
    /// An artifact has become shorter, or cannot be read any more.
    Artifact(usize),
}

impl From<russh::Error> for Unsent {
    fn from(_: russh::Error) -> Self {
        Self::Channel
    }
}

/// An artifact is not what it was.
pub(super) fn changed() -> MachineError {
    let text = "the artifact changed while it was sent: it is not what the release was made of";
    MachineError::new(ErrorKind::Conflict, text)
}

/// Sends the script, and what follows it. Says in `changed` which artifact is not what it was.
async fn send(
    mut out: Out,
    head: Bytes,
    blobs: &[Blob],
    changed: Arc<OnceLock<usize>>,
) -> Result<(), Unsent> {
    out.push(head).await?;
    let _sending = (!blobs.is_empty()).then(|| out.flow.begin());
    for blob in blobs {
        match blob {
            Blob::Bytes(bytes) => {
                out.push(bytes.clone()).await?;
                out.push(Bytes::from_static(b"ok\n")).await?;
            }
            Blob::Artifact(index, packed) => {
                let parcel = out.parcel(packed.parcel()).await?;
                let parcel = parcel.ok_or(Unsent::Artifact(*index))?;
                let right = parcel.verdict();
                if !right {
                    let _ = changed.set(*index);
                }
                out.push(Bytes::from_static(if right { b"ok\n" } else { b"no\n" }))
                    .await?;
            }
        }
    }
    Ok(out.flush().await?)
}

/// Cuts what goes out into packets.
struct Out {
    writer: Arc<ChannelWriteHalf<Msg>>,
    flow: Arc<Flow>,
    head: Vec<u8>,
}

impl Out {
    fn new(writer: Arc<ChannelWriteHalf<Msg>>, flow: Arc<Flow>) -> Self {
        Self {
            writer,
            flow,
            head: Vec::new(),
        }
    }

    /// Small pieces wait for the next one, so that they share its packet.
    async fn push(&mut self, mut bytes: Bytes) -> Result<(), russh::Error> {
        if self.head.len() + bytes.len() < CHUNK_BYTES {
            self.head.extend_from_slice(&bytes);
            return Ok(());
        }
        if !self.head.is_empty() {
            let rest = bytes.split_to(CHUNK_BYTES - self.head.len());
            self.head.extend_from_slice(&rest);
            self.flush().await?;
        }
        while bytes.len() >= CHUNK_BYTES {
            let chunk = bytes.split_to(CHUNK_BYTES);
            self.packet(chunk).await?;
        }
        self.head.extend_from_slice(&bytes);
        Ok(())
    }

    /// All of a parcel; none where it could not be read to its end.
    async fn parcel(&mut self, mut parcel: Parcel) -> Result<Option<Parcel>, russh::Error> {
        loop {
            let next = if parcel.blocks() {
                let read = tokio::task::spawn_blocking(move || {
                    let next = parcel.next(READ_BYTES);
                    (parcel, next)
                });
                let Ok((back, next)) = read.await else {
                    return Ok(None);
                };
                parcel = back;
                next
            } else {
                parcel.next(READ_BYTES)
            };
            match next {
                Ok(Some(chunk)) => self.push(chunk).await?,
                Ok(None) => return Ok(Some(parcel)),
                Err(_) => return Ok(None),
            }
        }
    }

    async fn flush(&mut self) -> Result<(), russh::Error> {
        if self.head.is_empty() {
            return Ok(());
        }
        let head = std::mem::take(&mut self.head);
        self.packet(head.into()).await
    }

    async fn packet(&self, chunk: Bytes) -> Result<(), russh::Error> {
        self.flow.admit(chunk.len() as u64).await;
        self.writer.data_bytes(chunk).await
    }
}

/// When the action under way has had its time.
struct Clock {
    until: Instant,
    index: Option<usize>,
    allowed: Duration,
    taken: u64,
}

impl Clock {
    fn start(allowed: Duration) -> Self {
        Self {
            until: Instant::now() + allowed,
            index: None,
            allowed,
            taken: 0,
        }
    }

    /// Another action begins.
    fn turn(&mut self, script: &Script, index: Option<usize>) {
        if index.is_some() && index != self.index {
            self.index = index;
            self.allowed = index
                .and_then(|index| script.parts.get(index))
                .map_or(self.allowed, |part| part.timeout);
            self.until = Instant::now() + self.allowed;
        }
    }

    /// What still takes what is sent has not stopped.
    fn goes_on(&mut self, flow: &Flow) -> bool {
        let taken = flow.taken();
        let moved = taken > self.taken;
        self.taken = taken;
        if moved {
            self.until = Instant::now() + self.allowed;
        }
        moved
    }
}
