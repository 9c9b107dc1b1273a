//! One connection to a machine, through as many hosts as it takes, and the shells that stand
//! ready on it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use russh::{
    Channel, Disconnect,
    client::{Handle, Msg},
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::{
    client::{Client, Reason},
    config::Route,
    flow::Flows,
    handshake::{self, Entered},
    shell::{Place, Shell},
};
use crate::error::{ErrorKind, MachineError};

/// A server lets through ten sessions on a connection where nobody says otherwise; some of them
/// are for streams.
const SHELLS_MAX: usize = 8;

/// Shells that are kept for the next call. More stand ready only where calls come side by side.
const IDLE_MAX: usize = 2;

/// What a machine takes to start a shell, about.
const SHELL_START: Duration = Duration::from_millis(10);

/// Farther away than this, waiting costs more than working.
const FAR: Duration = Duration::from_millis(15);

pub(super) struct Connection {
    /// The last one is the machine's; the others carry it.
    handles: Vec<Handle<Client>>,
    ended: Reason,
    flows: Flows,
    idle: Mutex<Vec<Shell>>,
    shells: Arc<Semaphore>,
    freed: Arc<Notify>,
    /// How many wait for a shell.
    waiting: AtomicUsize,
    /// As messages name it.
    whom: String,
}

impl Connection {
    /// Connects to every host on the way, checks its key and proves who we are.
    pub(super) async fn open(route: &Route) -> Result<Self, MachineError> {
        let Entered {
            handles,
            ended,
            flows,
            whom,
        } = handshake::enter(route).await?;
        Ok(Self {
            handles,
            ended,
            flows,
            idle: Mutex::new(Vec::new()),
            shells: Arc::new(Semaphore::new(SHELLS_MAX)),
            freed: Arc::default(),
            waiting: AtomicUsize::new(0),
            whom,
        })
    }

    fn handle(&self) -> Option<&Handle<Client>> {
        self.handles.last()
    }

    /// Whether nothing can be done with it any more.
    pub(super) fn is_lost(&self) -> bool {
        self.handle().is_none_or(Handle::is_closed)
    }

    /// What to say where it is lost.
    pub(super) fn lost(&self) -> MachineError {
        let why = self
            .ended
            .get()
            .map_or(String::new(), |why| format!(": {why}"));
        let text = format!("the connection to {} was lost{why}", self.whom);
        MachineError::new(ErrorKind::Unavailable, text)
    }

    /// A shell that stands ready, or a new one, or the first that is done.
    pub(super) async fn shell(&self) -> Result<Shell, MachineError> {
        let _waiting = Waiting::one_more(&self.waiting);
        loop {
            let freed = self.freed.notified();
            if let Some(mut shell) = self.idle().pop() {
                if shell.is_ready() {
                    return Ok(shell);
                }
                continue;
            }
            // The one that is busy is soon done, as a rule, and a new one costs as much.
            if self.busy() > 0 && tokio::time::timeout(self.patience(), freed).await.is_ok() {
                continue;
            }
            let freed = self.freed.notified();
            match Arc::clone(&self.shells).try_acquire_owned() {
                Ok(permit) => return self.new_shell_in(permit).await,
                Err(_) => freed.await,
            }
        }
    }

    /// Shells that stand ready before anything is asked. Far away a second one is worth its while:
    /// to begin with, two things are looked at.
    pub(super) async fn stand_ready(&self) -> Result<(), MachineError> {
        if self.flows.round_trip.get() < FAR {
            self.keep(self.shell().await?);
            return Ok(());
        }
        let (one, other) = tokio::join!(self.new_shell(), self.new_shell());
        self.keep(one?);
        self.keep(other?);
        Ok(())
    }

    fn busy(&self) -> usize {
        SHELLS_MAX - self.shells.available_permits() - self.idle().len()
    }

    /// How long the start of a new shell takes, about.
    fn patience(&self) -> Duration {
        SHELL_START + 2 * self.flows.round_trip.get()
    }

    /// A shell in which nothing has been done yet.
    pub(super) async fn new_shell(&self) -> Result<Shell, MachineError> {
        let permit = Arc::clone(&self.shells)
            .acquire_owned()
            .await
            .map_err(|_| self.lost())?;
        self.new_shell_in(permit).await
    }

    async fn new_shell_in(&self, permit: OwnedSemaphorePermit) -> Result<Shell, MachineError> {
        let channel = self.session().await?;
        let flow = self.flows.open(channel.id());
        let place = Place {
            permit,
            freed: Arc::clone(&self.freed),
        };
        Shell::start(channel, flow, self.flows.clone(), place)
            .await
            .map_err(|_| self.lost())
    }

    /// Takes back a shell that has done what it was asked to.
    pub(super) fn keep(&self, shell: Shell) {
        let mut idle = self.idle();
        if idle.len() < IDLE_MAX.max(self.waiting.load(Ordering::Relaxed)) {
            idle.push(shell);
            self.freed.notify_one();
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Shell>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn session(&self) -> Result<Channel<Msg>, MachineError> {
        let handle = self.handle().ok_or_else(|| self.lost())?;
        let asked = Instant::now();
        let channel = handle.channel_open_session().await;
        let channel = channel.map_err(|error| self.not_opened("session", &error))?;
        self.flows.round_trip.seen(asked.elapsed());
        Ok(channel)
    }

    fn not_opened(&self, what: &str, error: &russh::Error) -> MachineError {
        match error {
            russh::Error::ChannelOpenFailure(failure) => {
                let text = format!("{} opens no {what} ({failure:?})", self.whom);
                MachineError::new(ErrorKind::Unavailable, text)
            }
            _ => self.lost(),
        }
    }

    /// Ends a process and its group, which a call that is over has left behind.
    pub(super) async fn end(self: Arc<Self>, process: i32) {
        let Ok(channel) = self.session().await else {
            return;
        };
        let ask = |signal: &str| format!("kill -s {signal} -- -{process} {process}");
        let line = format!(
            "/bin/sh -c '{}; sleep 2; {}' 2>/dev/null",
            ask("TERM"),
            ask("KILL")
        );
        let _ = channel.exec(false, line).await;
        let mut channel = channel;
        while let Some(message) = channel.wait().await {
            if matches!(message, russh::ChannelMsg::Close) {
                break;
            }
        }
    }

    /// A stream to a port that the machine sees.
    pub(super) async fn tcp(&self, host: &str, port: u16) -> Result<Channel<Msg>, MachineError> {
        let handle = self.handle().ok_or_else(|| self.lost())?;
        let opened = handle
            .channel_open_direct_tcpip(host, u32::from(port), "127.0.0.1", 0)
            .await;
        opened.map_err(|error| self.not_opened(&format!("way to {host}:{port}"), &error))
    }

    /// A stream to a socket on the machine.
    pub(super) async fn unix(&self, path: &str) -> Result<Channel<Msg>, MachineError> {
        let handle = self.handle().ok_or_else(|| self.lost())?;
        let opened = handle.channel_open_direct_streamlocal(path).await;
        opened.map_err(|error| self.not_opened(&format!("way to {path}"), &error))
    }

    pub(super) async fn close(&self) {
        for handle in self.handles.iter().rev() {
            let _ = handle
                .disconnect(Disconnect::ByApplication, "done", "")
                .await;
        }
    }
}

/// Counts itself.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn one_more(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
