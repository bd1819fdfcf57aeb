//! A stream with its buffers and its deadlines: what the handshake and the
//! open connection have in common.

use alloc::vec::Vec;
use core::time::Duration;
use std::io::{self, IoSlice};

use super::inbox::Inbox;
use super::transport::Transport;
use crate::time::{Clock, Instant};

/// Output memory that is kept between messages; more goes back.
const KEEP_LEN: usize = 64 << 10;

/// What became of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// It was done.
    Done,
    /// The stream has ended.
    Eof,
    /// It was not done in time.
    TimedOut,
}

#[derive(Debug)]
pub(super) struct Wire<S> {
    pub(super) stream: S,
    pub(super) inbox: Inbox,
    /// Bytes to send, from `sent` on.
    pub(super) tx: Vec<u8>,
    sent: usize,
    clock: Clock,
    /// Set by the user.
    deadline: Option<Instant>,
    /// The stream waits for a limited time: to read, to write.
    timed: [bool; 2],
    hung_up: bool,
}

impl<S: Transport> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            inbox: Inbox::default(),
            tx: Vec::new(),
            sent: 0,
            clock: Clock::new(),
            deadline: None,
            timed: [false; 2],
            hung_up: false,
        }
    }

    /// The stream, what was read from it, what there is to send, and the clock
    /// that the engine has been told the time of.
    pub(super) fn into_parts(mut self) -> (S, Inbox, Vec<u8>, Clock) {
        self.tx.drain(..self.sent);
        (self.stream, self.inbox, self.tx, self.clock)
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn set_deadline(&mut self, deadline: Option<std::time::Instant>) {
        self.deadline = deadline.map(|at| self.clock.at(at));
    }

    pub(super) fn deadline_passed(&self) -> bool {
        self.deadline.is_some_and(|at| self.now() >= at)
    }

    /// Reads once, behind what is unread.
    pub(super) fn read(&mut self, until: Option<Instant>) -> io::Result<Waited> {
        let Some(wait) = self.wait_until(until) else { return Ok(Waited::TimedOut) };
        if wait.is_some() || self.timed[0] {
            self.stream.set_read_timeout(wait)?;
            self.timed[0] = wait.is_some();
        }
        match retry(|| self.inbox.read_from(&mut self.stream))? {
            None => Ok(Waited::TimedOut),
            Some(0) => Ok(Waited::Eof),
            Some(_) => Ok(Waited::Done),
        }
    }

    /// Writes what there is to send.
    pub(super) fn flush(&mut self, until: Option<Instant>) -> io::Result<Waited> {
        self.flush_with(&[], until)
    }

    /// Writes what there is to send, and `payload` behind it without copying
    /// it. If that takes too long, the rest of it waits among what there is to
    /// send.
    pub(super) fn flush_with(
        &mut self,
        payload: &[u8],
        until: Option<Instant>,
    ) -> io::Result<Waited> {
        let mut payload = payload;
        while self.sent < self.tx.len() || !payload.is_empty() {
            let Some(wait) = self.wait_until(until) else {
                self.tx.extend_from_slice(payload);
                return Ok(Waited::TimedOut);
            };
            if wait.is_some() || self.timed[1] {
                self.stream.set_write_timeout(wait)?;
                self.timed[1] = wait.is_some();
            }
            let parts = [IoSlice::new(&self.tx[self.sent..]), IoSlice::new(payload)];
            let written = match (parts[0].is_empty(), payload.is_empty()) {
                (false, false) => retry(|| self.stream.write_vectored(&parts))?,
                (true, _) => retry(|| self.stream.write(payload))?,
                (false, true) => retry(|| self.stream.write(&self.tx[self.sent..]))?,
            };
            match written {
                None => {}
                Some(0) => return Err(io::ErrorKind::WriteZero.into()),
                Some(written) => {
                    let of_tx = written.min(self.tx.len() - self.sent);
                    self.sent += of_tx;
                    payload = &payload[written - of_tx..];
                }
            }
        }
        self.discard_output();
        self.stream.flush()?;
        Ok(Waited::Done)
    }

    /// Forgets what there is to send, and memory that a large message left.
    pub(super) fn discard_output(&mut self) {
        self.sent = 0;
        if self.tx.capacity() > KEEP_LEN { self.tx = Vec::new() } else { self.tx.clear() }
    }

    /// Ends our direction, then reads what the peer still has to say until it
    /// ends its own, or until `until`: closing a socket with bytes unread
    /// would send a reset, and that destroys what the peer has not yet read,
    /// our Close frame included (RFC 6455, section 7.1.1).
    pub(super) fn hang_up(&mut self, until: Instant) -> io::Result<()> {
        self.hung_up = true;
        self.flush(Some(until))?;
        self.stream.shutdown_write()?;
        loop {
            self.inbox.consume(usize::MAX);
            if self.read(Some(until))? != Waited::Done {
                return Ok(());
            }
        }
    }

    pub(super) fn is_hung_up(&self) -> bool {
        self.hung_up
    }

    /// How long to wait, `Some(None)` without end; `None` if `until` or the
    /// user's deadline has passed.
    fn wait_until(&self, until: Option<Instant>) -> Option<Option<Duration>> {
        let until = match (until, self.deadline) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => match a.or(b) {
                None => return Some(None),
                Some(until) => until,
            },
        };
        let wait = until.saturating_duration_since(self.now());
        (!wait.is_zero()).then_some(Some(wait))
    }
}

/// Repeats an interrupted call; `None` if it timed out.
fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Ok(len) => return Ok(Some(len)),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if is_timeout(&e) => return Ok(None),
            Err(e) => return Err(e),
        }
    }
}

/// Which of the two it is depends on the system.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
