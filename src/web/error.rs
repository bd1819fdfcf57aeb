//! What a script would catch: exceptions, by their names.

use alloc::borrow::Cow;
use core::fmt;

/// An exception of the WebSockets Standard. The call that fails with one has
/// changed nothing.
///
/// Each has the name that the standard gives it today, and the one that it had
/// when exceptions had codes.
///
/// | variant | [`name`](Self::name) | [`legacy_name`](Self::legacy_name) | [`legacy_code`](Self::legacy_code) |
/// |---|---|---|---|
/// | `InvalidAccess` | `InvalidAccessError` | `INVALID_ACCESS_ERR` | 15 |
/// | `InvalidState` | `InvalidStateError` | `INVALID_STATE_ERR` | 11 |
/// | `Security` | `SecurityError` | `SECURITY_ERR` | 18 |
/// | `Syntax` | `SyntaxError` | `SYNTAX_ERR` | 12 |
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)] // the standard has four
pub enum WebError {
    /// A close code that applications may not use.
    InvalidAccess(Cow<'static, str>),
    /// Sending before the connection is open.
    InvalidState(Cow<'static, str>),
    /// What a page may not do: a blocked port, mixed content.
    Security(Cow<'static, str>),
    /// A URL, a protocol or a reason that is none.
    Syntax(Cow<'static, str>),
}

impl WebError {
    /// What the `DOMException` is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InvalidAccess(_) => "InvalidAccessError",
            Self::InvalidState(_) => "InvalidStateError",
            Self::Security(_) => "SecurityError",
            Self::Syntax(_) => "SyntaxError",
        }
    }

    /// What it was called as a constant.
    pub fn legacy_name(&self) -> &'static str {
        match self {
            Self::InvalidAccess(_) => "INVALID_ACCESS_ERR",
            Self::InvalidState(_) => "INVALID_STATE_ERR",
            Self::Security(_) => "SECURITY_ERR",
            Self::Syntax(_) => "SYNTAX_ERR",
        }
    }

    /// The `code` of the `DOMException`.
    pub fn legacy_code(&self) -> u16 {
        match self {
            Self::InvalidAccess(_) => 15,
            Self::InvalidState(_) => 11,
            Self::Security(_) => 18,
            Self::Syntax(_) => 12,
        }
    }

    /// What is wrong, in words.
    pub fn message(&self) -> &str {
        match self {
            Self::InvalidAccess(what)
            | Self::InvalidState(what)
            | Self::Security(what)
            | Self::Syntax(what) => what,
        }
    }
}

impl fmt::Display for WebError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.message())
    }
}

impl core::error::Error for WebError {}

/// Why [`WebSocket::try_send`](super::WebSocket::try_send) has sent nothing,
/// and counted nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrySendError {
    /// More would be buffered than
    /// [`Options::max_buffered`](super::Options::max_buffered) allows: wait until
    /// `buffered_amount` is less.
    Full,
    /// The connection is not open: not yet, or not any more.
    NotOpen,
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too much is buffered already",
            Self::NotOpen => "the connection is not open",
        })
    }
}

impl core::error::Error for TrySendError {}
