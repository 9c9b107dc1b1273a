//! A request's body on its way to a member.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

/// For how long a client may send nothing of a body that it has begun; what nginx grants.
const STALL_MAX: Duration = Duration::from_secs(60);

/// A request's body.
pub(crate) struct Upload(Option<Stream>);

struct Stream {
    body: Incoming,
    progress: Arc<Progress>,
    stalled: Pin<Box<Sleep>>,
}

/// How far a body has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    frames: AtomicU64,
    complete: AtomicBool,
}

impl Upload {
    /// No body.
    pub(crate) fn empty() -> Self {
        Self(None)
    }

    /// A client's body, and how far it has come; none where there is no body.
    pub(super) fn new(body: Incoming) -> (Self, Option<Arc<Progress>>) {
        if body.is_end_stream() {
            return (Self(None), None);
        }
        let progress = Arc::new(Progress::default());
        let stream = Stream {
            body,
            progress: Arc::clone(&progress),
            stalled: Box::pin(tokio::time::sleep(STALL_MAX)),
        };
        (Self(Some(stream)), Some(progress))
    }
}

impl Progress {
    pub(super) fn read(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Relaxed)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(stream) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = Pin::new(&mut stream.body).poll_frame(context) else {
            ready!(stream.stalled.as_mut().poll(context));
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        };
        stream.stalled.as_mut().reset(Instant::now() + STALL_MAX);
        stream.progress.frames.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|stream| stream.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let none = SizeHint::with_exact(0);
        self.0
            .as_ref()
            .map_or(none, |stream| stream.body.size_hint())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Who sends a body of known length need not ask for its end.
        if self.body.is_end_stream() {
            self.progress.complete.store(true, Ordering::Relaxed);
        }
    }
}
