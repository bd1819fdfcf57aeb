//! An open connection over an asynchronous stream, used by one task.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::driver::Driver;
use super::error::QueueError;
use super::shutdown::Entry;
use super::split::{Reader, Sender};
use super::time::{Timer, TokioTimer};
use super::wire::Wire;
use crate::buf::Output;
use crate::close::CloseCode;
use crate::connection::{Closed, Connection, Event, PreparedMessage};
use crate::error::SendError;
use crate::message::{Incoming, Message};
use crate::net::{Error, Inbox, Intake, is_gone};

/// An open connection over an asynchronous stream.
///
/// Answers to the peer (Pong, Close) go out while [`read`](Self::read) or
/// [`ready`](Self::ready) waits: a connection that is not read from is not
/// answered on. Deadlines of [`Config`](crate::Config) hold while a call waits.
///
/// # Cancel safety
///
/// Every future of this type can be dropped at any time, by `select!` for
/// example, and loses nothing: bytes that came are there for the next call,
/// and a message is queued whole or not at all. What is queued goes out with
/// the next call that waits.
///
/// # Back-pressure
///
/// [`send`](Self::send) waits until the stream has taken the message;
/// [`queue`](Self::queue) never waits, and gives the message back once
/// [`Config::max_queued_len`] is passed: the caller then waits for
/// [`room`](Self::room), drops the message, or the connection. Of the answers
/// that the peer is owed no more are queued either: then nothing is read until
/// it takes some.
///
/// Two peers that both wait in `send` for the other to read wait for ever:
/// where messages are larger than what the network holds, [split](Self::split),
/// or set [`Config::idle_timeout`](crate::Config::idle_timeout).
///
/// # The end
///
/// Dropping it drops the stream, which the peer sees as 1006; see
/// [`close`](Self::close).
///
/// [`Config::max_queued_len`]: crate::Config::max_queued_len
#[derive(Debug)]
pub struct WebSocket<S> {
    pub(super) driver: Driver<S>,
    pub(super) intake: Intake,
    /// The last item of the stream of messages was an error.
    pub(super) has_ended: bool,
}

impl<S> WebSocket<S> {
    pub(super) fn new(wire: Wire<S>, inbox: Inbox, ws: Connection) -> Self {
        Self { driver: Driver::new(wire, ws), intake: Intake::new(inbox), has_ended: false }
    }

    pub(super) fn set_entry(&mut self, entry: Entry) {
        self.driver.entry = Some(Box::new(entry));
    }

    /// Takes over a stream whose handshake was done elsewhere; `early` are the
    /// bytes that were read behind it. The connection must not have been told
    /// the time.
    pub fn from_parts(stream: S, ws: Connection, early: &[u8]) -> Self {
        Self::from_parts_on(&TokioTimer, stream, ws, early)
    }

    /// As [`from_parts`](Self::from_parts), with the clock of another runtime
    /// than tokio's.
    pub fn from_parts_on(
        timer: &'static dyn Timer,
        stream: S,
        ws: Connection,
        early: &[u8],
    ) -> Self {
        Self::new(Wire::new(stream, timer), Inbox::with(early), ws)
    }

    // ---- what needs no stream ----------------------------------------------

