//! Deadlines of an open connection. What happens is noted without a clock;
//! `note_time` is the one place that learns the time, `handle_timeout` the one
//! that acts on it.

use alloc::boxed::Box;
use core::time::Duration;

use super::Connection;
use super::closing::{Cause, Phase, Timeout};
use crate::buf::Output;
use crate::close::{CloseCode, CloseFrame};
use crate::config::Config;
use crate::control::Gathered;
use crate::frame::Opcode;
use crate::time::Instant;

impl Connection {
    /// True if [`note_time`](Self::note_time) should be called now, since
    /// something has happened that a deadline depends on; the first is that the
    /// connection has opened. False on the hot path while the deadlines are off,
    /// so that no clock need be read.
    pub fn wants_time(&self) -> bool {
        self.happened.matters(&self.config)
            || self.compression.as_ref().is_some_and(|compression| compression.tx.wants_time())
    }

    /// Notes that what has happened since the last call happened at `now`.
    /// Gives up on nobody: says when [`handle_timeout`](Self::handle_timeout)
    /// is due, `None` if not before something happens.
    pub fn note_time(&mut self, now: Instant) -> Option<Instant> {
        let happened = core::mem::take(&mut self.happened);
        let config = &*self.config;
        if self.closing.phase() == Phase::Gone {
            return None;
        }
        let release = self.compression.as_mut().and_then(|c| c.tx.note_time(now));
        if self.timers.is_none() && !happened.matters(config) {
            return release; // with deadlines it has mattered that it opened
        }
        let timers = Timers::get(&mut self.timers);
        timers.arm(happened, self.rx.is_inside_frame(), config, now);
        earlier(timers.next(config, self.closing.may_send()), release)
    }

    /// Does what is due at `now` (a keep-alive Ping, closing an idle
    /// connection, giving up) and says when to call next, as
    /// [`note_time`](Self::note_time) does, which it includes.
    ///
    /// Call it when a deadline has passed *and nothing is there to be read*:
    /// the Pong that is waited for may have come while the caller was busy.
    /// Early and repeated calls are harmless.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        out: &mut (impl Output + ?Sized),
    ) -> Option<Instant> {
        self.note_time(now)?;
        // A message that our Close cut short is void.
        let inside_message = self.tx.is_inside_message() && self.closing.may_send();
        let release = self.compression.as_mut().and_then(|c| c.tx.release(now, inside_message));
        let Some(timers) = self.timers.as_deref_mut() else { return release };
        while let Some(due) = timers.due(&self.config, self.closing.may_send(), now) {
            match due {
                Due::Close => {
                    timers.close_deadline_passed();
                    if self.closing.may_receive() {
                        self.closing.fail(Cause::Timeout(Timeout::Close), None);
                    } else {
                        self.closing.give_up_waiting();
                    }
                }
                Due::Pong => return self.give_up_on_silent_peer(now, out),
                Due::Idle => return self.close_idle(now, out),
                Due::Ping(number) => {
                    match self.tx.control(Opcode::PING, &number.to_be_bytes(), out) {
                        Ok(()) => timers.keep_alive_sent(number, &self.config, now),
                        Err(_) => {
                            timers.keep_alive_skipped(now);
                            break;
                        }
                    }
                }
            }
        }
        earlier(timers.next(&self.config, self.closing.may_send()), release)
    }

    /// The time between the latest Ping that was answered and its Pong, be
    /// the Ping the engine's or the application's. As exact as the times that
    /// [`note_time`](Self::note_time) was told.
    pub fn round_trip_time(&self) -> Option<Duration> {
        self.timers.as_ref()?.round_trip()
    }

    /// Nobody there: say so in case we are wrong, and stop.
    fn give_up_on_silent_peer(
        &mut self,
        now: Instant,
        out: &mut (impl Output + ?Sized),
    ) -> Option<Instant> {
        let frame = CloseFrame::new(CloseCode::INTERNAL_ERROR, "no answer to a Ping");
        let sent = self.send_close(frame, out).ok();
        self.closing.fail(Cause::Timeout(Timeout::Pong), sent);
        self.happened.closing = true;
        self.note_time(now)
    }

    fn close_idle(&mut self, now: Instant, out: &mut (impl Output + ?Sized)) -> Option<Instant> {
        let frame = CloseFrame::new(CloseCode::GOING_AWAY, "idle for too long");
        let cause = Cause::Timeout(Timeout::Idle);
        match self.start_closing(frame, Some(cause), out) {
            Ok(()) => self.handle_timeout(now, out),
            // No room for the Close frame: the transport has been stuck.
            Err(_) => {
                self.closing.fail(cause, None);
                self.happened.closing = true;
                self.note_time(now)
            }
        }
    }
}

/// The earlier of two times, if there is any.
fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// What happened since the time was last told: all that a connection without
/// deadlines carries of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Happened {
    /// Bytes came: puts the next keep-alive Ping off.
    pub(super) received: bool,
    /// A data frame came or went: puts the idle deadline off.
    pub(super) data: bool,
    /// A Close frame came or went: starts the close deadline.
    pub(super) closing: bool,
    /// A Ping of the application's went, or a Pong to one of ours came.
    pub(super) ping: bool,
}

impl Happened {
    /// What a new connection starts with: silence counts from then on.
    pub(super) const OPENED: Self =
        Self { received: true, data: true, closing: false, ping: false };

    /// True if there is a deadline that depends on it.
    fn matters(self, config: &Config) -> bool {
        self.closing
            || self.ping
            || self.received && config.ping_interval.is_some()
            || self.data && config.idle_timeout.is_some()
    }
}

