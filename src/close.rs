//! Status codes and the body of a Close frame (RFC 6455, sections 5.5.1, 7.4).
//!
//! Layer: above `utf8`. Knows nothing of a connection.

use core::fmt;

use crate::control::MAX_CONTROL_LEN;

/// Bytes of UTF-8 that the reason of a Close frame can have: 125 less the
/// status code (section 5.5).
pub const MAX_REASON_LEN: usize = MAX_CONTROL_LEN - 2;

/// A status code of the closing handshake (RFC 6455, section 7.4).
///
/// An open newtype over the 16 bits of the wire: any value can be made, and
/// [`is_allowed_on_wire`](Self::is_allowed_on_wire) says which may be sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection has been fulfilled.
    pub const NORMAL_CLOSURE: Self = Self(1000);
    /// 1001: a server going down, or a browser leaving the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: data of a type that cannot be accepted.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: never on the wire; stands for "a Close without a status code".
    pub const NO_STATUS_RECEIVED: Self = Self(1005);
    /// 1006: never on the wire; stands for "no Close frame came".
    pub const ABNORMAL_CLOSURE: Self = Self(1006);
    /// 1007: data within a message that does not fit its type (such as text
    /// that is not UTF-8).
    pub const INVALID_PAYLOAD_DATA: Self = Self(1007);
    /// 1008: a message that violates the endpoint's policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the server did not negotiate an extension that the client needs.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: an unexpected condition at the sender of the code.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts (IANA registry).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: try again later (IANA registry).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid answer from its upstream (IANA registry).
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: never on the wire; stands for "the TLS handshake failed".
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// The code with this number; any number will do.
    #[inline]
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// The number.
    #[inline]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// True for codes that may stand in a Close frame: 1000-1003, 1007-1014
    /// (registered), 3000-3999 (libraries and frameworks), 4000-4999 (private
    /// use). False for those that sections 7.4.1 and 7.4.2 reserve, forbid or
    /// leave unassigned: below 1000, 1004-1006, 1015-2999, 5000 and above.
    #[inline]
    pub const fn is_allowed_on_wire(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The body of a Close frame: a status code and a reason, or neither.
///
/// Held inline (128 bytes, `Copy`), so it outlives the buffer it came in.
#[derive(Clone, Copy)]
pub struct CloseFrame {
    code: Option<CloseCode>,
    reason: [u8; MAX_REASON_LEN],
    reason_len: u8,
}

impl CloseFrame {
    /// A Close frame without a body.
    pub const EMPTY: Self = Self { code: None, reason: [0; MAX_REASON_LEN], reason_len: 0 };

    /// A body of `code` and `reason`. A reason of more than
    /// [`MAX_REASON_LEN`] bytes is cut before the first character that does
    /// not fit. Whether the code may be sent is not looked at here.
    pub fn new(code: CloseCode, reason: &str) -> Self {
        let reason = &reason.as_bytes()[..cut_at_char(reason, MAX_REASON_LEN)];
        let mut frame = Self { code: Some(code), ..Self::EMPTY };
        frame.reason[..reason.len()].copy_from_slice(reason);
        frame.reason_len = len_u8(reason.len());
        frame
    }

    /// Reads the payload of a Close frame (section 5.5.1).
    ///
    /// # Errors
    ///
    /// One lone byte, a code that may not be on the wire, or a reason that is
    /// not UTF-8.
    pub fn parse(payload: &[u8]) -> Result<Self, CloseError> {
        match payload {
            [] => Ok(Self::EMPTY),
            [_] => Err(CloseError::Truncated),
            [a, b, reason @ ..] => {
                let code = CloseCode(u16::from_be_bytes([*a, *b]));
                if !code.is_allowed_on_wire() {
                    return Err(CloseError::InvalidCode);
                }
                let reason = crate::utf8::validate(reason).ok_or(CloseError::InvalidReason)?;
                Ok(Self::new(code, reason))
            }
        }
    }

    /// The status code; `None` when the frame has no body.
    pub fn code(&self) -> Option<CloseCode> {
        self.code
    }

    /// The reason; empty when there is none.
    pub fn reason(&self) -> &str {
        // Made from a `str` cut between characters: never the fallback.
        crate::utf8::validate(&self.reason[..usize::from(self.reason_len)]).unwrap_or_default()
    }

    /// Writes the payload into `room` and gives its length, 0 or 2 to 125.
    pub(crate) fn write_payload(&self, room: &mut [u8; MAX_CONTROL_LEN]) -> usize {
        let Some(code) = self.code else { return 0 };
        let len = 2 + usize::from(self.reason_len);
        room[..2].copy_from_slice(&code.get().to_be_bytes());
        room[2..len].copy_from_slice(&self.reason[..len - 2]);
        len
    }
}

impl PartialEq for CloseFrame {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code && self.reason() == other.reason()
    }
}

impl Eq for CloseFrame {}

impl fmt::Debug for CloseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseFrame")
            .field("code", &self.code)
            .field("reason", &self.reason())
            .finish()
    }
}

/// What is wrong with the payload of a Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseError {
    /// A status code that may not be on the wire (section 7.4).
    InvalidCode,
    /// A reason that is not UTF-8 (section 5.5.1).
    InvalidReason,
    /// One byte, where there must be none or at least two (section 5.5.1).
    Truncated,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidCode => "status code that may not be on the wire",
            Self::InvalidReason => "close reason that is not UTF-8",
            Self::Truncated => "close payload of one byte",
        })
    }
}

impl core::error::Error for CloseError {}

/// The largest length up to `max` at which `text` can be cut between two
/// characters. (`str::floor_char_boundary` is newer than our rust-version.)
fn cut_at_char(text: &str, max: usize) -> usize {
    (0..=max.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// `len` is at most 125 wherever this is called.
#[allow(clippy::cast_possible_truncation)]
const fn len_u8(len: usize) -> u8 {
    len as u8
}
