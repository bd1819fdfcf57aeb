//! One connection, several tasks: a reader, and senders.

use alloc::sync::Arc;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::driver::Driver;
use super::error::QueueError;
use super::shared::{Half, Shared, Wait};
use super::socket::WebSocket;
use crate::buf::Output;
use crate::close::CloseCode;
use crate::connection::{Closed, Connection, Event, PreparedMessage};
use crate::error::SendError;
use crate::message::{Incoming, Message};
use crate::net::{Error, Intake};

pub(super) fn split<S>(ws: WebSocket<S>) -> (Reader<S>, Sender<S>) {
    let shared = Shared::new(ws.driver);
    let WebSocket { intake, has_ended, .. } = ws;
    (Reader { shared: shared.clone(), intake, has_ended }, Sender::new(shared))
}

/// The half that receives; see [`WebSocket::split`].
///
/// What it receives is answered (Pong, Close), and what senders have
/// [queued](Sender::queue) goes out, while it waits; deadlines are its to keep.
/// So somebody has to [`read`](Self::read). Its futures are cancel safe, as
/// those of [`WebSocket`] are.
#[derive(Debug)]
pub struct Reader<S> {
    shared: Arc<Shared<S>>,
    pub(super) intake: Intake,
    /// The last item of the stream of messages was an error.
    pub(super) has_ended: bool,
}

impl<S> Reader<S> {
    /// As [`WebSocket::next_event`].
    pub fn next_event(&mut self) -> Option<Event<'_>> {
        let Self { shared, intake, .. } = self;
        shared.with(|driver, _| driver.receive(|ws, out| intake.next_event(ws, out)))
    }

    /// As [`WebSocket::next_incoming`].
    pub fn next_incoming(&mut self) -> Option<Incoming<'_>> {
        let Self { shared, intake, .. } = self;
        shared.with(|driver, _| driver.receive(|ws, out| intake.next_incoming(ws, out)))
    }

    /// How the connection ended; `None` while data can still come or go.
    pub fn closed(&self) -> Option<Closed> {
        self.shared.lock().ws.closed()
    }

    /// Gives memory back that a message came in, to be used for the next that
    /// comes in several pieces.
    pub fn recycle(&mut self, message: Message<'_>) {
        self.intake.assembler.put_buffer(message.into_buffer());
    }

    /// A sender of the same connection.
    pub fn sender(&self) -> Sender<S> {
        Sender::new(self.shared.clone())
    }

    /// Puts the halves back together.
    ///
    /// # Errors
    ///
    /// Gives them back if they are not of one connection, or if there are
    /// other senders.
    #[allow(clippy::result_large_err)] // what went in comes out
    pub fn reunite(self, sender: Sender<S>) -> Result<WebSocket<S>, (Self, Sender<S>)> {
        let Self { shared, intake, has_ended } = self;
        if !Arc::ptr_eq(&shared, &sender.shared) {
            return Err((Self { shared, intake, has_ended }, sender));
        }
        drop(sender);
        match Arc::try_unwrap(shared) {
            Ok(shared) => Ok(WebSocket { driver: shared.into_driver(), intake, has_ended }),
            Err(shared) => {
                let sender = Sender::new(shared.clone());
                Err((Self { shared, intake, has_ended }, sender))
            }
        }
    }

    /// Asks the engine about the subprotocol, round-trip time and so on.
    pub fn ask<T>(&self, question: impl FnOnce(&Connection) -> T) -> T {
        question(&self.shared.lock().ws)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Reader<S> {
    /// As [`WebSocket::read`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::read`].
    pub async fn read(&mut self) -> Result<Option<Message<'static>>, Error> {
        poll_fn(|cx| self.poll_read(cx)).await
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message<'static>>, Error>> {
        let Self { shared, intake, .. } = self;
        shared.poll(Half::Reader, cx, |driver, cx| driver.poll_message(intake, cx))
    }

    /// As [`WebSocket::ready`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::read`].
    pub async fn ready(&mut self) -> Result<bool, Error> {
        let Self { shared, intake, .. } = self;
        poll_fn(|cx| shared.poll(Half::Reader, cx, |driver, cx| driver.poll_ready(intake, cx)))
            .await
    }
}

