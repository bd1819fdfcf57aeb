//! What the two halves of a blocking connection share.
//!
//! The engine, with what it has put out, is locked for as long as it takes to
//! encode or decode, never while the network is waited for. The right to write
//! to the socket is a flag under the same lock: who holds it takes the whole
//! output and writes it unlocked, so that bytes go out in the order of the
//! engine's, and a reader can read while a sender is stuck.

use alloc::vec::Vec;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::layer::Layer;
use super::wire::{MAX_READ, is_timeout};
use crate::connection::Connection;
use crate::net::{Inbox, write_patience};
use crate::time::{Clock, Instant};

/// Output that a reader may leave behind before it stops reading: a peer that
/// sends Pings and never reads must not make it grow.
const HIGH_WATER: usize = 64 << 10;

/// How often a write that waits looks at the deadlines.
const TICK: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Shared {
    /// Read and written through `&TcpStream`.
    pub(super) stream: TcpStream,
    /// Nothing is between the engine and the socket.
    is_plain: bool,
    /// The one that the engine has been told the time of.
    pub(super) clock: Clock,
    state: Mutex<State>,
    /// Bytes were written, or will never be.
    pub(super) progress: Condvar,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) ws: Connection,
    pub(super) layer: Layer,
    /// What the engine has put out and nobody has taken to write.
    pub(super) tx: Vec<u8>,
    /// Bytes of it taken and not yet known to be written.
    in_flight: usize,
    /// Bytes of it written so far.
    written: u64,
    /// Somebody holds the right to write.
    pub(super) writing: bool,
    /// Writers that have put something out and not seen it written.
    pub(super) writers: usize,
    /// Writing has failed.
    pub(super) error: Option<io::ErrorKind>,
}

impl State {
    /// Where the output ends, counted in bytes since the beginning.
    pub(super) fn end(&self) -> u64 {
        self.written + (self.in_flight + self.tx.len()) as u64
    }

    pub(super) fn has_output(&self) -> bool {
        !self.tx.is_empty() || self.layer.wants_write()
    }

    pub(super) fn check(&self) -> io::Result<()> {
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
    pub(super) fn new(
        stream: TcpStream,
        layer: Layer,
        ws: Connection,
        tx: Vec<u8>,
        clock: Clock,
    ) -> io::Result<Self> {
        stream.set_write_timeout(Some(TICK))?;
        let is_plain = layer.is_none();
        let state = State {
            ws,
            layer,
            tx,
            in_flight: 0,
            written: 0,
            writing: false,
            writers: 0,
            error: None,
        };
        Ok(Self { stream, is_plain, clock, state: Mutex::new(state), progress: Condvar::new() })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // No call of ours panics while it holds the lock; if a caller's
        // command did, the engine is as consistent as after an error.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.progress.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Writes one batch of the output: all there is. The right to write must
    /// be free.
    pub(super) fn write_batch<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> MutexGuard<'a, State> {
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
    pub(super) fn flush<'a>(
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
    pub(super) fn flush_owed(&self) -> io::Result<()> {
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

    /// Reads once into the inbox, with nothing locked. `Interrupted`: call it again,
    /// if there is time.
    pub(super) fn read(&self, received: &mut Inbox, inbox: &mut Inbox) -> io::Result<usize> {
        let came = |read: &io::Result<usize>| *read.as_ref().unwrap_or(&0);
        let read = |memory: &mut [u8]| (&self.stream).read(memory);
        if self.is_plain {
            return inbox.read_with(MAX_READ, read, came);
        }
        if let Some(len) = self.lock().layer.open(received, inbox)? {
            return Ok(len);
        }
        if received.read_with(MAX_READ, read, came)? == 0 {
            self.lock().layer.receive_eof();
        }
        // Not plain yet, perhaps; the caller looks at the clock first.
        Err(io::ErrorKind::Interrupted.into())
    }
}
