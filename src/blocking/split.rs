//! One connection, two threads: a reader and a writer over TCP.
//!
//! Two things are shared. The engine, with what it has put out, is locked for
//! as long as it takes to encode or decode, never while the network is waited
//! for. The right to write to the socket is a flag under the same lock: who
//! holds it takes the whole output and writes it unlocked, so that bytes go out
//! in the order of the engine's, and a reader can read while a writer is stuck.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::layer::{Layer, OverTcp};
use super::socket::WebSocket;
use super::transport::Transport;
use super::wire::is_timeout;
use crate::buf::Output;
use crate::close::CloseCode;
use crate::connection::{Closed, Connection, PreparedMessage};
use crate::error::SendError;
use crate::message::Message;
use crate::net::{Error, Inbox, Intake, Watch, linger_until, send_message, write_patience};
use crate::time::{Clock, Instant};

/// Output that a reader may leave behind before it stops reading: a peer that
/// sends Pings and never reads must not make it grow.
const HIGH_WATER: usize = 64 << 10;

/// How often a write that waits looks at the deadlines.
const TICK: Duration = Duration::from_millis(250);

impl<S: Transport + OverTcp> WebSocket<S> {
    /// Splits the connection for two threads. What the reader receives is
    /// answered (Pong, Close) whether the writer is used or not; deadlines are
    /// the reader's to keep, so somebody has to [`read`](Reader::read). A
    /// deadline [set](Self::set_deadline) before is dropped.
    ///
    /// # Errors
    ///
    /// If the socket's time-out for writing cannot be set.
    pub fn split(self) -> io::Result<(Reader, Sender)> {
        let (stream, intake, tx, clock) = self.wire.into_parts();
        let (stream, layer) = stream.divide();
        let is_plain = layer.is_none();
        stream.set_write_timeout(Some(TICK))?;
        let state = State {
            ws: self.ws,
            layer,
            tx,
            in_flight: 0,
            written: 0,
            writing: false,
            writers: 0,
            error: None,
        };
        let (state, progress) = (Mutex::new(state), Condvar::new());
        let shared = Arc::new(Shared { stream, is_plain, clock, state, progress });
        let writer = Sender { shared: shared.clone() };
        let watch = self.watch;
        let received = Inbox::default();
        Ok((
            Reader { shared, received, intake, watch, look_again: None, read_timeout: None },
            writer,
        ))
    }
}

#[derive(Debug)]
struct Shared {
    /// Read and written through `&TcpStream`.
    stream: TcpStream,
    /// Nothing is between the engine and the socket.
    is_plain: bool,
    /// The one that the engine has been told the time of.
    clock: Clock,
    state: Mutex<State>,
    /// Bytes were written, or will never be.
    progress: Condvar,
}

#[derive(Debug)]
struct State {
    ws: Connection,
    layer: Layer,
    /// What the engine has put out and nobody has taken to write.
    tx: Vec<u8>,
    /// Bytes of it taken and not yet known to be written.
    in_flight: usize,
    /// Bytes of it written so far.
    written: u64,
    /// Somebody holds the right to write.
    writing: bool,
    /// Writers that have put something out and not seen it written.
    writers: usize,
    /// Writing has failed.
    error: Option<io::ErrorKind>,
}

impl State {
    /// Where the output ends, counted in bytes since the beginning.
    fn end(&self) -> u64 {
        self.written + (self.in_flight + self.tx.len()) as u64
    }

    fn has_output(&self) -> bool {
        !self.tx.is_empty() || self.layer.wants_write()
    }

    fn check(&self) -> io::Result<()> {
        self.error.map_or(Ok(()), |kind| Err(kind.into()))
    }

