//! An open connection over a blocking stream, used by one thread.

use alloc::vec::Vec;
use std::io;

use super::transport::Transport;
use super::wire::{Patience, Wire};
use crate::buf::Output;
use crate::close::CloseCode;
use crate::connection::{Closed, Connection, Event, PreparedMessage};
use crate::error::SendError;
use crate::message::{Incoming, Message};
use crate::net::{
    Error, Inbox, VECTORED_LEN, Waited, Watch, is_gone, lend_by_process, linger_until,
    send_message, write_patience,
};

/// An open connection over a blocking stream.
///
/// Answers to the peer (Pong, Close) go out while [`read`](Self::read) waits:
/// a connection that is not read from is not answered on. Deadlines of
/// [`Config`](crate::Config) hold while a call waits for the stream.
///
/// Dropping it drops the stream, which the peer sees as 1006; see
/// [`close`](Self::close).
///
/// Two peers that both write more than the network holds, and neither reads,
/// wait for each other for ever: where that can be, [split](Self::split), or
/// set a [deadline](Self::set_deadline).
#[derive(Debug)]
pub struct WebSocket<S> {
    pub(super) wire: Wire<S>,
    pub(super) ws: Connection,
    pub(super) watch: Watch,
    /// Our direction is broken; the peer's may still hold its Close frame.
    cannot_write: bool,
}

impl<S: Transport> WebSocket<S> {
    /// Takes over a stream whose handshake was done elsewhere; `early` are the
    /// bytes that were read behind it. The connection must not have been told
    /// the time: from here on it is that of a clock that starts now.
    pub fn from_parts(stream: S, ws: Connection, early: &[u8]) -> Self {
        let mut wire = Wire::new(stream);
        wire.intake.inbox = Inbox::with(early);
        Self::new(wire, ws)
    }

    pub(super) fn new(wire: Wire<S>, mut ws: Connection) -> Self {
        lend_by_process(&mut ws);
        let mut socket = Self { wire, ws, watch: Watch::default(), cannot_write: false };
        socket.watch.start(&mut socket.ws, socket.wire.now());
        socket
    }

    // ---- receiving -------------------------------------------------------

