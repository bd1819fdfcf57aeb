//! Heads that go out: nothing that a caller passes in can end a line, add
//! one, or stand in for a header that the handshake needs.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use crate::buf::Output;
use crate::extension::is_token;

/// A head that cannot be sent as asked: the caller's mistake. Nothing was
/// appended to the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BuildError {
    /// The same subprotocol twice (RFC 6455, section 4.1, item 10).
    DuplicateSubprotocol,
    /// An extended CONNECT that the server has not enabled (RFC 8441, section
    /// 3).
    ExtendedConnectDisabled,
    /// A header name that is not a token.
    InvalidHeaderName,
    /// A header value with a control byte other than a tab.
    InvalidHeaderValue,
    /// A host that cannot stand in a `Host` header.
    InvalidHost,
    /// A status outside of `200..=599`.
    InvalidStatus,
    /// A subprotocol that is not a token.
    InvalidSubprotocol,
    /// A target that is no path with a query: not ASCII, white space, or a
    /// fragment (section 3).
    InvalidTarget,
    /// The output has no room for the head. Flush it and call again.
    #[non_exhaustive]
    OutputFull {
        /// Bytes that the head takes.
        needed: usize,
    },
    /// A header that the handshake sets itself.
    ReservedHeader,
    /// A subprotocol in a reply that the client did not offer (section
    /// 4.2.2).
    SubprotocolNotOffered,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DuplicateSubprotocol => "the same subprotocol twice",
            Self::ExtendedConnectDisabled => "the server has not enabled extended CONNECT",
            Self::InvalidHeaderName => "header name that is not a token",
            Self::InvalidHeaderValue => "header value with a control byte",
            Self::InvalidHost => "host that cannot stand in a Host header",
            Self::InvalidStatus => "status that cannot refuse a handshake",
            Self::InvalidSubprotocol => "subprotocol that is not a token",
            Self::InvalidTarget => "target that is no path with a query",
            Self::OutputFull { needed } => {
                return write!(f, "the output has no room for {needed} bytes: flush it first");
            }
            Self::ReservedHeader => "header that the handshake sets itself",
            Self::SubprotocolNotOffered => "subprotocol that the client did not offer",
        })
    }
}

impl core::error::Error for BuildError {}

/// Headers that decide what the head means, and so are never the caller's.
const RESERVED: [&str; 13] = [
    "Connection",
    "Content-Length",
    "Expect",
    "Host",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
];

/// Checks a header that a caller wants to add.
pub(super) fn check_header(name: &str, value: &str) -> Result<(), BuildError> {
    if !is_token(name.as_bytes()) {
        return Err(BuildError::InvalidHeaderName);
    }
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        return Err(BuildError::ReservedHeader);
    }
    // RFC 9110, section 5.5: CR, LF and NUL are dangerous, the other controls
    // invalid.
    if value.bytes().any(|b| (b < b' ' && b != b'\t') || b == 0x7f) {
        return Err(BuildError::InvalidHeaderValue);
    }
    Ok(())
}

/// Checks the name of a subprotocol.
pub(super) fn check_subprotocol(name: &str) -> Result<(), BuildError> {
    if is_token(name.as_bytes()) { Ok(()) } else { Err(BuildError::InvalidSubprotocol) }
}

/// Appends all the parts that `emit` names, or none: it is asked twice, first
/// for the length.
pub(super) fn append_all(
    out: &mut (impl Output + ?Sized),
    emit: impl Fn(&mut dyn FnMut(&[u8])),
) -> Result<(), BuildError> {
    let mut needed = 0;
    emit(&mut |part| needed += part.len());
    if !out.has_room(needed) {
        return Err(BuildError::OutputFull { needed });
    }
    emit(&mut |part| {
        out.append(part);
    });
    Ok(())
}

/// Header lines that a caller adds to a head. Empty ones allocate nothing.
pub(super) type Lines<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Checks the header lines that a caller wants to add.
pub(super) fn check_headers(headers: &Lines<'_>) -> Result<(), BuildError> {
    headers.iter().try_for_each(|(name, value)| check_header(name, value))
}

/// Emits header lines.
pub(super) fn emit_headers(headers: &Lines<'_>, emit: &mut dyn FnMut(&[u8])) {
    for (name, value) in headers {
        emit_header(name, value, emit);
    }
}

/// Emits what a value writes of itself.
#[cfg(feature = "deflate")]
pub(super) fn emit_display(value: &impl fmt::Display, emit: &mut dyn FnMut(&[u8])) {
    struct Writer<'a>(&'a mut dyn FnMut(&[u8]));
    impl fmt::Write for Writer<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            (self.0)(text.as_bytes());
            Ok(())
        }
    }
    // This writer has no errors.
    let _ = fmt::Write::write_fmt(&mut Writer(emit), format_args!("{value}"));
}

/// Emits one header line.
pub(super) fn emit_header(name: &str, value: &str, emit: &mut dyn FnMut(&[u8])) {
    emit(name.as_bytes());
    emit(b": ");
    emit(value.as_bytes());
    emit(b"\r\n");
}
