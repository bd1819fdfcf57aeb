//! How a connection ends (RFC 6455, sections 5.5.1 and 7). All transitions
//! between its states are in this file:
//!
//! ```text
//!          we send Close              peer's Close comes
//!   Open ----------------> CloseSent ---------------------+
//!    |                         |                          v
//!    |  peer's Close comes, we echo it                 Finished --> Gone
//!    +------------------------------------------------->  ^         end of stream
//!    |        peer breaks a rule, or a deadline passes    |
//!    +-------------------------+--------------------------+
//! ```
//!
//! Any state goes to `Gone` when the stream ends. Blind to the role but for
//! one question: who closes the transport first (section 7.1.1).

use alloc::boxed::Box;
use core::fmt;

use super::{Connection, Event};
use crate::buf::{Input, Output};
use crate::close::{CloseCode, CloseFrame};
use crate::control::{ControlPayload, MAX_CONTROL_LEN};
use crate::error::{ProtocolError, SendError};
use crate::frame::Opcode;
use crate::time::Instant;

/// How far the end of the connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Data goes both ways.
    Open,
    /// Our Close frame is out; the peer's data still counts until its own.
    CloseSent,
    /// Nothing more is sent or delivered; the transport is still there.
    Finished,
    /// The transport has ended.
    Gone,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The application dropped it (`Connection::abort`).
    Aborted,
    /// A closing handshake, begun by either side.
    ClosingHandshake,
    /// The stream ended with no closing handshake.
    #[non_exhaustive]
    EndOfStream {
        /// It ended inside a frame, which is a cut and not an end.
        inside_frame: bool,
    },
    /// The peer broke a rule.
    Protocol(ProtocolError),
    /// A deadline passed.
    Timeout(Timeout),
}

/// Which deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timeout {
    /// The peer did not answer our Close frame (`Config::close_timeout`).
    Close,
    /// No data for `Config::idle_timeout`.
    Idle,
    /// The peer did not answer a Ping (`Config::pong_timeout`).
    Pong,
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Close => "peer did not answer the Close frame in time",
            Self::Idle => "no data was exchanged for too long",
            Self::Pong => "peer did not answer a Ping in time",
        })
    }
}

/// One of the two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)] // a connection has two ends
pub enum Side {
    /// This end.
    Local,
    /// The other end.
    Peer,
}

/// How a connection ended: everything there is to know, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    pub(super) cause: Cause,
    pub(super) by: Side,
    pub(super) sent: Option<CloseFrame>,
    pub(super) received: Option<CloseFrame>,
}

impl Closed {
    /// Why it ended.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Who ended it: who sent the first Close frame, or else whose fault or
    /// decision it was.
    pub fn by(&self) -> Side {
        self.by
    }

    /// The Close frame we sent, if we did.
    pub fn sent(&self) -> Option<&CloseFrame> {
        self.sent.as_ref()
    }

    /// The Close frame the peer sent, if it did.
    pub fn received(&self) -> Option<&CloseFrame> {
        self.received.as_ref()
    }

    /// True if both sides sent a Close frame and nothing went wrong before
    /// (section 7.1.4).
    pub fn is_clean(&self) -> bool {
        self.sent.is_some()
            && self.received.is_some()
            && !matches!(self.cause, Cause::Protocol(_) | Cause::Aborted)
    }

    /// *The WebSocket Connection Close Code* (section 7.1.5): that of the
    /// peer's Close frame; 1005 if that had none, 1006 if there was none.
    pub fn code(&self) -> CloseCode {
        match self.received {
            Some(frame) => frame.code().unwrap_or(CloseCode::NO_STATUS_RECEIVED),
            None => CloseCode::ABNORMAL_CLOSURE,
        }
    }

    /// *The WebSocket Connection Close Reason* (section 7.1.6): that of the
    /// peer's Close frame, or nothing.
    pub fn reason(&self) -> &str {
        self.received.as_ref().map_or("", CloseFrame::reason)
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::Aborted => f.write_str("dropped by the application"),
            Cause::ClosingHandshake => {
                let by = if self.by == Side::Local { "us" } else { "the peer" };
                write!(f, "closed by {by}: {}", self.code())?;
                if self.reason().is_empty() { Ok(()) } else { write!(f, " {:?}", self.reason()) }
            }
            Cause::EndOfStream { inside_frame: true } => f.write_str("stream cut inside a frame"),
            Cause::EndOfStream { .. } => f.write_str("stream ended without a closing handshake"),
            Cause::Protocol(error) => error.fmt(f),
            Cause::Timeout(timeout) => timeout.fmt(f),
        }
    }
}

