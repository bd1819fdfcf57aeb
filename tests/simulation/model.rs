//! What RFC 6455 and `Config` ask of one end: how far its closing has come,
//! what it comes to, and when each of its deadlines is due.

use core::time::Duration;
use std::sync::Arc;

use sockeye::{Cause, CloseFrame, Config, Instant, ProtocolError, Side, Timeout};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Open,
    /// We have sent a Close frame, and the peer's has not come.
    CloseSent,
    /// Nothing more is said or heard.
    Finished,
    /// The transport is gone as well.
    Gone,
}

/// Why it ended: [`Cause`], which nobody else can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Aborted,
    ClosingHandshake,
    EndOfStream { inside_frame: bool },
    Protocol(ProtocolError),
    Timeout(Timeout),
}

impl From<Cause> for Ending {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Aborted => Self::Aborted,
            Cause::ClosingHandshake => Self::ClosingHandshake,
            Cause::EndOfStream { inside_frame, .. } => Self::EndOfStream { inside_frame },
            Cause::Protocol(error) => Self::Protocol(error),
            Cause::Timeout(timeout) => Self::Timeout(timeout),
            other => panic!("{other:?} is new"),
        }
    }
}

/// How it ended: [`sockeye::Closed`], to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub cause: Ending,
    pub by: Side,
    pub sent: Option<CloseFrame>,
    pub received: Option<CloseFrame>,
}

/// What is due, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Close,
    Pong,
    Idle,
    Ping,
}

#[derive(Debug)]
pub struct Model {
    config: Arc<Config>,
    is_server: bool,
    phase: Phase,
    should_close_transport: bool,

    // The outcome.
    cause: Option<Ending>,
    by: Option<Side>,
    sent: Option<CloseFrame>,
    received: Option<CloseFrame>,

    // What has happened since the time was told.
    got_bytes: bool,
    got_data: bool,
    got_closing: bool,
    got_ping: bool,

    // The time.
    last_bytes: Option<Instant>,
    last_data: Option<Instant>,
    close_at: Option<Instant>,
    close_is_over: bool,
    /// The engine's own Ping that waits for its Pong, and how long.
    keep_alive: Option<Vec<u8>>,
    pong_at: Option<Instant>,
    /// The application's latest Ping, if it waits for its Pong.
    asked: Option<Vec<u8>>,
}

impl Model {
    pub fn new(config: Arc<Config>, is_server: bool) -> Self {
        Self {
            config,
            is_server,
            phase: Phase::Open,
            should_close_transport: false,
            cause: None,
            by: None,
            sent: None,
            received: None,
            got_bytes: false,
            got_data: false,
            got_closing: false,
            got_ping: false,
            last_bytes: None,
            last_data: None,
            close_at: None,
            close_is_over: false,
            keep_alive: None,
            pong_at: None,
            asked: None,
        }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub fn may_receive(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::CloseSent)
    }

    pub fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    pub fn should_close_transport(&self) -> bool {
        self.should_close_transport
    }

    pub fn outcome(&self) -> Option<Outcome> {
        if self.may_receive() {
            return None;
        }
        let (cause, by) = (self.cause?, self.by?);
        Some(Outcome { cause, by, sent: self.sent, received: self.received })
    }

    // ---- the end --------------------------------------------------------------

    /// Our Close frame went out, for `cause` if it was not the application's
    /// wish.
    pub fn close_sent(&mut self, frame: CloseFrame, cause: Option<Ending>) {
        self.phase = Phase::CloseSent;
        (self.sent, self.cause, self.by) = (Some(frame), cause, Some(Side::Local));
        self.got_closing = true;
    }

    /// The peer's came; `echo` went out if nothing had.
    pub fn close_received(&mut self, frame: CloseFrame, echo: Option<CloseFrame>) {
        self.received = Some(frame);
        self.sent = self.sent.or(echo);
        self.finish(Ending::ClosingHandshake, Side::Peer);
        // Section 7.1.1: the server goes first.
        self.should_close_transport = self.is_server;
    }

    pub fn violated(&mut self, error: ProtocolError, sent: Option<CloseFrame>) {
        // A violation is what ended it, whatever had begun before.
        self.cause = None;
        self.failed(Ending::Protocol(error), sent);
    }

    pub fn failed(&mut self, cause: Ending, sent: Option<CloseFrame>) {
        self.sent = self.sent.or(sent);
        self.finish(cause, Side::Local);
        self.should_close_transport = true;
    }