/// Boxed on first use: a connection whose deadlines are off owns none.
#[derive(Debug, Default)]
pub(super) struct Timers {
    last_received: Option<Instant>,
    last_data: Option<Instant>,
    close_deadline: Option<Instant>,
    close_deadline_passed: bool,
    /// The engine's own Ping, waiting for its Pong.
    keep_alive: Option<KeepAlive>,
    pong_deadline: Option<Instant>,
    /// The application's latest Ping. Boxed on first use: its payload is long,
    /// and most applications leave Pings to the engine.
    asked: Option<Box<Ping>>,
    /// When the Ping went whose Pong has come.
    answered: Option<Instant>,
    round_trip: Option<Duration>,
    /// Keep-alive Pings so far; also their payload.
    pings: u64,
}

/// A Ping of the engine's, whose payload is its number.
#[derive(Debug)]
struct KeepAlive {
    number: u64,
    sent: Instant,
}

/// A Ping of the application's.
#[derive(Debug)]
struct Ping {
    payload: Gathered,
    /// Its Pong has not come.
    is_open: bool,
    /// `None` until the time is told.
    sent: Option<Instant>,
}

/// What is due, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The peer has not closed in time.
    Close,
    /// The peer has not answered a Ping in time.
    Pong,
    /// No data for too long.
    Idle,
    /// A keep-alive Ping, with this number.
    Ping(u64),
}

impl Timers {
    pub(super) fn get(timers: &mut Option<Box<Self>>) -> &mut Self {
        timers.get_or_insert_with(Box::default)
    }

    pub(super) fn close_deadline(&self) -> Option<Instant> {
        self.close_deadline
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// The application sent a Ping.
    pub(super) fn ping_sent(&mut self, payload: &[u8]) {
        let mut copy = Gathered::new();
        copy.extend(payload);
        let ping = Ping { payload: copy, is_open: true, sent: None };
        match &mut self.asked {
            Some(asked) => **asked = ping,
            None => self.asked = Some(Box::new(ping)),
        }
    }

    /// A Pong came. True if it answers a Ping of ours: an unsolicited one
    /// answers nothing (section 5.5.3).
    pub(super) fn pong_received(&mut self, payload: &[u8]) -> bool {
        let kept_alive = self.keep_alive.take_if(|ping| ping.number.to_be_bytes() == payload);
        let sent = match kept_alive {
            Some(ping) => Some(ping.sent),
            None => match &mut self.asked {
                Some(ping) if ping.is_open && ping.payload.as_bytes() == payload => {
                    ping.is_open = false;
                    ping.sent
                }
                _ => return false,
            },
        };
        // "MAY elect to send a Pong frame for only the most recently processed
        // Ping frame" (section 5.5.3): an answer to any proves life.
        self.keep_alive = None;
        self.pong_deadline = None;
        self.answered = sent.or(self.answered);
        true
    }

    /// Makes absolute what happened since the last call.
    pub(super) fn arm(
        &mut self,
        happened: Happened,
        inside_frame: bool,
        config: &Config,
        now: Instant,
    ) {
        if happened.received || self.last_received.is_none() {
            self.last_received = Some(now);
            // Inside a frame the peer cannot send a Pong, but it is alive.
            if inside_frame {
                if let Some(deadline) = &mut self.pong_deadline {
                    *deadline = now + config.pong_timeout;
                }
            }
        }
        if happened.data || self.last_data.is_none() {
            self.last_data = Some(now);
        }
        if happened.closing && self.close_deadline.is_none() {
            self.close_deadline = config.close_timeout.map(|t| now + t);
        }
        if let Some(sent) = self.answered.take() {
            self.round_trip = Some(now.saturating_duration_since(sent));
        }
        if let Some(ping) = &mut self.asked {
            ping.sent.get_or_insert(now);
        }
    }

    /// When each thing is due, in an open connection or a closing one.
    fn deadlines(&self, config: &Config, open: bool) -> [(Option<Instant>, Due); 4] {
        let after = |since: Option<Instant>, wait: Option<Duration>| Some(since? + wait?);
        let when_open = |deadline: Option<Instant>| deadline.filter(|_| open);
        let ping = match self.keep_alive {
            Some(_) => None,
            None => after(self.last_received, config.ping_interval),
        };
        [
            (self.close_deadline.filter(|_| !self.close_deadline_passed), Due::Close),
            (when_open(self.pong_deadline), Due::Pong),
            (when_open(after(self.last_data, config.idle_timeout)), Due::Idle),
            (when_open(ping), Due::Ping(self.pings)),
        ]
    }

    /// The most urgent thing that is due at `now`.
    pub(super) fn due(&self, config: &Config, open: bool, now: Instant) -> Option<Due> {
        let deadlines = self.deadlines(config, open);
        deadlines.into_iter().find(|(at, _)| at.is_some_and(|at| at <= now)).map(|(_, due)| due)
    }

    /// When something is due next.
    pub(super) fn next(&self, config: &Config, open: bool) -> Option<Instant> {
        self.deadlines(config, open).into_iter().filter_map(|(at, _)| at).min()
    }

    pub(super) fn close_deadline_passed(&mut self) {
        self.close_deadline_passed = true;
    }

    /// A keep-alive Ping went at `now`.
    pub(super) fn keep_alive_sent(&mut self, number: u64, config: &Config, now: Instant) {
        self.keep_alive = Some(KeepAlive { number, sent: now });
        self.pong_deadline = Some(now + config.pong_timeout);
        self.pings += 1;
    }

    /// A keep-alive Ping had no room in the output: the next one is due an
    /// interval from `now`.
    pub(super) fn keep_alive_skipped(&mut self, now: Instant) {
        self.last_received = Some(now);
    }
}