impl Connection {
    /// Starts the closing handshake (section 7.1.2); `None` sends a Close
    /// without a body. Data may still arrive until the peer answers. A
    /// message being sent in fragments is cut short, and void.
    ///
    /// A reason of more than 123 bytes is cut before the first character that
    /// does not fit (section 5.5 leaves no more room).
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidCloseCode`] for a code that
    /// [may not be on the wire](CloseCode::is_allowed_on_wire) or a reason
    /// without a code, [`SendError::Closed`], [`SendError::OutputFull`].
    pub fn close(
        &mut self,
        code: Option<CloseCode>,
        reason: &str,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        let frame = match code {
            Some(code) if code.is_allowed_on_wire() => CloseFrame::new(code, reason),
            None if reason.is_empty() => CloseFrame::EMPTY,
            _ => return Err(SendError::InvalidCloseCode),
        };
        self.start_closing(frame, None, out)
    }

    /// The transport will deliver no more bytes. Says how the connection
    /// ended; calling it again says the same.
    pub fn receive_eof(&mut self) -> Closed {
        self.end(Cause::EndOfStream { inside_frame: self.rx.is_inside_frame() })
    }

    /// Ends the connection here and now, with no closing handshake: the
    /// caller drops the transport. Says how the connection ended.
    pub fn abort(&mut self) -> Closed {
        self.end(Cause::Aborted)
    }

    /// When to stop waiting for the peer to close the transport; known once
    /// the closing has begun and the time was noted. One deadline holds from
    /// the first Close frame, or from a failure, to the end of the transport.
    pub fn close_deadline(&self) -> Option<Instant> {
        self.timers.as_ref()?.close_deadline()
    }

    /// True when the transport should be closed, once the output is flushed:
    /// the closing handshake is done (a server goes first, a client waits
    /// until [`Config::close_timeout`](crate::Config::close_timeout)), or the
    /// connection has failed.
    pub fn should_close_transport(&self) -> bool {
        self.closing.may_close_transport()
    }

    /// How the connection ended; `None` while data can still come or go.
    pub fn closed(&self) -> Option<Closed> {
        self.closing.closed()
    }

    /// True while data can be sent: no Close frame has been sent or received.
    pub fn is_open(&self) -> bool {
        self.closing.may_send()
    }

    /// "If an endpoint receives a Close frame and did not previously send a
    /// Close frame, the endpoint MUST send a Close frame in response"
    /// (section 5.5.1), with the same code and reason.
    pub(super) fn receive_close<'b>(
        &mut self,
        payload: &ControlPayload<'_>,
        input: &mut Input<'b>,
        out: &mut (impl Output + ?Sized),
    ) -> Event<'b> {
        let frame = match CloseFrame::parse(payload) {
            Ok(frame) => frame,
            Err(error) => return self.fail(error.into(), input, out),
        };
        if self.closing.may_send() {
            // Room was made sure of before the Close was consumed.
            let sent = self.tx.control(Opcode::CLOSE, payload, out);
            debug_assert_eq!(sent, Ok(()));
        }
        self.closing.close_received(frame, self.tx.is_server());
        self.happened.closing = true;
        input.discard();
        Event::Close(Box::new(frame))
    }

    /// *Fails the WebSocket connection* (section 7.1.7).
    pub(super) fn fail<'b>(
        &mut self,
        error: ProtocolError,
        input: &mut Input<'b>,
        out: &mut (impl Output + ?Sized),
    ) -> Event<'b> {
        let sent = self.send_close(CloseFrame::new(error.close_code(), ""), out).ok();
        self.closing.fail(Cause::Protocol(error), sent);
        self.happened.closing = true;
        input.discard();
        Event::Failed(error)
    }

    /// The connection ends without (further) frames.
    fn end(&mut self, cause: Cause) -> Closed {
        if self.closing.phase() != Phase::Gone {
            self.closing.transport_gone(cause);
            self.end_compression();
        }
        // A record was made by the transition to `Gone` at the latest.
        self.closing.closed().unwrap_or(Closed {
            cause,
            by: Side::Peer,
            sent: None,
            received: None,
        })
    }

    pub(super) fn start_closing(
        &mut self,
        frame: CloseFrame,
        cause: Option<Cause>,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        let frame = self.send_close(frame, out)?;
        self.closing.close_sent(frame, cause);
        self.happened.closing = true;
        Ok(())
    }

    /// Appends a Close frame, if none was sent before. Changes no state.
    pub(super) fn send_close(
        &mut self,
        frame: CloseFrame,
        out: &mut (impl Output + ?Sized),
    ) -> Result<CloseFrame, SendError> {
        self.check_open()?;
        let mut payload = [0; MAX_CONTROL_LEN];
        let len = frame.write_payload(&mut payload);
        self.tx.control(Opcode::CLOSE, &payload[..len], out)?;
        Ok(frame)
    }
}

/// The state. Small while open: what is said at the end is boxed.
#[derive(Debug)]
pub(super) struct Closing {
    phase: Phase,
    /// Both have said Close, or one has failed: the transport can go.
    transport_done: bool,
    record: Option<Box<Record>>,
}

/// What was said, and by whom first.
#[derive(Debug, Default)]
struct Record {
    sent: Option<CloseFrame>,
    received: Option<CloseFrame>,
    by: Option<Side>,
    cause: Option<Cause>,
}

impl Closing {
    pub(super) const fn new() -> Self {
        Self { phase: Phase::Open, transport_done: false, record: None }
    }

    #[inline]
    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// Data and control frames may be sent.
    #[inline]
    pub(super) fn may_send(&self) -> bool {
        self.phase == Phase::Open
    }

    /// What the peer sends is still delivered.
    #[inline]
    pub(super) fn may_receive(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::CloseSent)
    }

    pub(super) fn may_close_transport(&self) -> bool {
        self.transport_done || self.phase == Phase::Gone
    }

    // ---- transitions -----------------------------------------------------

    /// Open to CloseSent: our Close frame is in the output, to begin the
    /// closing handshake; `cause` if it was not the application's idea.
    pub(super) fn close_sent(&mut self, frame: CloseFrame, cause: Option<Cause>) {
        self.phase = Phase::CloseSent;
        let record = self.record(Side::Local);
        record.sent = Some(frame);
        record.cause = cause;
    }

    /// To Finished: the peer's Close frame came. Before that, our answer was
    /// put into the output if we had not sent a Close (section 5.5.1).
    ///
    /// "The server MUST close the underlying TCP connection immediately; the
    /// client SHOULD wait for the server to close" (section 7.1.1).
    pub(super) fn close_received(&mut self, frame: CloseFrame, is_server: bool) {
        let answered = self.phase == Phase::Open;
        self.phase = Phase::Finished;
        self.transport_done = is_server;
        let record = self.record(Side::Peer);
        record.received = Some(frame);
        if answered {
            record.sent = Some(frame);
        }
        record.cause.get_or_insert(Cause::ClosingHandshake);
    }

    /// To Finished: we fail the connection (section 7.1.7). `sent` is the
    /// Close frame, if one could still be sent.
    pub(super) fn fail(&mut self, cause: Cause, sent: Option<CloseFrame>) {
        self.phase = Phase::Finished;
        self.transport_done = true;
        let record = self.record(Side::Local);
        record.sent = record.sent.or(sent);
        // A Close that began for a reason of its own keeps it when nobody
        // answers.
        if cause != Cause::Timeout(Timeout::Close) || record.cause.is_none() {
            record.cause = Some(cause);
        }
    }

    /// Finished, and the peer has had its time to close the transport.
    pub(super) fn give_up_waiting(&mut self) {
        self.transport_done = true;
    }

    /// To Gone: the stream has ended. `cause` if that was the end of the
    /// connection too.
    pub(super) fn transport_gone(&mut self, cause: Cause) {
        let by = if cause == Cause::Aborted { Side::Local } else { Side::Peer };
        self.phase = Phase::Gone;
        self.record(by).cause.get_or_insert(cause);
    }

    /// The record, made when the first word of the end is said, by `by`.
    fn record(&mut self, by: Side) -> &mut Record {
        let record = self.record.get_or_insert_with(Box::default);
        record.by.get_or_insert(by);
        record
    }

    /// The outcome, once there is one.
    pub(super) fn closed(&self) -> Option<Closed> {
        let record = self.record.as_deref().filter(|_| !self.may_receive())?;
        Some(Closed {
            cause: record.cause?,
            by: record.by?,
            sent: record.sent,
            received: record.received,
        })
    }
}
