//! Bodies on their way through, frame by frame, nothing buffered here: a reader that is slow slows the writer.

use crate::{forward::Busy, lane::Ticket, upstream::Sender};
use http_body::{Body, Frame, SizeHint};
use hyper::body::{Bytes, Incoming};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};
use tokio::task::AbortHandle;

type Polled = Poll<Option<Result<Frame<Bytes>, hyper::Error>>>;

/// How a request body gets on, seen from beside it.
#[derive(Default)]
pub(crate) struct Progress {
    /// Frames so far, so that a slow upload is not taken for a silent upstream.
    pub frames: AtomicU64,
    /// The client broke off.
    pub broken: AtomicBool,
}

/// A request body on its way to the upstream.
pub(crate) struct Outgoing {
    inner: Option<Incoming>,
    progress: Option<Arc<Progress>>,
    /// `Expect: 100-continue`: nothing is read from the client before this resolves.
    wait: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Outgoing {
    pub(crate) fn empty() -> Self {
        Self { inner: None, progress: None, wait: None }
    }

    pub(crate) fn new(inner: Incoming, progress: Arc<Progress>) -> Self {
        Self { inner: Some(inner), progress: Some(progress), wait: None }
    }

    pub(crate) fn wait_for(&mut self, go: impl Future<Output = ()> + Send + 'static) {
        self.wait = Some(Box::pin(go));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inner.is_none()
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        if let Some(go) = &mut self.wait {
            ready!(go.as_mut().poll(cx));
            self.wait = None;
        }
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(inner).poll_frame(cx));
        if let Some(progress) = &self.progress {
            progress.frames.fetch_add(1, Relaxed);
            if matches!(frame, Some(Err(_))) {
                progress.broken.store(true, Relaxed);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

/// A response body on its way to the client, or a short text of our own.
pub(crate) enum Answer {
    Streamed(Streamed),
    Text(&'static str),
}

/// The upstream's body; while it exists, the request is in flight.
pub(crate) struct Streamed {
    inner: Incoming,
    complete: bool,
    /// Already counted as an error by its status.
    failed: bool,
    flight: Flight,
}

/// What a request holds until its answer is through.
pub(crate) struct Flight {
    pub ticket: Ticket,
    /// To be kept when the answer is complete.
    pub sender: Option<Sender>,
    /// To be closed even when the answer is complete.
    pub close: Option<AbortHandle>,
    pub _busy: Busy,
}

impl Streamed {
    pub(crate) fn new(inner: Incoming, failed: bool, flight: Flight) -> Self {
        Self { inner, complete: false, failed, flight }
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        let complete = self.complete || self.inner.is_end_stream();
        if let Some(sender) = self.flight.sender.take()
            && complete
            && !self.flight.ticket.lane.retired()
        {
            self.flight.ticket.lane.pool.put(sender);
        }
        if let Some(connection) = self.flight.close.take() {
            connection.abort();
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match &mut *self {
            Self::Streamed(streamed) => {
                let frame = ready!(Pin::new(&mut streamed.inner).poll_frame(cx));
                match &frame {
                    None => streamed.complete = true,
                    Some(Err(_)) if !streamed.failed => {
                        streamed.failed = true;
                        streamed.flight.ticket.lane.stats.errors.fetch_add(1, Relaxed);
                    }
                    _ => {}
                }
                Poll::Ready(frame)
            }
            Self::Text("") => Poll::Ready(None),
            Self::Text(text) => {
                let frame = Frame::data(Bytes::from_static(text.as_bytes()));
                *text = "";
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Streamed(streamed) => streamed.inner.is_end_stream(),
            Self::Text(text) => text.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Streamed(streamed) => streamed.inner.size_hint(),
            Self::Text(text) => SizeHint::with_exact(text.len() as u64),
        }
    }
}