    /// Waits for a whole message. `None`: the connection was closed in good
    /// order; [`closed`](Self::closed) says how.
    ///
    /// Sends what has been queued before it waits. Copies a message out of the
    /// read buffer, once.
    ///
    /// # Errors
    ///
    /// How the connection ended if not in good order: [`Error::Protocol`],
    /// [`Error::Timeout`], [`Error::Lost`], [`Error::Io`]. And
    /// [`Error::DeadlineExceeded`], after which the call can be repeated:
    /// nothing is lost.
    pub fn read(&mut self) -> Result<Option<Message<'static>>, Error> {
        loop {
            let Wire { intake, tx, .. } = &mut self.wire;
            if let Some(message) = intake.next_message(&mut self.ws, tx) {
                self.note_time();
                return Ok(Some(message));
            }
            if !self.ready()? {
                return Ok(None);
            }
        }
    }

    /// Waits until there are bytes for [`next_event`](Self::next_event) or
    /// [`next_incoming`](Self::next_incoming). False: the connection was closed
    /// in good order.
    ///
    /// Together they are [`read`](Self::read) without copies, for messages of
    /// any length:
    ///
    /// ```no_run
    /// # use sockeye::blocking::{Error, Transport, WebSocket};
    /// # use sockeye::Event;
    /// # fn f<S: Transport>(ws: &mut WebSocket<S>) -> Result<(), Error> {
    /// while ws.ready()? {
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
    pub fn ready(&mut self) -> Result<bool, Error> {
        // This thread is nobody else's: its turn is never over.
        if self.wire.intake.is_turn_over() || self.wire.intake.has_more(&self.ws) {
            return Ok(true);
        }
        loop {
            self.note_time();
            self.flush_before_reading()?;
            if self.ws.should_close_transport() {
                return self.end();
            }
            match self.wire.read(self.watch.next()) {
                Ok(Waited::Done) => {
                    if self.is_too_late() {
                        if self.wire.deadline_passed() {
                            return Err(Error::DeadlineExceeded);
                        }
                        self.handle_timeout();
                        if self.ws.should_close_transport() {
                            return self.end();
                        }
                    }
                    return Ok(true);
                }
                Ok(Waited::TimedOut) if self.wire.deadline_passed() => {
                    return Err(Error::DeadlineExceeded);
                }
                Ok(Waited::TimedOut) => self.handle_timeout(),
                Ok(Waited::Eof) => {
                    self.ws.receive_eof();
                    return self.end();
                }
                Err(error) => return self.broken(error),
            }
        }
    }

    /// Something was read, too late for a deadline of the engine's or the
    /// user's.
    fn is_too_late(&mut self) -> bool {
        let user_is_waiting = self.wire.deadline_passed();
        self.watch.is_too_late(|| self.wire.now(), user_is_waiting)
    }

    /// The next event of the bytes that were read, without waiting. `None`:
    /// [`ready`](Self::ready) waits for more, if there is no more.
    pub fn next_event(&mut self) -> Option<Event<'_>> {
        let Wire { intake, tx, .. } = &mut self.wire;
        intake.next_event(&mut self.ws, tx)
    }

    /// As [`next_event`](Self::next_event), with the chunks of a message put
    /// together. A message that came in one piece is borrowed and not copied.
    pub fn next_incoming(&mut self) -> Option<Incoming<'_>> {
        let Wire { intake, tx, .. } = &mut self.wire;
        intake.next_incoming(&mut self.ws, tx)
    }

    // ---- sending ---------------------------------------------------------

    /// Sends a message, and waits until the stream has taken it.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the engine refuses: nothing was sent. [`Error::Io`],
    /// [`Error::Timeout`]: the connection is over.
    /// [`Error::DeadlineExceeded`]: the message is queued; send the rest with
    /// [`flush`](Self::flush).
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        let len = message.as_bytes().len();
        let is_copied = len < VECTORED_LEN || !self.ws.is_server() || self.ws.would_compress(len);
        let header = match &message {
            _ if is_copied => None,
            Message::Binary(data) => Some(self.ws.begin_binary(data, true)?),
            Message::Text(text) => Some(self.ws.begin_text(text, true)?),
        };
        match header {
            Some(header) => {
                self.wire.tx.extend_from_slice(header.as_bytes());
                self.flush_with(message.as_bytes())
            }
            // A client's payload has to be copied anyway, to be masked; and one
            // that is compressed becomes another.
            None => {
                self.queue(&message)?;
                self.flush()
            }
        }
    }

    /// Encodes a message to be sent with the next [`flush`](Self::flush), or
    /// when [`read`](Self::read) has to wait: many messages, one write. If more
    /// is queued than [`Config::max_queued_len`](crate::Config::max_queued_len),
    /// that is flushed first.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn queue<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.make_room()?;
        Ok(send_message(&mut self.ws, &message.into(), &mut self.wire.tx)?)
    }

    /// As [`queue`](Self::queue), for a message that was encoded beforehand.
    /// Servers only.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn queue_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        self.make_room()?;
        Ok(self.ws.send_prepared(message, &mut self.wire.tx)?)
    }

    /// Sends a message that was encoded beforehand, and waits until the stream
    /// has taken it. Servers only.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        let bytes = self.ws.begin_prepared(message)?;
        self.flush_with(bytes)
    }

    fn make_room(&mut self) -> Result<(), Error> {
        // Otherwise the engine says what is wrong.
        let is_full = self.wire.queued_len() > self.ws.config().max_queued_len;
        if is_full && self.ws.is_open() { self.flush() } else { Ok(()) }
    }

    /// Decides whether the next message is compressed, however it is sent; see
    /// [`Connection::compress_next`]. Senders of a split connection decide and
    /// send in one [`command`](super::Sender::command).
    #[cfg(feature = "deflate")]
    pub fn compress_next(&mut self, choice: crate::deflate::Compress) {
        self.ws.compress_next(choice);
    }

    /// Gives the engine any other command, and sends what comes of it.
    ///
    /// ```no_run
    /// # use sockeye::blocking::{Error, Transport, WebSocket};
    /// # fn f<S: Transport>(ws: &mut WebSocket<S>) -> Result<(), Error> {
    /// ws.command(|ws, out| ws.send_text_fragment(b"one ", false, out))?;
    /// ws.command(|ws, out| ws.send_text_fragment(b"message", true, out))?;
    /// ws.command(|ws, out| ws.send_ping(b"still there?", out))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn command<T>(
        &mut self,
        command: impl FnOnce(&mut Connection, &mut dyn Output) -> Result<T, SendError>,
    ) -> Result<T, Error> {
        let value = command(&mut self.ws, &mut self.wire.tx)?;
        self.flush()?;
        Ok(value)
    }

    /// Sends a Ping of at most 125 bytes.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.command(|ws, out| ws.send_ping(payload, out))
    }

    /// Waits until the stream has taken all that is queued.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn flush(&mut self) -> Result<(), Error> {
        self.flush_with(&[])
    }

    fn flush_with(&mut self, payload: &[u8]) -> Result<(), Error> {
        if self.cannot_write {
            // What was written last may be half a frame.
            self.wire.discard_output();
            return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        }
        let mut payload = payload;
        loop {
            // Notes and appends nothing: a header may be waiting for its
            // payload.
            self.note_time();
            let patience = match self.ws.close_deadline() {
                Some(until) => Patience::Until(Some(until)),
                None => Patience::ForEach(write_patience(self.ws.config())),
            };
            match self.wire.flush_with(payload, patience) {
                Ok(Waited::TimedOut) if self.wire.deadline_passed() => {
                    return Err(Error::DeadlineExceeded);
                }
                Ok(Waited::TimedOut) => {
                    // What was left of it is queued.
                    payload = &[];
                    self.handle_timeout();
                    if self.ws.should_close_transport() {
                        return self.end().map(|_| ());
                    }
                }
                Ok(_) => return Ok(()),
                Err(error) => {
                    self.cannot_write = true;
                    self.wire.discard_output();
                    return Err(error.into());
                }
            }
        }
    }

    /// As [`flush`](Self::flush); but if the peer has closed its end, what it
    /// said before that can still be read.
    fn flush_before_reading(&mut self) -> Result<(), Error> {
        if self.cannot_write {
            self.wire.discard_output();
            return Ok(());
        }
        match self.flush() {
            Err(Error::Io(error)) if is_gone(&error) => Ok(()),
            result => result,
        }
    }

    // ---- closing ---------------------------------------------------------

    /// Closes the connection: starts the closing handshake if there is none,
    /// and waits for its end and that of the stream, at most
    /// [`Config::close_timeout`]. Messages that still come are dropped; to have them, [`start_close`](Self::start_close)
    /// and [`read`](Self::read) on.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read). [`Error::Send`] with
    /// [`SendError::InvalidCloseCode`] for a code that may not be sent.
    ///
    /// [`Config::close_timeout`]: crate::Config::close_timeout
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<Closed, Error> {
        if self.ws.is_open() {
            match self.start_close(code, reason) {
                Err(Error::Io(error)) if is_gone(&error) => {}
                result => result?,
            }
        }
        while self.ready()? {
            while self.next_event().is_some() {}
        }
        Ok(self.ws.receive_eof())
    }

    /// Starts the closing handshake. Go on with [`read`](Self::read) until it
    /// gives `None`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.command(|ws, out| ws.close(Some(code), reason, out))
    }

    /// True while messages can be sent.
    pub fn is_open(&self) -> bool {
        self.ws.is_open()
    }

    /// Ends the connection here and now, with no closing handshake: drop it
    /// then. Says how it ended.
    pub fn abort(&mut self) -> Closed {
        self.cannot_write = true;
        self.wire.discard_output();
        self.ws.abort()
    }

    /// How the connection ended; `None` while data can still come or go.
    pub fn closed(&self) -> Option<Closed> {
        self.ws.closed()
    }

    /// The connection is over: closes the stream in good order, and gives the
    /// error that it ended with, if any.
    fn end(&mut self) -> Result<bool, Error> {
        self.note_time();
        if self.ws.should_close_transport() && !self.wire.is_hung_up() && !self.cannot_write {
            let until = linger_until(&self.ws, self.wire.now());
            // Whatever goes wrong now, the outcome is settled.
            let _ = self.wire.hang_up(until);
        }
        self.watch.end(&mut self.ws).1.map_or(Ok(false), Err)
    }

    /// The stream failed. After a closing handshake that is no news.
    fn broken(&mut self, error: io::Error) -> Result<bool, Error> {
        self.cannot_write = true;
        let (closed, _) = self.watch.end(&mut self.ws);
        if closed.is_clean() { Ok(false) } else { Err(error.into()) }
    }

    // ---- the rest --------------------------------------------------------

    /// Makes all calls fail with [`Error::DeadlineExceeded`] that would wait
    /// longer than this; `None`: they wait for the peer, and for the deadlines
    /// of the engine. The connection stays usable.
    pub fn set_deadline(&mut self, deadline: Option<std::time::Instant>) {
        self.wire.set_deadline(deadline);
    }

    /// The engine, to ask about the subprotocol, round-trip time and so on.
    pub fn connection(&self) -> &Connection {
        &self.ws
    }

    /// Takes the connection apart: the stream, the engine, and what was read and
    /// not processed. The engine has been told the time, so it is not for
    /// [`from_parts`](Self::from_parts) if any deadline is on. What is queued is lost: [`flush`](Self::flush) before.
    /// A message in progress is lost as well.
    pub fn into_parts(self) -> (S, Connection, Vec<u8>) {
        let (stream, intake, ..) = self.wire.into_parts();
        (stream, self.ws, intake.inbox.unread().to_vec())
    }

    /// The stream.
    pub fn stream(&self) -> &S {
        &self.wire.stream
    }

    /// Gives memory back that a message came in, to be used for the next that
    /// is too long for the read buffer.
    pub fn recycle(&mut self, message: Message<'_>) {
        self.wire.intake.assembler.put_buffer(message.into_buffer());
    }

    fn note_time(&mut self) {
        self.watch.note_time(&mut self.ws, || self.wire.now());
    }

    /// A deadline has passed, and nothing was there to be read or taken.
    fn handle_timeout(&mut self) {
        self.watch.judge(&mut self.ws, self.wire.now(), &mut self.wire.tx);
    }
}