    /// Nothing has been taken for so long: judges the deadlines.
    fn judge_stalled(&mut self, stalled: Duration, now: Instant) {
        let is_stalled =
            write_patience(self.ws.config()).is_some_and(|patience| stalled >= patience);
        let is_over = self.ws.close_deadline().is_some_and(|at| at <= now);
        if is_stalled || is_over {
            self.ws.handle_timeout(now, &mut self.tx);
            if self.ws.should_close_transport() {
                self.error = Some(io::ErrorKind::TimedOut);
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No call of ours panics while it holds the lock; if a caller's
        // command did, the engine is as consistent as after an error.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.progress.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Writes one batch of the output: all there is. The right to write must
    /// be free.
    fn write_batch<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let output = core::mem::take(&mut state.tx);
        let len = output.len();
        let mut batch = match state.layer.seal(output) {
            Ok(batch) => batch,
            Err(error) => {
                state.error.get_or_insert(error.kind());
                self.progress.notify_all();
                return state;
            }
        };
        state.in_flight = len;
        state.writing = true;
        drop(state);
        let result = self.write_all(&batch);
        let mut state = self.lock();
        state.writing = false;
        match result {
            Ok(()) => state.written += len as u64,
            Err(kind) => state.error = state.error.or(Some(kind)),
        }
        state.in_flight = 0;
        if state.tx.is_empty() && batch.capacity() <= HIGH_WATER {
            batch.clear();
            state.tx = batch;
        }
        self.progress.notify_all();
        state
    }

    /// Writes, and looks up at each tick to see whether that has become vain.
    fn write_all(&self, mut bytes: &[u8]) -> Result<(), io::ErrorKind> {
        let mut taken_at = self.clock.now();
        while !bytes.is_empty() {
            match (&self.stream).write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero),
                Ok(len) => {
                    bytes = &bytes[len..];
                    taken_at = self.clock.now();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {
                    let now = self.clock.now();
                    let mut state = self.lock();
                    state.judge_stalled(now.saturating_duration_since(taken_at), now);
                    if let Some(kind) = state.error {
                        return Err(kind);
                    }
                }
                Err(error) => return Err(error.kind()),
            }
        }
        Ok(())
    }

    /// Waits until all output there is now has been written, by this thread
    /// or another. Gives the lock back: what is true then must stay so while
    /// the caller signs off.
    fn flush<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> (MutexGuard<'a, State>, io::Result<()>) {
        let mark = state.end();
        loop {
            if let Err(error) = state.check() {
                return (state, Err(error));
            }
            if state.writing {
                if state.written >= mark {
                    return (state, Ok(()));
                }
                state = self.wait(state);
            } else if !state.has_output() {
                return (state, Ok(()));
            } else {
                // Also what the reader has left behind meanwhile.
                state = self.write_batch(state);
            }
        }
    }

    /// Writes what is owed to the peer, unless somebody is writing already or
    /// about to: a writer does not sign off while there is output. Waits only
    /// while there is too much of it.
    fn flush_owed(&self) -> io::Result<()> {
        let mut state = self.lock();
        loop {
            state.check()?;
            if state.writing || state.writers > 0 {
                if state.tx.len() < HIGH_WATER {
                    return Ok(());
                }
                state = self.wait(state);
            } else if !state.has_output() {
                return Ok(());
            } else {
                // One batch: what is added meanwhile is a writer's.
                return self.write_batch(state).check();
            }
        }
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
            self.fill()?;
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
        // A sender may start a closing handshake while we wait, and nothing
        // wakes us: look again before its deadline can have passed.
        self.look_again = ws.config().close_timeout;
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
        match read(shared, &mut self.received, &mut self.intake.inbox) {
            Ok(0) => {
                shared.lock().ws.receive_eof();
            }
            Ok(_) => {
                let State { ws, tx, .. } = &mut *shared.lock();
                let now = shared.clock.now();
                self.watch.start(ws, now);
                if self.watch.is_too_late(|| now, false) {
                    self.watch.judge(ws, now, tx);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) => {
                let State { ws, tx, .. } = &mut *shared.lock();
                self.watch.judge(ws, shared.clock.now(), tx);
            }
            Err(error) => {
                let closed = shared.lock().ws.receive_eof();
                let _ = shared.stream.shutdown(Shutdown::Both);
                if !closed.is_clean() {
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// The connection is over: closes the stream in good order (see
    /// `Wire::hang_up`), and lets the writer know.
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
            match read(shared, &mut self.received, &mut self.intake.inbox) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Reads once into the inbox, with nothing locked. `Interrupted`: call it again,
/// if there is time.
fn read(shared: &Shared, received: &mut Inbox, inbox: &mut Inbox) -> io::Result<usize> {
    let came = |read: &io::Result<usize>| *read.as_ref().unwrap_or(&0);
    let read = |memory: &mut [u8]| (&shared.stream).read(memory);
    if shared.is_plain {
        return inbox.read_with(read, came);
    }
    if let Some(len) = shared.lock().layer.open(received, inbox)? {
        return Ok(len);
    }
    if received.read_with(read, came)? == 0 {
        shared.lock().layer.receive_eof();
    }
    // Not plain yet, perhaps; the caller looks at the clock first.
    Err(io::ErrorKind::Interrupted.into())
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
