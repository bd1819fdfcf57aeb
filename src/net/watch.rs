//! When a deadline of the engine's is held against the peer: rules for whoever
//! waits for a network, which tells late and early apart by what was there to
//! be read.

use core::time::Duration;

use super::error::Error;
use super::trace;
use crate::buf::Output;
use crate::config::Config;
use crate::connection::{Closed, Connection};
use crate::time::Instant;

/// How long the peer may take to end its side when the engine has no deadline
/// for that.
pub(crate) const LINGER: Duration = Duration::from_secs(5);

/// Reads after a deadline that may still find what was waited for, behind what
/// else the peer sent in time: a mebibyte or so at most.
const LATE_READS: u32 = 16;

/// What wants to be told the time.
pub(crate) trait Timed {
    fn wants_time(&self) -> bool;
    fn note_time(&mut self, now: Instant) -> Option<Instant>;
}

impl Timed for Connection {
    fn wants_time(&self) -> bool {
        self.wants_time()
    }

    fn note_time(&mut self, now: Instant) -> Option<Instant> {
        self.note_time(now)
    }
}

#[cfg(feature = "web")]
impl Timed for crate::web::Network {
    fn wants_time(&self) -> bool {
        self.wants_time()
    }

    fn note_time(&mut self, now: Instant) -> Option<Instant> {
        self.note_time(now)
    }
}

/// When the engine wants to be told the time, and how patient we have been.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    next: Option<Instant>,
    /// Reads in a row that found something after a deadline.
    late_reads: u32,
    /// The end has been told.
    has_ended: bool,
}

impl Watch {
    /// The next deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Tells the engine when what has happened did happen. Judges nobody.
    pub(crate) fn note_time(&mut self, ws: &mut impl Timed, now: impl FnOnce() -> Instant) {
        if ws.wants_time() {
            self.next = ws.note_time(now());
        }
    }

    /// As [`note_time`](Self::note_time), whether anything has happened or not.
    pub(crate) fn start(&mut self, ws: &mut impl Timed, now: Instant) {
        self.next = ws.note_time(now);
    }

    /// A deadline has passed, and nothing was there to be read or taken: the
    /// engine does what is due.
    pub(crate) fn judge(
        &mut self,
        ws: &mut Connection,
        now: Instant,
        out: &mut (impl Output + ?Sized),
    ) {
        self.next = ws.handle_timeout(now, out);
    }

    /// The same, for what has its output inside.
    #[cfg(feature = "web")]
    pub(crate) fn judge_socket(&mut self, socket: &mut crate::web::Network, now: Instant) {
        self.next = socket.handle_timeout(now);
    }

    /// When to judge a socket, if nothing happens before. One that is open holds
    /// no silence against a peer that nobody listens to; and a peer that takes
    /// nothing of what we send cannot answer what is queued behind either, until
    /// that has lasted for too long.
    #[cfg(feature = "web")]
    pub(crate) fn socket_due(
        &self,
        socket: &crate::web::Network,
        listens: bool,
        stalled_since: Option<Instant>,
    ) -> Option<Instant> {
        let next = self.next?;
        if socket.is_opening() || socket.ready_state() > crate::web::ReadyState::Open {
            return Some(next);
        }
        match (stalled_since, write_patience(socket.config())) {
            (Some(since), Some(patience)) => Some(next.max(since + patience)),
            _ => listens.then_some(next),
        }
    }

    /// The transport has ended: how the connection did, and the error if that
    /// was one.
    pub(crate) fn end(&mut self, ws: &mut Connection) -> (Closed, Option<Error>) {
        let closed = ws.receive_eof();
        if !self.has_ended {
            self.has_ended = true;
            trace::ended(&closed);
        }
        (closed, Error::of(&closed))
    }

    /// Something was read. True: it came after a deadline, and a peer that
    /// goes on talking of other things has been listened to for long enough.
    pub(crate) fn is_too_late(&mut self, now: impl FnOnce() -> Instant, also: bool) -> bool {
        let is_late = self.next.is_some_and(|next| next <= now()) || also;
        self.late_reads = if is_late { self.late_reads + 1 } else { 0 };
        self.late_reads > LATE_READS
    }
}

/// The time without a byte taken after which the deadlines of `config` that
/// have passed count: a peer that reads slowly cannot answer what is queued
/// behind.
pub(crate) fn write_patience(config: &Config) -> Option<Duration> {
    config.ping_interval.map(|_| config.pong_timeout).or(config.idle_timeout)
}

/// Until when to wait for the peer to end its direction of the transport.
pub(crate) fn linger_until(ws: &Connection, now: Instant) -> Instant {
    let linger = ws.config().close_timeout.unwrap_or(LINGER);
    ws.close_deadline().unwrap_or(now + linger)
}
