//! What can be wrong with a request, and the HTTP answer to it.

use core::fmt;

use super::build::BuildError;
use super::head::HeadError;
use super::reject::Rejection;
use crate::buf::Output;

/// A request that cannot open a connection. [`status`](Self::status) is the
/// HTTP status it deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestError {
    /// `Content-Length` other than 0, or `Transfer-Encoding`: a body has no
    /// place before frames.
    BodyNotAllowed,
    /// No `Upgrade` in `Connection` (section 4.2.1, item 4).
    ConnectionMissing,
    /// `Sec-WebSocket-Extensions` does not follow its grammar (section 9.1).
    ExtensionInvalid,
    /// The head as such is malformed or over a limit.
    Head(HeadError),
    /// Two `Host` lines, or not a host.
    HostInvalid,
    /// No `Host` line (section 4.2.1, item 2).
    HostMissing,
    /// HTTP/1.0, which cannot upgrade (section 4.2.1, item 1).
    HttpVersionTooOld,
    /// A major version of HTTP other than 1.
    HttpVersionUnsupported,
    /// Two keys, or one that is not 16 bytes in base64 (section 4.2.1, item
    /// 5).
    KeyInvalid,
    /// No `Sec-WebSocket-Key`.
    KeyMissing,
    /// A method other than GET (section 4.2.1, item 1).
    MethodNotGet,
    /// Two `Origin` lines, or bytes that no origin has.
    OriginInvalid,
    /// The origin is not among those allowed (section 4.2.2, item 4).
    OriginNotAllowed,
    /// `Sec-WebSocket-Protocol` with something that is not a token, or with
    /// nothing.
    SubprotocolInvalid,
    /// A target that is neither a path nor a URL of a scheme we serve.
    TargetInvalid,
    /// The request did not come within `Config::handshake_timeout`.
    Timeout,
    /// No `websocket` in `Upgrade` (section 4.2.1, item 3): likely a plain
    /// HTTP request.
    UpgradeMissing,
    /// `Sec-WebSocket-Version` twice, or not one number.
    VersionInvalid,
    /// A version other than 13, or none (section 4.4).
    VersionUnsupported,
}

impl RequestError {
    /// The HTTP status that answers this fault.
    pub const fn status(self) -> u16 {
        match self {
            Self::Head(HeadError::TargetTooLong) => 414,
            Self::Head(HeadError::TooLong | HeadError::TooManyHeaders) => 431,
            Self::HttpVersionUnsupported => 505,
            Self::MethodNotGet => 405,
            Self::OriginNotAllowed => 403,
            Self::Timeout => 408,
            Self::UpgradeMissing | Self::VersionUnsupported => 426,
            Self::BodyNotAllowed
            | Self::ConnectionMissing
            | Self::ExtensionInvalid
            | Self::Head(_)
            | Self::HostInvalid
            | Self::HostMissing
            | Self::HttpVersionTooOld
            | Self::KeyInvalid
            | Self::KeyMissing
            | Self::OriginInvalid
            | Self::SubprotocolInvalid
            | Self::TargetInvalid
            | Self::VersionInvalid => 400,
        }
    }

    /// Appends the HTTP reply that this fault deserves, with the headers that
    /// belong to it: `Allow` to 405, `Sec-WebSocket-Version` and `Upgrade` to
    /// 426 (section 4.4; RFC 9110, sections 15.5.6 and 15.5.22). Flush it and
    /// close the transport.
    ///
    /// # Errors
    ///
    /// [`BuildError::OutputFull`].
    pub fn write_response(&self, out: &mut (impl Output + ?Sized)) -> Result<(), BuildError> {
        let own_headers: &[(&str, &str)] = match self.status() {
            405 => &[("Allow", "GET")],
            426 => &[
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade, close"),
                ("Sec-WebSocket-Version", "13"),
            ],
            _ => &[],
        };
        // The method may be HEAD, whose replies have no body.
        let body = if *self == Self::MethodNotGet { "" } else { self.message() };
        Rejection::new(self.status()).own_headers(own_headers).body(body).write(out)
    }

    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::BodyNotAllowed => "request with a body",
            Self::ConnectionMissing => "no Upgrade in Connection",
            Self::ExtensionInvalid => "malformed Sec-WebSocket-Extensions",
            Self::Head(error) => error.message(),
            Self::HostInvalid => "malformed Host",
            Self::HostMissing => "no Host",
            Self::HttpVersionTooOld => "HTTP/1.0 cannot upgrade",
            Self::HttpVersionUnsupported => "HTTP version other than 1.1",
            Self::KeyInvalid => "malformed Sec-WebSocket-Key",
            Self::KeyMissing => "no Sec-WebSocket-Key",
            Self::MethodNotGet => "method other than GET",
            Self::OriginInvalid => "malformed Origin",
            Self::OriginNotAllowed => "origin not allowed",
            Self::SubprotocolInvalid => "malformed Sec-WebSocket-Protocol",
            Self::TargetInvalid => "malformed target",
            Self::Timeout => "request too slow",
            Self::UpgradeMissing => "this is a WebSocket server: no websocket in Upgrade",
            Self::VersionInvalid => "malformed Sec-WebSocket-Version",
            Self::VersionUnsupported => "WebSocket version other than 13",
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for RequestError {}

impl From<HeadError> for RequestError {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}
