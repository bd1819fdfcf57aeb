//! How a connection ended.

use std::ffi::c_char;

use sockeye::{Cause, Closed, MAX_REASON_LEN, Side, Timeout};

use self::sockeye_cause::*;
use crate::error::sockeye_protocol_error;

/// Why a connection ended. New ones may come.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sockeye_cause {
    /// One that is newer than this list.
    SOCKEYE_CAUSE_OTHER = 0,
    /// The program dropped it (`sockeye_connection_abort`).
    SOCKEYE_CAUSE_ABORTED = 1,
    /// A closing handshake, begun by either side (RFC 6455, section 7.1.2).
    SOCKEYE_CAUSE_CLOSING_HANDSHAKE = 2,
    /// The stream ended with no closing handshake.
    SOCKEYE_CAUSE_END_OF_STREAM = 3,
    /// The stream ended inside a frame.
    SOCKEYE_CAUSE_END_INSIDE_FRAME = 4,
    /// The peer broke a rule: see `error`.
    SOCKEYE_CAUSE_PROTOCOL = 5,
    /// The peer did not answer our Close frame in time.
    SOCKEYE_CAUSE_CLOSE_TIMEOUT = 6,
    /// No data was exchanged for too long.
    SOCKEYE_CAUSE_IDLE_TIMEOUT = 7,
    /// The peer did not answer a Ping in time.
    SOCKEYE_CAUSE_PONG_TIMEOUT = 8,
}

/// How a connection ended: everything there is to know, as a value. Its size is the
/// same in all versions of the library.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_closed {
    /// Why.
    pub cause: sockeye_cause,
    /// The broken rule, if that was the cause.
    pub error: sockeye_protocol_error,
    /// The close code of the connection (RFC 6455, section 7.1.5): that of the peer's
    /// Close frame; 1005 if that had none, 1006 if there was none.
    pub code: u16,
    /// The code of the Close frame that we sent; 0 if it had none, or there was none.
    pub sent_code: u16,
    /// Both sides have sent a Close frame, and nothing went wrong before (section
    /// 7.1.4).
    pub is_clean: bool,
    /// The peer ended it: it sent the first Close frame, or the stream just ended.
    pub is_by_peer: bool,
    /// We sent a Close frame.
    pub has_sent: bool,
    /// The peer sent a Close frame.
    pub has_received: bool,
    /// The reason in the peer's Close frame (section 7.1.6): UTF-8 with a NUL behind it, and
    /// with whatever the peer put before that, which may be other NULs.
    pub reason: [c_char; 124],
    /// Its bytes, up to 123, without that NUL.
    pub reason_len: u32,
}

const _: () = assert!(MAX_REASON_LEN + 1 == 124);

impl sockeye_closed {
    pub(crate) fn of(closed: &Closed) -> Self {
        let mut error = sockeye_protocol_error::SOCKEYE_PROTOCOL_NONE;
        let cause = match closed.cause() {
            Cause::Aborted => SOCKEYE_CAUSE_ABORTED,
            Cause::ClosingHandshake => SOCKEYE_CAUSE_CLOSING_HANDSHAKE,
            Cause::EndOfStream { inside_frame: false, .. } => SOCKEYE_CAUSE_END_OF_STREAM,
            Cause::EndOfStream { .. } => SOCKEYE_CAUSE_END_INSIDE_FRAME,
            Cause::Protocol(broken) => {
                error = sockeye_protocol_error::of(broken);
                SOCKEYE_CAUSE_PROTOCOL
            }
            Cause::Timeout(Timeout::Close) => SOCKEYE_CAUSE_CLOSE_TIMEOUT,
            Cause::Timeout(Timeout::Idle) => SOCKEYE_CAUSE_IDLE_TIMEOUT,
            Cause::Timeout(Timeout::Pong) => SOCKEYE_CAUSE_PONG_TIMEOUT,
            _ => SOCKEYE_CAUSE_OTHER,
        };
        let mut reason = [0; MAX_REASON_LEN + 1];
        let bytes = closed.reason().as_bytes();
        for (to, from) in reason.iter_mut().zip(bytes) {
            *to = c_char::from_ne_bytes([*from]);
        }
        Self {
            cause,
            error,
            code: closed.code().get(),
            sent_code: closed.sent().and_then(|frame| frame.code()).map_or(0, |code| code.get()),
            is_clean: closed.is_clean(),
            is_by_peer: closed.by() == Side::Peer,
            has_sent: closed.sent().is_some(),
            has_received: closed.received().is_some(),
            reason,
            #[allow(clippy::cast_possible_truncation)] // at most 123
            reason_len: bytes.len() as u32,
        }
    }
}
