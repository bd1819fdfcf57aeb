//! One connection, several threads: a reader, and senders, over TCP.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use std::io;
use std::net::Shutdown;

use super::layer::OverTcp;
use super::shared::{Shared, State};
use super::socket::WebSocket;
use super::transport::Transport;
use super::wire::is_timeout;
use crate::buf::Output;
use crate::close::CloseCode;
use crate::connection::{Closed, Connection, PreparedMessage};
use crate::error::SendError;
use crate::message::Message;
use crate::net::{Error, Inbox, Intake, Watch, linger_until, send_message};
use crate::time::Instant;

impl<S: Transport + OverTcp> WebSocket<S> {
    /// Splits the connection: one thread reads, any number send. What the reader
    /// receives is answered (Pong, Close) whether a sender is used or not;
    /// deadlines are the reader's to keep, so somebody has to
    /// [`read`](Reader::read). A deadline [set](Self::set_deadline) before is
    /// dropped.
    ///
    /// # Errors
    ///
    /// If the socket's time-out for writing cannot be set.
    pub fn split(self) -> io::Result<(Reader, Sender)> {
        let (stream, intake, tx, clock) = self.wire.into_parts();
        let (stream, layer) = stream.divide();
        let shared = Arc::new(Shared::new(stream, layer, self.ws, tx, clock)?);
        let sender = Sender { shared: shared.clone() };
        let reader = Reader {
            shared,
            received: Inbox::default(),
            intake,
            watch: self.watch,
            look_again: None,
            read_timeout: None,
        };
        Ok((reader, sender))
    }
}

/// The half that receives; see [`WebSocket::split`].
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    /// What the socket gave, if that is not what the engine takes.
    received: Inbox,
    intake: Intake,
    watch: Watch,
    /// How long to wait for bytes at most.
    look_again: Option<Duration>,
    /// What the socket was told of that.
    read_timeout: Option<Option<Duration>>,
}

