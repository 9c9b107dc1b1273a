//! How a new process takes over from the one that runs: over a Unix socket beside the state it
//! gets the listening sockets themselves, so that no connection is refused, and the claim on the
//! state. The old process then follows the new one's state until the requests it still has end.

use std::{
    io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Write},
    mem::MaybeUninit,
    net::SocketAddr,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::{
    ProxyError,
    router::Router,
    sockets::{Inherited, Sockets},
    state::State,
};

/// The version of what is said here.
const VERSION: u32 = 1;

/// How long either side waits for a word of the other; both are on one machine.
const WORD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the new process may take from the sockets to being ready.
const READY_TIMEOUT: Duration = Duration::from_secs(20);

/// How many sockets can be passed; more than anyone listens on.
const SOCKETS_MAX: usize = 128;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
enum Ask {
    /// Give the sockets, and change nothing from now on.
    Sockets { version: u32 },
    /// The new process is ready: take no more connections.
    Retire,
    /// Go by this state.
    Follow { state: State },
    /// How many requests are under way.
    Active,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reply {
    /// They come with it, in this order, then the admin's, then the lock.
    Sockets {
        listen: Vec<SocketAddr>,
        admin: String,
    },
    Active(Vec<Active>),
    Refused(String),
}

/// Requests under way at one member.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Active {
    pub(crate) target: String,
    pub(crate) address: String,
    pub(crate) active: u64,
}

/// What the old process gives, and whom it tells.
pub(crate) struct Giver {
    pub(crate) router: Arc<Router>,
    pub(crate) sockets: Arc<Mutex<Option<Sockets>>>,
    /// The admin endpoint, as the new process would write it.
    pub(crate) admin: String,
    /// The process that this one took over from itself.
    pub(crate) predecessor: Arc<Predecessor>,
    pub(crate) retire: Box<dyn Fn() + Send + Sync>,
}

impl Giver {
    /// Serves one process that wants to take over, to the end.
    pub(crate) fn serve(&self, stream: UnixStream) {
        let mut retired = false;
        let ended = self.converse(stream, &mut retired);
        if !retired {
            // It did not come to it; this process goes on as before.
            self.router.freeze(false);
        }
        if let Err(error) = ended {
            tracing::warn!(%error, retired, "the process that takes over is gone");
        }
    }

    fn converse(&self, stream: UnixStream, retired: &mut bool) -> io::Result<()> {
        stream.set_read_timeout(Some(READY_TIMEOUT))?;
        stream.set_write_timeout(Some(WORD_TIMEOUT))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(ask) = hear::<Ask>(&mut reader)? {
            match ask {
                Ask::Sockets { version } if version == VERSION => self.give(&stream)?,
                Ask::Sockets { version } => {
                    let reason =
                        format!("it speaks version {version} of the handover, not {VERSION}");
                    tell(&stream, &Reply::Refused(reason), &[])?;
                }
                Ask::Retire => {
                    *retired = true;
                    // From now on it speaks when it has something to say.
                    stream.set_read_timeout(None)?;
                    (self.retire)();
                    self.tell_active(&stream)?;
                }
                Ask::Follow { state } => {
                    self.predecessor.follow(&state);
                    self.router.follow(state);
                    self.tell_active(&stream)?;
                }
                Ask::Active => self.tell_active(&stream)?,
            }
        }
        Ok(())
    }

    fn give(&self, stream: &UnixStream) -> io::Result<()> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sockets) = &*sockets else {
            return tell(stream, &Reply::Refused("it is about to end".into()), &[]);
        };
        self.router.freeze(true);
        let reply = Reply::Sockets {
            listen: sockets.listen.iter().map(|(address, _)| *address).collect(),
            admin: self.admin.clone(),
        };
        let listeners = sockets.listen.iter().map(|(_, listener)| listener.as_fd());
        let others = [sockets.admin.as_fd(), sockets.lock.as_fd()];
        let descriptors: Vec<BorrowedFd<'_>> = listeners.chain(others).collect();
        tell(stream, &reply, &descriptors)
    }

    fn tell_active(&self, stream: &UnixStream) -> io::Result<()> {
        let members = self.router.upstreams();
        let busy = members.iter().map(|(_, member)| Active {
            target: member.target().to_owned(),
            address: member.address().to_owned(),
            active: member.active(),
        });
        let older = self.predecessor.active().unwrap_or_default();
        tell(stream, &Reply::Active(busy.chain(older).collect()), &[])
    }
}