/// The half that sends; see [`WebSocket::split`]. Clones send over the same
/// connection. Its futures are cancel safe, as those of [`WebSocket`] are.
#[derive(Debug)]
pub struct Sender<S> {
    shared: Arc<Shared<S>>,
    /// As a sink: its place among those that wait, and up to where it flushes.
    place: Option<usize>,
    pub(super) flush_mark: Option<u64>,
}

impl<S> Clone for Sender<S> {
    fn clone(&self) -> Self {
        Self::new(self.shared.clone())
    }
}

impl<S> Drop for Sender<S> {
    fn drop(&mut self) {
        self.shared.leave(self.place);
    }
}

impl<S> Sender<S> {
    fn new(shared: Arc<Shared<S>>) -> Self {
        Self { shared, place: None, flush_mark: None }
    }

    /// Queues a message for the [`Reader`] to send, or for the next sender that
    /// waits: no wait, and one write for all that was queued before it comes to
    /// that. For a broadcast, and for code that is not asynchronous.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::queue`].
    pub fn queue<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), QueueError<'m>> {
        let message = message.into();
        let result = self.with_driver(|driver| match driver.has_room() {
            true => driver.queue(&message).map_err(Some),
            false => Err(None),
        });
        result.map_err(|error| match error {
            Some(error) => QueueError::Send(error, message),
            None => QueueError::Full(message),
        })
    }

    /// As [`queue`](Self::queue), for a message that was encoded beforehand.
    /// Servers only.
    ///
    /// # Errors
    ///
    /// [`Error::QueueFull`], [`Error::Send`].
    pub fn queue_prepared(&self, message: &PreparedMessage) -> Result<(), Error> {
        self.with_driver(|driver| driver.queue_prepared(message))
    }

    /// Puts something out for the reader to send.
    pub(super) fn with_driver<E>(
        &self,
        work: impl FnOnce(&mut Driver<S>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.shared.with(|driver, _| {
            work(driver)?;
            driver.note_time();
            Ok(())
        })?;
        self.shared.wake_reader();
        Ok(())
    }

    /// Bytes of output that the stream has not taken.
    pub fn queued_len(&self) -> usize {
        self.shared.lock().wire.queued_len()
    }

    /// How the connection ended; `None` while data can still come or go.
    pub fn closed(&self) -> Option<Closed> {
        self.shared.lock().ws.closed()
    }

    /// Asks the engine about the subprotocol, round-trip time and so on.
    pub fn ask<T>(&self, question: impl FnOnce(&Connection) -> T) -> T {
        question(&self.shared.lock().ws)
    }

    /// True while messages can be sent.
    pub fn is_open(&self) -> bool {
        self.shared.lock().ws.is_open()
    }

    /// Ends the connection here and now, with no closing handshake: the reader
    /// is told.
    pub fn abort(&self) -> Closed {
        self.shared.with(|driver, _| {
            driver.abort();
            driver.ws.abort()
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sender<S> {
    /// Sends a message, and waits until the stream has taken it.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    pub async fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        self.put(|driver| Ok(((), driver.encode(&message)?))).await
    }

    /// As [`send`](Self::send), for a message that was encoded beforehand.
    /// Servers only.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    pub async fn send_prepared(&self, message: &PreparedMessage) -> Result<(), Error> {
        self.put(|driver| Ok(((), driver.encode_prepared(message)?))).await
    }

    /// Gives the engine any other command once there is room, and sends what
    /// comes of it.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    pub async fn command<T>(
        &self,
        command: impl FnOnce(&mut Connection, &mut dyn Output) -> Result<T, SendError>,
    ) -> Result<T, Error> {
        self.put(|driver| Ok((command(&mut driver.ws, driver.wire.tx())?, &[][..]))).await
    }

    /// Sends a Ping of at most 125 bytes.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    pub async fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.command(|ws, out| ws.send_ping(payload, out)).await
    }

    /// Starts the closing handshake. The [`Reader`] sees how it ends.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    pub async fn start_close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        // Room or not, the end can be told.
        self.with_driver(|driver| driver.ws.close(Some(code), reason, driver.wire.tx()))?;
        self.flush().await
    }

    /// Waits until the stream has taken all that is queued now.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    pub async fn flush(&self) -> Result<(), Error> {
        self.flush_to(self.mark()).await
    }

    /// Waits until no more is queued than [`Config::max_queued_len`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    ///
    /// [`Config::max_queued_len`]: crate::Config::max_queued_len
    pub async fn room(&self) -> Result<(), Error> {
        let mut wait = Wait::new(&self.shared);
        poll_fn(|cx| wait.poll(cx, Driver::poll_room)).await
    }

    /// Encodes something once there is room, and waits until it has gone, with
    /// the payload that may be behind it.
    async fn put<'m, T>(
        &self,
        encode: impl FnOnce(&mut Driver<S>) -> Result<(T, &'m [u8]), SendError>,
    ) -> Result<T, Error> {
        let mut encode = Some(encode);
        let mut put = |driver: &mut Driver<S>, cx: &mut Context<'_>| {
            ready!(driver.poll_room(cx))?;
            // Once it is taken, this is ready and polled no more.
            let Some(encode) = encode.take() else { return Poll::Pending };
            let (value, mut payload) = encode(driver)?;
            // Now or never: other senders may not come between a header and
            // its payload, so what the stream does not take is copied.
            let result = driver.poll_flush(&mut payload, cx);
            if !payload.is_empty() {
                driver.wire.tx().extend_from_slice(payload);
            }
            Poll::Ready(match result {
                Poll::Ready(result) => result.map(|()| (value, None)),
                Poll::Pending => Ok((value, Some(driver.wire.mark()))),
            })
        };
        let mut wait = Wait::new(&self.shared);
        let (value, mark) = poll_fn(|cx| wait.poll(cx, &mut put)).await?;
        drop(wait);
        if let Some(mark) = mark {
            self.flush_to(mark).await?;
        }
        Ok(value)
    }

    fn mark(&self) -> u64 {
        self.shared.lock().wire.mark()
    }

    async fn flush_to(&self, mark: u64) -> Result<(), Error> {
        let mut wait = Wait::new(&self.shared);
        poll_fn(|cx| wait.poll(cx, |driver, cx| poll_flush_to(driver, mark, cx))).await
    }

    // ---- as a sink -------------------------------------------------------

    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let half = Half::Sender(&mut self.place);
        let result = ready!(self.shared.poll(half, cx, Driver::poll_room));
        self.shared.leave(self.place.take());
        Poll::Ready(result)
    }

    /// Ready when what was queued at the first poll has gone: others may go on
    /// sending. Whoever queues more has to reset the mark.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mark = self.flush_mark.unwrap_or_else(|| self.mark());
        self.flush_mark = Some(mark);
        let half = Half::Sender(&mut self.place);
        let result =
            ready!(self.shared.poll(half, cx, |driver, cx| poll_flush_to(driver, mark, cx)));
        self.flush_mark = None;
        self.shared.leave(self.place.take());
        Poll::Ready(result)
    }
}

/// Ready when so much of the output has been written.
fn poll_flush_to<S: AsyncRead + AsyncWrite + Unpin>(
    driver: &mut Driver<S>,
    mark: u64,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Error>> {
    let result = driver.poll_flush(&mut &[][..], cx);
    let is_written = driver.wire.written() >= mark;
    match result {
        Poll::Pending if is_written => Poll::Ready(Ok(())),
        // It was discarded, when somebody else found out.
        Poll::Ready(Ok(())) if !is_written => {
            Poll::Ready(Err(io::Error::from(io::ErrorKind::BrokenPipe).into()))
        }
        result => result,
    }
}