impl Reader {
    /// Waits for a whole message. `None`: the connection was closed in good
    /// order. Waits for the peer to take what it is owed (Pongs) if nobody else
    /// is writing and the network is full.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::read`].
    pub fn read(&mut self) -> Result<Option<Message<'static>>, Error> {
        loop {
            let (message, over) = self.process();
            if self.shared.flush_owed().is_err() {
                // The peer has closed its end; what it said before that can
                // still be read.
                self.shared.lock().tx.clear();
            }
            if message.is_some() {
                return Ok(message);
            }
            if over {
                return self.end().map(|()| None);
            }
            // A sender gets its turn with the lock while much is inflated.
            if !self.intake.is_turn_over() {
                self.fill()?;
            }
        }
    }

    /// How the connection ended; `None` while data can still come or go.
    pub fn closed(&self) -> Option<Closed> {
        self.shared.lock().ws.closed()
    }

    /// Asks the engine about the subprotocol, round-trip time and so on.
    pub fn ask<T>(&self, question: impl FnOnce(&Connection) -> T) -> T {
        question(&self.shared.lock().ws)
    }

    /// Gives memory back that a message came in, to be used for the next that
    /// comes in several pieces.
    pub fn recycle(&mut self, message: Message<'_>) {
        self.intake.assembler.put_buffer(message.into_buffer());
    }

    /// A sender of the same connection.
    pub fn sender(&self) -> Sender {
        Sender { shared: self.shared.clone() }
    }

    /// Runs the engine over what was read, up to the end of a message. True:
    /// the transport should be closed.
    fn process(&mut self) -> (Option<Message<'static>>, bool) {
        let mut state = self.shared.lock();
        let State { ws, tx, .. } = &mut *state;
        let message = self.intake.next_message(ws, tx);
        self.watch.note_time(ws, || self.shared.clock.now());
        // A sender may start a closing handshake while we wait, or make a
        // compressor, and nothing wakes us: look again before a deadline can
        // have passed.
        self.look_again = ws.config().shortest_wait();
        (message, ws.should_close_transport())
    }

    /// Bounds the next read; asks the system only if that changes anything.
    fn set_read_timeout(&mut self) -> io::Result<()> {
        let left = |at: Instant| at.saturating_duration_since(self.shared.clock.now());
        let wait = match (self.watch.next().map(left), self.look_again) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        // Zero means no limit to the system.
        let wait = wait.map(|wait| wait.max(Duration::from_millis(1)));
        if self.read_timeout != Some(wait) {
            self.shared.stream.set_read_timeout(wait)?;
            self.read_timeout = Some(wait);
        }
        Ok(())
    }

    /// Waits for bytes, for the end of the stream, or for a deadline.
    fn fill(&mut self) -> Result<(), Error> {
        self.set_read_timeout()?;
        let shared = &*self.shared;
        match shared.read(&mut self.received, &mut self.intake.inbox) {
            Ok(0) => {
                shared.lock().ws.receive_eof();
            }
            Err(error) if is_timeout(&error) => {
                let State { ws, tx, .. } = &mut *shared.lock();
                self.watch.judge(ws, shared.clock.now(), tx);
            }
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return self.broken(error);
            }
            // Something came, of which no byte may be plain yet.
            _ => {
                let State { ws, tx, .. } = &mut *shared.lock();
                let now = shared.clock.now();
                self.watch.start(ws, now);
                if self.watch.is_too_late(|| now, false) {
                    self.watch.judge(ws, now, tx);
                }
            }
        }
        Ok(())
    }

    /// The stream failed. After a closing handshake that is no news.
    fn broken(&mut self, error: io::Error) -> Result<(), Error> {
        let mut state = self.shared.lock();
        let (closed, _) = self.watch.end(&mut state.ws);
        // What is wrong about TLS is told.
        if error.kind() == io::ErrorKind::InvalidData && !state.writing && state.has_output() {
            state = self.shared.write_batch(state);
        }
        drop(state);
        let _ = self.shared.stream.shutdown(Shutdown::Both);
        if closed.is_clean() { Ok(()) } else { Err(error.into()) }
    }

    /// The connection is over: closes the stream in good order (see
    /// `Wire::hang_up`), and lets the senders know.
    fn end(&mut self) -> Result<(), Error> {
        let until = linger_until(&self.shared.lock().ws, self.shared.clock.now());
        // Whatever goes wrong now, the outcome is settled.
        let _ = self.hang_up(until);
        let _ = self.shared.stream.shutdown(Shutdown::Both);
        let mut state = self.shared.lock();
        state.error.get_or_insert(io::ErrorKind::NotConnected);
        self.shared.progress.notify_all();
        self.watch.end(&mut state.ws).1.map_or(Ok(()), Err)
    }

    fn hang_up(&mut self, until: Instant) -> io::Result<()> {
        let shared = &*self.shared;
        let mut state = shared.lock();
        while state.writing && shared.clock.now() < until {
            state = shared.wait(state);
        }
        if state.writing {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let (mut state, flushed) = shared.flush(state);
        flushed?;
        state.layer.close();
        if state.has_output() {
            state = shared.write_batch(state);
        }
        state.check()?;
        drop(state);
        shared.stream.shutdown(Shutdown::Write)?;
        loop {
            self.intake.inbox.consume(usize::MAX);
            let left = until.saturating_duration_since(shared.clock.now());
            if left.is_zero() {
                return Ok(());
            }
            shared.stream.set_read_timeout(Some(left))?;
            match shared.read(&mut self.received, &mut self.intake.inbox) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The half that sends; see [`WebSocket::split`]. Each call waits until the
/// socket has taken what it sends. Clones send over the same connection.
#[derive(Clone, Debug)]
pub struct Sender {
    shared: Arc<Shared>,
}

impl Sender {
    /// Sends a message.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`]; it waits until the peer takes the message, or
    /// the reader finds that the connection is over.
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        self.put(|ws, out| send_message(ws, &message, out))
    }

    /// Sends a message that was encoded beforehand. Servers only.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_prepared(&self, message: &PreparedMessage) -> Result<(), Error> {
        self.put(|ws, out| ws.send_prepared(message, out))
    }

    /// Gives the engine any other command, and sends what comes of it.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn command<T>(
        &self,
        command: impl FnOnce(&mut Connection, &mut dyn Output) -> Result<T, SendError>,
    ) -> Result<T, Error> {
        self.put(|ws, out| command(ws, out))
    }

    fn put<T>(
        &self,
        command: impl FnOnce(&mut Connection, &mut Vec<u8>) -> Result<T, SendError>,
    ) -> Result<T, Error> {
        let mut state = self.shared.lock();
        if state.ws.is_open() {
            // Nothing more is put out that cannot be written.
            state.check()?;
        }
        let State { ws, tx, .. } = &mut *state;
        let value = command(ws, tx)?;
        if ws.wants_time() {
            ws.note_time(self.shared.clock.now());
        }
        state.writers += 1;
        let (mut state, result) = self.shared.flush(state);
        state.writers -= 1;
        result?;
        Ok(value)
    }

    /// Sends a Ping of at most 125 bytes.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.command(|ws, out| ws.send_ping(payload, out))
    }

    /// Starts the closing handshake; the reader sees it to its end.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn start_close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.command(|ws, out| ws.close(Some(code), reason, out))
    }

    /// True while messages can be sent.
    pub fn is_open(&self) -> bool {
        self.shared.lock().ws.is_open()
    }

    /// How the connection ended; `None` while data can still come or go.
    pub fn closed(&self) -> Option<Closed> {
        self.shared.lock().ws.closed()
    }
}