/// The process that this one took over from, while it is there.
#[derive(Default)]
pub(crate) struct Predecessor(Mutex<Option<BufReader<UnixStream>>>);

impl Predecessor {
    /// Asks the process behind the socket for all that it listens on. None where there is none.
    pub(crate) fn ask(path: &Path) -> Result<Option<(Self, Inherited)>, ProxyError> {
        let Ok(stream) = UnixStream::connect(path) else {
            return Ok(None);
        };
        let failed = |error: io::Error| ProxyError::Handover {
            reason: error.to_string(),
        };
        stream
            .set_read_timeout(Some(WORD_TIMEOUT))
            .map_err(failed)?;
        stream
            .set_write_timeout(Some(WORD_TIMEOUT))
            .map_err(failed)?;
        tell(&stream, &Ask::Sockets { version: VERSION }, &[]).map_err(failed)?;
        let (reply, descriptors) = hear_with_sockets(&stream).map_err(failed)?;
        let (listen, admin) = match reply {
            Reply::Sockets { listen, admin } => (listen, admin),
            Reply::Refused(reason) => return Err(ProxyError::Handover { reason }),
            Reply::Active(_) => return Err(failed(io::ErrorKind::InvalidData.into())),
        };
        let missing = || failed(io::Error::other("it gave fewer sockets than it named"));
        let mut descriptors = descriptors.into_iter();
        let mut given = Vec::new();
        for address in listen {
            given.push((address, descriptors.next().ok_or_else(missing)?));
        }
        let inherited = Inherited {
            listen: given,
            admin: (admin, descriptors.next().ok_or_else(missing)?),
            lock: descriptors.next().ok_or_else(missing)?,
        };
        let predecessor = Self(Mutex::new(Some(BufReader::new(stream))));
        Ok(Some((predecessor, inherited)))
    }

    /// Tells it that this process is ready. False where it does not wait for that any more.
    pub(crate) fn retire(&self) -> bool {
        self.exchange(&Ask::Retire).is_some()
    }

    /// Has it go by a state; when this returns it does, or is gone.
    pub(crate) fn follow(&self, state: &State) {
        if self.is_there() {
            let state = state.clone();
            self.exchange(&Ask::Follow { state });
        }
    }

    /// The requests it still has; none where it is gone.
    pub(crate) fn active(&self) -> Option<Vec<Active>> {
        self.exchange(&Ask::Active)
    }

    pub(crate) fn is_there(&self) -> bool {
        self.lock().is_some()
    }

    fn exchange(&self, ask: &Ask) -> Option<Vec<Active>> {
        let mut held = self.lock();
        let reader = held.as_mut()?;
        let said = tell(reader.get_ref(), ask, &[]).and_then(|()| hear::<Reply>(reader));
        if let Ok(Some(Reply::Active(active))) = said {
            return Some(active);
        }
        *held = None;
        None
    }

    fn lock(&self) -> MutexGuard<'_, Option<BufReader<UnixStream>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says one line, with descriptors at its beginning.
fn tell(
    stream: &UnixStream,
    word: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    let mut sent = 0;
    if !descriptors.is_empty() {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::other("too many sockets to hand over"));
        }
        sent = sendmsg(
            stream,
            &[IoSlice::new(&line)],
            &mut control,
            SendFlags::empty(),
        )?;
    }
    let mut stream = stream;
    stream.write_all(&line[sent..])
}

/// Hears one line; none at the end.
fn hear<W: for<'a> Deserialize<'a>>(reader: &mut BufReader<UnixStream>) -> io::Result<Option<W>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

fn hear_with_sockets(stream: &UnixStream) -> io::Result<(Reply, Vec<OwnedFd>)> {
    let mut line = Vec::new();
    let mut descriptors = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut bytes = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let got = recvmsg(stream, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                descriptors.extend(received);
            }
        }
        if got.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(&bytes[..got.bytes]);
    }
    Ok((serde_json::from_slice(&line)?, descriptors))
}
