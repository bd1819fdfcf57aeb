//! The two halves of a `WebSocketStream`.

use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::Stream as Messages;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};

use super::stream::{Place, Shared, State};
use crate::message::Message;
use crate::tokio::stream::Stream;
use crate::web::{CloseInfo, TrySendError, WebError, WebSocketError};

/// Messages from the peer. Dropped, what still comes is passed over.
pub struct Readable<S: AsyncRead + AsyncWrite + Unpin = Stream> {
    shared: Arc<Shared<S>>,
    place: Place,
    /// The failure was told.
    has_failed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Readable<S> {
    pub(super) fn new(shared: Arc<Shared<S>>) -> Self {
        Self { shared, place: None, has_failed: false }
    }

    /// Waits for a message. `None`: the connection was closed in good order, or
    /// its failure was told before. Cancel safe.
    ///
    /// # Errors
    ///
    /// The connection has failed.
    pub async fn read(&mut self) -> Result<Option<Message<'static>>, WebSocketError> {
        poll_fn(|cx| self.poll_read(cx)).await.transpose()
    }

    /// Wants no more messages: closes the connection. It goes on while
    /// [`WebSocketStream::closed`](super::WebSocketStream::closed) is awaited.
    pub fn cancel(self, info: &CloseInfo) {
        self.shared.with(|state, cx| state.close(info, cx));
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message<'static>, WebSocketError>>> {
        let has_failed = &mut self.has_failed;
        self.shared.poll(&mut self.place, cx, |state, cx| {
            while !state.has_ended() {
                if let Some(message) = ready!(state.poll_step(true, cx)) {
                    return Poll::Ready(Some(Ok(message)));
                }
            }
            let failure = state.failure().filter(|_| !*has_failed);
            *has_failed = true;
            Poll::Ready(failure.map(Err))
        })
    }
}

/// As [`read`](Readable::read).
impl<S: AsyncRead + AsyncWrite + Unpin> Messages for Readable<S> {
    type Item = Result<Message<'static>, WebSocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_read(cx)
    }
}

/// Messages to the peer. Dropped, the connection stays open for the reader.
pub struct Writable<S: AsyncRead + AsyncWrite + Unpin = Stream> {
    shared: Arc<Shared<S>>,
    place: Place,
}

/// Why a message could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// The connection is closing, or was closed in good order, before the message
    /// was written: `InvalidStateError`.
    Closed,
    /// The connection has failed.
    Failed(WebSocketError),
    /// More would be buffered than
    /// [`Options::max_buffered`](crate::web::Options::max_buffered) allows.
    Full,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Writable<S> {
    pub(super) fn new(shared: Arc<Shared<S>>) -> Self {
        Self { shared, place: None }
    }

    /// Sends a message, and waits until the network has taken it. Dropped while
    /// it waits, the message is sent all the same.
    ///
    /// # Errors
    ///
    /// [`WriteError`].
    pub async fn write<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), WriteError> {
        self.send(&message.into())?;
        poll_fn(|cx| self.poll_written(0, cx)).await
    }

    /// Closes the connection with an empty Close frame, and waits for the end.
    ///
    /// # Errors
    ///
    /// As [`WebSocketStream::closed`](super::WebSocketStream::closed).
    pub async fn close(mut self) -> Result<(), WebSocketError> {
        self.shared.with(|state, cx| state.close(&CloseInfo::default(), cx));
        let Self { shared, place } = &mut self;
        poll_fn(|cx| shared.poll(place, cx, State::poll_closed)).await.map(|_| ())
    }

    /// Has nothing more to say: closes the connection. It goes on while
    /// [`WebSocketStream::closed`](super::WebSocketStream::closed) is awaited.
    pub fn abort(self, info: &CloseInfo) {
        self.shared.with(|state, cx| state.close(info, cx));
    }

    fn send(&self, message: &Message<'_>) -> Result<(), WriteError> {
        self.shared.with(|state, _| {
            state.ws.try_send(message).map_err(|error| match error {
                TrySendError::Full => WriteError::Full,
                TrySendError::NotOpen => why(state),
            })
        })
    }

    /// Ready when no more than so many bytes are left to be written.
    fn poll_written(&mut self, most: usize, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        self.shared.poll(&mut self.place, cx, |state, cx| {
            while state.ws.queued_len() > most || most == 0 && state.ws.is_sending() {
                if state.has_ended() || state.ws.is_broken() {
                    return Poll::Ready(Err(why(state)));
                }
                ready!(state.poll_step(false, cx));
            }
            Poll::Ready(Ok(()))
        })
    }
}

/// Why nothing can be written.
fn why<S: AsyncRead + AsyncWrite + Unpin>(state: &State<S>) -> WriteError {
    let is_failed = state.ws.diagnostic().is_some() || state.ws.is_broken();
    match state.failure() {
        Some(failure) => WriteError::Failed(failure),
        None if is_failed && !state.has_ended() => WriteError::Failed(WebSocketError::abnormal()),
        None => WriteError::Closed,
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => WebError::InvalidState("the connection is closed".into()).fmt(f),
            Self::Failed(error) => error.fmt(f),
            Self::Full => TrySendError::Full.fmt(f),
        }
    }
}

impl core::error::Error for WriteError {}

/// Ready while no more is to be written than
/// [`Config::max_queued_len`](crate::Config::max_queued_len); flushed when the
/// network has taken it. Closing is as [`close`](Writable::close): it waits for
/// the end.
impl<'m, S: AsyncRead + AsyncWrite + Unpin> Sink<Message<'m>> for Writable<S> {
    type Error = WriteError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        let most = self.shared.with(|state, _| state.ws.config().max_queued_len);
        self.poll_written(most, cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message<'m>) -> Result<(), WriteError> {
        self.send(&message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        self.poll_written(0, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        self.shared.with(|state, cx| state.close(&CloseInfo::default(), cx));
        let Self { shared, place } = &mut *self;
        shared.poll(place, cx, State::poll_closed).map(|end| match end {
            Ok(_) => Ok(()),
            Err(error) => Err(WriteError::Failed(error)),
        })
    }
}

// ---- dropping --------------------------------------------------------------------

impl<S: AsyncRead + AsyncWrite + Unpin> Drop for Readable<S> {
    fn drop(&mut self) {
        self.shared.leave(&mut self.place);
        self.shared.with(|state, cx| {
            state.has_reader = false;
            state.leave(cx);
        });
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Drop for Writable<S> {
    fn drop(&mut self) {
        self.shared.leave(&mut self.place);
        self.shared.with(|state, cx| {
            state.has_writer = false;
            state.leave(cx);
        });
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> fmt::Debug for Readable<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readable").finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> fmt::Debug for Writable<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writable").finish_non_exhaustive()
    }
}
