//! What can be wrong with an extended CONNECT request, and the answer to it.

use core::fmt;

use super::super::request_error::RequestError as HandshakeError;
use super::reply::Reply;
use super::section::SectionError;

/// A request that cannot open a connection. [`status`](Self::status) is the
/// HTTP status it deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestError {
    /// No `:authority`, or not a host (RFC 8441, section 5).
    AuthorityInvalid,
    /// What it has in common with a request of HTTP/1.1 breaks a rule:
    /// `origin`, `content-length`, `sec-websocket-version`,
    /// `sec-websocket-protocol`, `sec-websocket-extensions`, two `host`.
    Handshake(HandshakeError),
    /// `host` is another one than `:authority` (RFC 9113, section 8.3.1).
    HostDiffers,
    /// A method other than CONNECT: an ordinary request (RFC 8441, section 4).
    MethodNotConnect,
    /// No `:path`, or one that is no path with a query (RFC 8441, section 4;
    /// RFC 9113, section 8.3.1).
    PathInvalid,
    /// A `:path` longer than [`Config::max_target_len`](crate::Config).
    PathTooLong,
    /// A CONNECT without `:protocol`, which asks for a tunnel to a host
    /// (RFC 9113, section 8.5).
    ProtocolMissing,
    /// A `:protocol` other than `websocket` (RFC 9220, section 3).
    ProtocolUnsupported,
    /// No `:scheme`, or one other than `http` and `https` (RFC 8441, section 5).
    SchemeInvalid,
    /// The header section as such is malformed or over a limit.
    Section(SectionError),
    /// An intermediary got the request in early data, which can be replayed
    /// (RFC 8470, section 5).
    TooEarly,
}

impl RequestError {
    /// The HTTP status that answers this fault. A version other than 13 gets
    /// 400: 426 demands an `upgrade`, which does not exist here.
    pub const fn status(self) -> u16 {
        match self {
            Self::Handshake(HandshakeError::VersionUnsupported) => 400,
            Self::Handshake(error) => error.status(),
            Self::MethodNotConnect => 405,
            Self::PathTooLong => 414,
            Self::ProtocolMissing | Self::ProtocolUnsupported => 501,
            Self::Section(SectionError::TooLong | SectionError::TooManyFields) => 431,
            Self::TooEarly => 425,
            Self::AuthorityInvalid
            | Self::HostDiffers
            | Self::PathInvalid
            | Self::SchemeInvalid
            | Self::Section(_) => 400,
        }
    }

    /// True if the request is *malformed*: a stream error for the HTTP layer,
    /// [`PROTOCOL_ERROR`](super::PROTOCOL_ERROR) in HTTP/2 and
    /// [`H3_MESSAGE_ERROR`](super::H3_MESSAGE_ERROR) in HTTP/3. "For malformed
    /// requests, a server MAY send an HTTP response prior to closing or
    /// resetting the stream" (RFC 9113, section 8.1.1).
    pub const fn is_malformed(self) -> bool {
        match self {
            Self::Section(error) => error.is_malformed(),
            Self::AuthorityInvalid
            | Self::HostDiffers
            | Self::PathInvalid
            | Self::SchemeInvalid => true,
            _ => false,
        }
    }

    /// The reply that this fault deserves, with the fields that belong to it:
    /// `allow` to 405, `sec-websocket-version` where another was asked for
    /// (RFC 6455, section 4.4). Send it, and its body, with END_STREAM.
    pub fn reply(&self) -> Reply {
        let mut reply = Reply::new(self.status());
        match self {
            Self::Handshake(HandshakeError::VersionUnsupported) => {
                reply.push("sec-websocket-version", "13");
            }
            // It may be HEAD, whose replies have no body.
            Self::MethodNotConnect => {
                reply.push("allow", "CONNECT");
                return reply;
            }
            _ => {}
        }
        reply.text(self.message())
    }

    const fn message(self) -> &'static str {
        match self {
            Self::AuthorityInvalid => "malformed :authority",
            Self::Handshake(error) => error.message(),
            Self::HostDiffers => "Host differs from :authority",
            Self::MethodNotConnect => "method other than CONNECT",
            Self::PathInvalid => "malformed :path",
            Self::PathTooLong => ":path too long",
            Self::ProtocolMissing => "this is no proxy: CONNECT without :protocol",
            Self::ProtocolUnsupported => "this is a WebSocket server: another :protocol",
            Self::SchemeInvalid => "malformed :scheme",
            Self::Section(error) => error.message(),
            Self::TooEarly => "request in early data",
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for RequestError {}

impl From<SectionError> for RequestError {
    fn from(error: SectionError) -> Self {
        Self::Section(error)
    }
}
