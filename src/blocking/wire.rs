//! A stream with its buffers and its deadlines: what the handshake and the
//! open connection have in common.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use std::io::{self, IoSlice};

use super::transport::Transport;
use crate::net::{Inbox, Intake, Waited};
use crate::time::{Clock, Instant};

/// Output memory that is kept between messages; more goes back.
const KEEP_LEN: usize = 64 << 10;

/// Bytes asked of the system at most in one read. A thread waits for its
/// connection with this memory in hand once that has sent as much at a time.
pub(super) const MAX_READ: usize = 32 << 10;

/// As exact as the waits of the system are.
const TICK: Duration = Duration::from_millis(2);

pub(super) struct Wire<S> {
    pub(super) stream: S,
    pub(super) intake: Intake,
    /// Bytes to send, from `sent` on.
    pub(super) tx: Vec<u8>,
    sent: usize,
    /// The stream has taken bytes and was not asked to pass them on.
    unflushed: bool,
    clock: Clock,
    /// Set by the user.
    deadline: Option<Instant>,
    /// The stream waits for a limited time: to read, to write.
    timed: [bool; 2],
    hung_up: bool,
}

/// How much is queued, and not what.
impl<S: fmt::Debug> fmt::Debug for Wire<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("stream", &self.stream)
            .field("queued_len", &(self.tx.len() - self.sent))
            .finish_non_exhaustive()
    }
}

impl<S: Transport> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            intake: Intake::new(Inbox::default()),
            tx: Vec::new(),
            sent: 0,
            unflushed: false,
            clock: Clock::new(),
            deadline: None,
            timed: [false; 2],
            hung_up: false,
        }
    }

    /// The stream, what was read from it, what there is to send, and the clock
    /// that the engine has been told the time of.
    pub(super) fn into_parts(mut self) -> (S, Intake, Vec<u8>, Clock) {
        self.tx.drain(..self.sent);
        (self.stream, self.intake, self.tx, self.clock)
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

    /// Bytes that wait to be sent.
    pub(super) fn queued_len(&self) -> usize {
        self.tx.len() - self.sent
    }

    /// Reads once, behind what is unread. Looks at least once, also when it is
    /// too late: what has come by then has come in time.
    pub(super) fn read(&mut self, until: Option<Instant>) -> io::Result<Waited> {
        let wait = self.wait_until(until);
        if wait.is_some() || self.timed[0] {
            self.stream.set_read_timeout(wait)?;
            self.timed[0] = wait.is_some();
        }
        let stream = &mut self.stream;
        let read = |memory: &mut [u8]| retry(wait, || stream.read(memory));
        let came =
            |read: &io::Result<Option<usize>>| read.as_ref().ok().copied().flatten().unwrap_or(0);
        match self.intake.inbox.read_with(MAX_READ, read, came) {
            Ok(None) => Ok(Waited::TimedOut),
            Ok(Some(0)) => Ok(Waited::Eof),
            Ok(Some(_)) => Ok(Waited::Done),
            // TLS without its close_notify: an end that anybody could have
            // made, which for us is one without a Close frame.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Waited::Eof),
            Err(error) => Err(error),
        }
    }

    /// Writes what there is to send, for as long as some of it is taken within
    /// `patience`, or until `until`.
    pub(super) fn flush(&mut self, patience: Patience) -> io::Result<Waited> {
        self.flush_with(&[], patience)
    }

    /// Writes what there is to send, and `payload` behind it without copying
    /// it. If that takes too long, the rest of it waits among what there is to
    /// send.
    pub(super) fn flush_with(&mut self, payload: &[u8], patience: Patience) -> io::Result<Waited> {
        let mut payload = payload;
        while self.sent < self.tx.len() || !payload.is_empty() || self.unflushed {
            let until = match patience {
                Patience::Until(until) => until,
                Patience::ForEach(wait) => wait.map(|wait| self.now() + wait),
            };
            let wait = self.wait_until(until);
            if self.sent == self.tx.len() && payload.is_empty() {
                // Streams with a buffer of their own may have to wait here.
                if retry(wait, || self.stream.flush().map(|()| 0))?.is_none() {
                    return Ok(Waited::TimedOut);
                }
                self.unflushed = false;
                break;
            }
            if wait.is_some() || self.timed[1] {
                self.stream.set_write_timeout(wait)?;
                self.timed[1] = wait.is_some();
            }
            let parts = [IoSlice::new(&self.tx[self.sent..]), IoSlice::new(payload)];
            let written = retry(wait, || match (parts[0].is_empty(), payload.is_empty()) {
                (false, false) => self.stream.write_vectored(&parts),
                (true, _) => self.stream.write(payload),
                (false, true) => self.stream.write(&self.tx[self.sent..]),
            })?;
            match written {
                None => {
                    self.tx.extend_from_slice(payload);
                    return Ok(Waited::TimedOut);
                }
                Some(0) => return Err(io::ErrorKind::WriteZero.into()),
                Some(written) => {
                    let of_tx = written.min(self.tx.len() - self.sent);
                    self.sent += of_tx;
                    payload = &payload[written - of_tx..];
                    self.unflushed = true;
                }
            }
        }
        self.discard_output();
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
        self.flush(Patience::Until(Some(until)))?;
        // TLS still has something to say.
        let wait = self.wait_until(Some(until));
        self.stream.set_write_timeout(wait)?;
        self.timed[1] = true;
        if retry(wait, || self.stream.shutdown_write().map(|()| 0))?.is_none() {
            return Ok(());
        }
        loop {
            self.intake.inbox.consume(usize::MAX);
            // Whoever goes on sending is not listened to for longer either.
            if self.read(Some(until))? != Waited::Done || self.now() >= until {
                return Ok(());
            }
        }
    }

    pub(super) fn is_hung_up(&self) -> bool {
        self.hung_up
    }

    /// How long to wait for `until` or the user's deadline; `None`: any time.
    fn wait_until(&self, until: Option<Instant>) -> Option<Duration> {
        let until = match (until, self.deadline) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b)?,
        };
        // Zero means no limit to the system.
        Some(until.saturating_duration_since(self.now()).max(Duration::from_millis(1)))
    }
}

/// How long to wait for a peer to take what is sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// Each time for so long: a peer that takes something is alive.
    ForEach(Option<Duration>),
    Until(Option<Instant>),
}

/// Repeats an interrupted call; `None` if it took longer than `wait`.
fn retry(
    wait: Option<Duration>,
    mut call: impl FnMut() -> io::Result<usize>,
) -> io::Result<Option<usize>> {
    let limit = wait.map(|wait| (std::time::Instant::now(), wait));
    loop {
        match call() {
            Ok(len) => return Ok(Some(len)),
            // Again and again, if somebody sends so slowly that no byte of it
            // is complete: not for longer than that either.
            Err(e) if e.kind() == io::ErrorKind::Interrupted => match limit {
                Some((start, wait)) if start.elapsed() >= wait => return Ok(None),
                _ => {}
            },
            Err(e) if is_timeout(&e) => match limit {
                // The system's clock ticks in milliseconds.
                Some((start, wait)) if start.elapsed() + TICK >= wait => return Ok(None),
                // It did not wait: somebody has made the stream a nonblocking
                // one. That works, at a price, but must not spin.
                _ => std::thread::sleep(TICK),
            },
            Err(e) => return Err(e),
        }
    }
}

/// Which of the two it is depends on the system.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
