//! An answer's body on its way to the client. With its last byte the member is done with the
//! request, and the connection to it free for the next.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::upload::Progress;
use crate::router::{Connection, Hold};

/// An answer's body.
pub(crate) enum Answer {
    /// A member's.
    Streamed(Streamed),
    /// Our own.
    Text(Option<Bytes>),
}

/// A member's answer, and what is held until it ends.
pub(crate) struct Streamed {
    body: Incoming,
    held: Option<Held>,
}

struct Held {
    hold: Hold,
    connection: Connection,
    worker: usize,
    upload: Option<Arc<Progress>>,
}

impl Answer {
    pub(super) fn streamed(
        body: Incoming,
        hold: Hold,
        connection: Connection,
        worker: usize,
        upload: Option<Arc<Progress>>,
    ) -> Self {
        let held = Held {
            hold,
            connection,
            worker,
            upload,
        };
        let mut streamed = Streamed {
            body,
            held: Some(held),
        };
        streamed.finish_at_end();
        Self::Streamed(streamed)
    }

    pub(super) fn text(text: &'static str) -> Self {
        Self::Text(Some(Bytes::from_static(text.as_bytes())))
    }

    pub(super) fn empty() -> Self {
        Self::Text(None)
    }
}

impl Streamed {
    fn finish_at_end(&mut self) {
        if self.body.is_end_stream() {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let Some(held) = self.held.take() else {
            return;
        };
        // While the request is still being sent the connection is not free, although the answer
        // is complete; then it is closed.
        if held.upload.is_none_or(|upload| upload.is_complete()) {
            held.hold.upstream().keep(held.worker, held.connection);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let streamed = match self.get_mut() {
            Self::Text(text) => return Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Streamed(streamed) => streamed,
        };
        let Poll::Ready(frame) = Pin::new(&mut streamed.body).poll_frame(context) else {
            return Poll::Pending;
        };
        match &frame {
            None => streamed.finish(),
            Some(Ok(_)) => streamed.finish_at_end(),
            // The connection is of no more use.
            Some(Err(_)) => streamed.held = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Streamed(streamed) => streamed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Self::Streamed(streamed) => streamed.body.size_hint(),
        }
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.finish_at_end();
    }
}
