//! A socket for hyper that writes small messages in one plain call.
//!
//! hyper hands head and body over as separate pieces. For small ones, copying them together and sending once costs
//! less than the kernel's way of gathering them; large ones are gathered, not copied.

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite};

/// Messages up to this length are copied together.
const SMALL: usize = 4096;

pub(crate) struct Wire<T>(TokioIo<T>);

impl<T> Wire<T> {
    pub(crate) fn new(stream: T) -> Self {
        Self(TokioIo::new(stream))
    }
}

impl<T: AsyncRead + Unpin> Read for Wire<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> Write for Wire<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let inner = Pin::new(&mut self.0);
        if let [only] = pieces {
            return inner.poll_write(cx, only);
        }
        if pieces.iter().map(|piece| piece.len()).sum::<usize>() > SMALL {
            return inner.poll_write_vectored(cx, pieces);
        }
        let mut together = [0; SMALL];
        let mut length = 0;
        for piece in pieces {
            together[length..length + piece.len()].copy_from_slice(piece);
            length += piece.len();
        }
        inner.poll_write(cx, &together[..length])
    }
}
