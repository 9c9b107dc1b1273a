//! Which version of HTTP a client without TLS begins with.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What tells HTTP/2's first line, `PRI * HTTP/2.0`, from a request of HTTP/1: no method that is
/// in use begins so.
const SECOND: &[u8; 3] = b"PRI";

/// Reads as much as it takes to tell. True for HTTP/2.
pub(super) async fn read(mut stream: TcpStream) -> io::Result<(bool, Rewound)> {
    let mut start = [0; SECOND.len()];
    let mut length = 0;
    while length < start.len() && start[..length] == SECOND[..length] {
        match stream.read(&mut start[length..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => length += more,
        }
    }
    let second = start[..length] == SECOND[..];
    let stream = Rewound {
        stream,
        start,
        read: 0,
        length,
    };
    Ok((second, stream))
}

/// A stream with its first bytes back in front of it.
pub(super) struct Rewound {
    stream: TcpStream,
    start: [u8; SECOND.len()],
    read: usize,
    length: usize,
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = &self.start[self.read..self.length];
        if left.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let fits = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..fits]);
        self.read += fits;
        // What else is there is likely there by now; if not, what was put is an answer.
        if buffer.remaining() > 0 {
            let _ = Pin::new(&mut self.stream).poll_read(context, buffer)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