    /// The next event of the bytes that were read, without waiting. `None`:
    /// [`ready`](Self::ready) waits for more, if there is no more.
    pub fn next_event(&mut self) -> Option<Event<'_>> {
        let Self { driver, intake, .. } = self;
        driver.receive(|ws, out| intake.next_event(ws, out))
    }

    /// As [`next_event`](Self::next_event), with the chunks of a message put
    /// together. A message that came in one piece is borrowed and not copied.
    pub fn next_incoming(&mut self) -> Option<Incoming<'_>> {
        let Self { driver, intake, .. } = self;
        driver.receive(|ws, out| intake.next_incoming(ws, out))
    }

    /// Encodes a message to be sent with the next [`flush`](Self::flush), or
    /// when [`read`](Self::read) has to wait: many messages, one write.
    ///
    /// # Errors
    ///
    /// [`QueueError::Full`] gives the message back if too much is queued;
    /// [`QueueError::Send`] if the engine refuses it.
    pub fn queue<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), QueueError<'m>> {
        let message = message.into();
        if !self.driver.has_room() {
            return Err(QueueError::Full(message));
        }
        self.driver.queue(&message).map_err(|error| QueueError::Send(error, message))
    }

    /// As [`queue`](Self::queue), for a message that was encoded beforehand.
    /// Servers only.
    ///
    /// # Errors
    ///
    /// [`Error::QueueFull`], [`Error::Send`].
    pub fn queue_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        self.driver.queue_prepared(message)
    }

    /// Decides whether the next message is compressed, however it is sent; see
    /// [`Connection::compress_next`]. Senders of a split connection decide and
    /// send in one [`command`](super::Sender::command).
    #[cfg(feature = "deflate")]
    pub fn compress_next(&mut self, choice: crate::deflate::Compress) {
        self.driver.ws.compress_next(choice);
    }

    /// Bytes of output that the stream has not taken.
    pub fn queued_len(&self) -> usize {
        self.driver.wire.queued_len()
    }

    /// True while messages can be sent.
    pub fn is_open(&self) -> bool {
        self.driver.ws.is_open()
    }

    /// How the connection ended; `None` while data can still come or go.
    pub fn closed(&self) -> Option<Closed> {
        self.driver.ws.closed()
    }

    /// Ends the connection here and now, with no closing handshake: drop it
    /// then. Says how it ended.
    pub fn abort(&mut self) -> Closed {
        self.driver.abort();
        self.driver.ws.abort()
    }

    /// The engine, to ask about the subprotocol, round-trip time and so on.
    pub fn connection(&self) -> &Connection {
        &self.driver.ws
    }

    /// Takes the connection apart: the stream, the engine, and what was read and
    /// not processed. The engine has been told the time, so it is not for
    /// [`from_parts`](Self::from_parts) if any deadline is on. What is queued is lost: [`flush`](Self::flush) before. A
    /// message in progress is lost as well.
    pub fn into_parts(self) -> (S, Connection, Vec<u8>) {
        let unread = self.intake.inbox.unread().to_vec();
        (self.driver.wire.stream, self.driver.ws, unread)
    }

    /// The stream.
    pub fn stream(&self) -> &S {
        &self.driver.wire.stream
    }

    /// Gives memory back that a message came in, to be used for the next that
    /// comes in several pieces.
    pub fn recycle(&mut self, message: Message<'_>) {
        self.intake.assembler.put_buffer(message.into_buffer());
    }

    /// Splits the connection for two tasks, or more: clones of the sender can
    /// send as well. [`Reader::reunite`] is the way back.
    pub fn split(self) -> (Reader<S>, Sender<S>) {
        super::split::split(self)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    // ---- receiving -------------------------------------------------------

    /// Waits for a whole message. `None`: the connection was closed in good
    /// order; [`closed`](Self::closed) says how.
    ///
    /// Sends what has been queued before it waits. Copies a message out of the
    /// read buffer, once. Cancel safe.
    ///
    /// # Errors
    ///
    /// How the connection ended if not in good order: [`Error::Protocol`],
    /// [`Error::Timeout`], [`Error::Lost`], [`Error::Io`], [`Error::Aborted`].
    pub async fn read(&mut self) -> Result<Option<Message<'static>>, Error> {
        poll_fn(|cx| self.poll_read(cx)).await
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message<'static>>, Error>> {
        self.driver.poll_message(&mut self.intake, cx)
    }

    /// Waits until there are bytes for [`next_event`](Self::next_event) or
    /// [`next_incoming`](Self::next_incoming). False: the connection was closed
    /// in good order.
    ///
    /// Together they are [`read`](Self::read) without copies, for messages of
    /// any length. Cancel safe.
    ///
    /// ```no_run
    /// # use sockeye::tokio::{Error, WebSocket};
    /// # use sockeye::Event;
    /// # async fn f(ws: &mut WebSocket<tokio::net::TcpStream>) -> Result<(), Error> {
    /// while ws.ready().await? {
    ///     while let Some(event) = ws.next_event() {
    ///         if let Event::Binary(chunk) = event {
    ///             println!("{} bytes", chunk.as_bytes().len());
    ///         }
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn ready(&mut self) -> Result<bool, Error> {
        poll_fn(|cx| self.driver.poll_ready(&mut self.intake, cx)).await
    }

    // ---- sending ---------------------------------------------------------

    /// Sends a message, and waits until the stream has taken it. A server's
    /// long message is written from where it is, without a copy.
    ///
    /// Cancel safe: dropped before it is done, the message is queued if there
    /// was room for it, and not sent at all if there was not. Who drops it
    /// cannot tell which: in a `select!` that would send again, wait for
    /// [`room`](Self::room), then [`queue`](Self::queue), then
    /// [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the engine refuses: nothing was sent. [`Error::Io`],
    /// [`Error::Timeout`]: the connection is over.
    pub async fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        self.room().await?;
        let payload = self.driver.encode(&message)?;
        self.flush_with(payload).await
    }

    /// As [`send`](Self::send), for a message that was encoded beforehand.
    /// Servers only.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        self.room().await?;
        let payload = self.driver.encode_prepared(message)?;
        self.flush_with(payload).await
    }

    /// Gives the engine any other command once there is room, and sends what
    /// comes of it. Cancel safe, as [`send`](Self::send) is.
    ///
    /// ```no_run
    /// # use sockeye::tokio::{Error, WebSocket};
    /// # async fn f(ws: &mut WebSocket<tokio::net::TcpStream>) -> Result<(), Error> {
    /// ws.command(|ws, out| ws.send_text_fragment(b"one ", false, out)).await?;
    /// ws.command(|ws, out| ws.send_text_fragment(b"message", true, out)).await?;
    /// ws.command(|ws, out| ws.send_ping(b"still there?", out)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn command<T>(
        &mut self,
        command: impl FnOnce(&mut Connection, &mut dyn Output) -> Result<T, SendError>,
    ) -> Result<T, Error> {
        self.room().await?;
        let value = command(&mut self.driver.ws, self.driver.wire.tx())?;
        self.flush().await?;
        Ok(value)
    }

    /// Sends a Ping of at most 125 bytes. Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.command(|ws, out| ws.send_ping(payload, out)).await
    }

    /// Waits until the stream has taken all that is queued. Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.flush_with(&[]).await
    }

    /// Waits until no more is queued than [`Config::max_queued_len`]. Cancel
    /// safe.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// [`Config::max_queued_len`]: crate::Config::max_queued_len
    pub async fn room(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.driver.poll_room(cx)).await
    }

    async fn flush_with(&mut self, payload: &[u8]) -> Result<(), Error> {
        let mut unsent = Unsent { driver: &mut self.driver, payload };
        poll_fn(|cx| unsent.driver.poll_flush(&mut unsent.payload, cx)).await
    }

    // ---- closing ---------------------------------------------------------

    /// Closes the connection: starts the closing handshake if there is none,
    /// and waits for its end and that of the stream, at most
    /// [`Config::close_timeout`]. Messages that still come are dropped; to have
    /// them, [`start_close`](Self::start_close) and [`read`](Self::read) on.
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read). [`Error::Send`] with
    /// [`SendError::InvalidCloseCode`] for a code that may not be sent.
    ///
    /// [`Config::close_timeout`]: crate::Config::close_timeout
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<Closed, Error> {
        if self.driver.ws.is_open() {
            match self.start_close(code, reason).await {
                Err(Error::Io(error)) if is_gone(&error) => {}
                result => result?,
            }
        }
        while self.ready().await? {
            while self.next_event().is_some() {}
        }
        Ok(self.driver.ws.receive_eof())
    }

    /// Starts the closing handshake. Go on with [`read`](Self::read) until it
    /// gives `None`. Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        // Room or not, the end can be told.
        self.driver.ws.close(Some(code), reason, self.driver.wire.tx())?;
        self.flush().await
    }
}

/// A payload that goes out behind the output. Whoever stops waiting leaves
/// what is left of it to be sent later: half a frame would be the end.
struct Unsent<'a, S> {
    driver: &'a mut Driver<S>,
    payload: &'a [u8],
}

impl<S> Drop for Unsent<'_, S> {
    fn drop(&mut self) {
        if !self.payload.is_empty() {
            self.driver.wire.tx().extend_from_slice(self.payload);
        }
    }
}