    fn finish(&mut self, cause: Ending, by: Side) {
        self.phase = Phase::Finished;
        self.cause.get_or_insert(cause);
        self.by.get_or_insert(by);
        self.got_closing = true;
    }

    pub fn transport_gone(&mut self, cause: Ending) {
        let by = if cause == Ending::Aborted { Side::Local } else { Side::Peer };
        self.phase = Phase::Gone;
        self.cause.get_or_insert(cause);
        self.by.get_or_insert(by);
        self.should_close_transport = true;
    }

    // ---- what deadlines depend on ------------------------------------------------

    pub fn bytes(&mut self) {
        self.got_bytes |= self.config.ping_interval.is_some();
    }

    pub fn data(&mut self) {
        self.got_data |= self.config.idle_timeout.is_some();
    }

    pub fn ping_sent(&mut self, payload: &[u8]) {
        self.asked = Some(payload.to_vec());
        self.got_ping = true;
    }

    /// A Pong answers the Ping that had its payload, and with it all before.
    pub fn pong(&mut self, payload: &[u8]) {
        if self.keep_alive.as_deref() == Some(payload) {
            self.keep_alive = None;
        } else if self.asked.as_deref() == Some(payload) {
            self.asked = None;
        } else {
            return;
        }
        (self.keep_alive, self.pong_at) = (None, None);
        self.got_ping = true;
    }

    pub fn keep_alive_sent(&mut self, payload: Vec<u8>, now: Instant) {
        self.keep_alive = Some(payload);
        self.pong_at = Some(now + self.config.pong_timeout);
    }

    /// There was no room for it.
    pub fn keep_alive_skipped(&mut self, now: Instant) {
        self.last_bytes = Some(now);
    }

    // ---- time -----------------------------------------------------------------

    pub fn wants_time(&self) -> bool {
        self.got_bytes || self.got_data || self.got_closing || self.got_ping
    }

    pub fn note_time(&mut self, now: Instant, is_inside_frame: bool) {
        if self.is_gone() {
            self.got_bytes = false;
        } else {
            if self.got_bytes && is_inside_frame {
                // Its sender cannot send a Pong in the middle of it.
                self.pong_at = self.pong_at.map(|_| now + self.config.pong_timeout);
            }
            if self.got_bytes || self.last_bytes.is_none() {
                self.last_bytes = Some(now);
            }
            if self.got_data || self.last_data.is_none() {
                self.last_data = Some(now);
            }
            if self.got_closing && self.close_at.is_none() {
                self.close_at = self.config.close_timeout.map(|after| now + after);
            }
        }
        (self.got_bytes, self.got_data, self.got_closing, self.got_ping) = Default::default();
    }

    pub fn close_deadline(&self) -> Option<Instant> {
        self.close_at
    }

    fn deadlines(&self) -> [(Due, Option<Instant>); 4] {
        let after = |since: Option<Instant>, wait: Option<Duration>| Some(since? + wait?);
        let idle_at = after(self.last_data, self.config.idle_timeout);
        let ping_at = after(self.last_bytes, self.config.ping_interval);
        let when_open = |at: Option<Instant>| at.filter(|_| self.is_open());
        [
            (Due::Close, self.close_at.filter(|_| !self.close_is_over)),
            (Due::Pong, when_open(self.pong_at)),
            (Due::Idle, when_open(idle_at)),
            (Due::Ping, when_open(ping_at.filter(|_| self.keep_alive.is_none()))),
        ]
    }

    pub fn due(&self, now: Instant) -> Option<Due> {
        let deadlines = self.deadlines();
        deadlines.into_iter().find(|(_, at)| at.is_some_and(|at| at <= now)).map(|(due, _)| due)
    }

    pub fn next(&self) -> Option<Instant> {
        let deadlines = self.deadlines();
        deadlines.into_iter().filter_map(|(_, at)| at).min().filter(|_| !self.is_gone())
    }

    /// The same, if there is no room for a keep-alive Ping.
    pub fn next_but_ping(&self) -> Option<Instant> {
        let deadlines = self.deadlines().into_iter().filter(|(due, _)| *due != Due::Ping);
        deadlines.filter_map(|(_, at)| at).min().filter(|_| !self.is_gone())
    }

    /// The time to close is over.
    pub fn close_timed_out(&mut self) {
        self.close_is_over = true;
        if self.may_receive() {
            self.failed(Ending::Timeout(Timeout::Close), None);
        }
        self.should_close_transport = true;
    }
}
