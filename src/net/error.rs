//! Everything that can go wrong on a socket, and what a server says instead
//! of a handshake.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;
use std::io;

use crate::connection::{Cause, Closed, Timeout};
use crate::error::{ProtocolError, SendError};
use crate::handshake::{BuildError, Refusal, RequestError, ResponseError};

/// Why a call of this adapter failed. A connection that was closed in good
/// order is never an error.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// We dropped the connection, with no closing handshake.
    Aborted,
    /// What was asked for cannot be put into a handshake.
    Build(BuildError),
    /// The deadline set by the caller passed; see
    /// [`set_deadline`](crate::blocking::WebSocket::set_deadline).
    DeadlineExceeded,
    /// The transport failed.
    Io(io::Error),
    /// The stream ended without a closing handshake.
    #[non_exhaustive]
    Lost {
        /// It ended inside a frame.
        inside_frame: bool,
    },
    /// The peer broke a rule; it has been told.
    Protocol(ProtocolError),
    /// The proxy could not be reached, or did not let us through.
    Proxy(Box<dyn core::error::Error + Send + Sync>),
    /// More output is queued than [`Config::max_queued_len`] allows: wait for
    /// room, or let the peer go.
    ///
    /// [`Config::max_queued_len`]: crate::Config::max_queued_len
    QueueFull,
    /// The server refused the handshake.
    Refused(Refused),
    /// The request that came cannot open a connection; it has been answered.
    Request(RequestError),
    /// The reply that came cannot open a connection.
    Response(ResponseError),
    /// The engine could not carry out a command.
    Send(SendError),
    /// A deadline of [`Config`](crate::Config) passed.
    Timeout(Timeout),
    /// A URL that cannot be connected to, and why.
    Url(&'static str),
}

impl Error {
    /// The error that a connection ended with, if it was one.
    pub(super) fn of(closed: &Closed) -> Option<Self> {
        match closed.cause() {
            _ if closed.is_clean() => None,
            Cause::Protocol(error) => Some(Self::Protocol(error)),
            Cause::Timeout(timeout) => Some(Self::Timeout(timeout)),
            Cause::EndOfStream { inside_frame } => Some(Self::Lost { inside_frame }),
            Cause::Aborted => Some(Self::Aborted),
            Cause::ClosingHandshake => None,
        }
    }

    /// True if another attempt to connect may fare better: the network or the
    /// server is in trouble, and the request is not what is wrong.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::DeadlineExceeded | Self::Lost { .. } | Self::Proxy(_) | Self::Timeout(_) => true,
            // Neither data nor a name becomes right by asking again: a
            // certificate that is not trusted, for example.
            Self::Io(e) => !matches!(
                e.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::NotFound
            ),
            Self::Refused(refused) => {
                matches!(refused.status(), 408 | 425 | 429 | 500 | 502..=504 | 506..)
            }
            Self::Response(error) => {
                matches!(error, ResponseError::EndOfStream | ResponseError::Timeout)
            }
            Self::Aborted
            | Self::Build(_)
            | Self::Protocol(_)
            | Self::QueueFull
            | Self::Request(_)
            | Self::Send(_)
            | Self::Url(_) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted => f.write_str("connection dropped by the application"),
            Self::Build(e) => e.fmt(f),
            Self::DeadlineExceeded => f.write_str("deadline exceeded"),
            Self::Io(e) => e.fmt(f),
            Self::Lost { inside_frame: true } => f.write_str("connection cut inside a frame"),
            Self::Lost { .. } => f.write_str("connection lost without a closing handshake"),
            Self::Protocol(e) => e.fmt(f),
            Self::Proxy(e) => write!(f, "proxy: {e}"),
            Self::QueueFull => f.write_str("too much output is queued: wait for room"),
            Self::Refused(refused) => write!(f, "server refused with status {}", refused.status()),
            Self::Request(e) => e.fmt(f),
            Self::Response(e) => e.fmt(f),
            Self::Send(e) => e.fmt(f),
            Self::Timeout(e) => e.fmt(f),
            Self::Url(why) => f.write_str(why),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Build(e) => Some(e),
            Self::Io(e) => Some(e),
            Self::Protocol(e) => Some(e),
            Self::Proxy(e) => Some(&**e),
            Self::Request(e) => Some(e),
            Self::Response(e) => Some(e),
            Self::Send(e) => Some(e),
            Self::Aborted
            | Self::DeadlineExceeded
            | Self::Lost { .. }
            | Self::QueueFull
            | Self::Refused(_)
            | Self::Timeout(_)
            | Self::Url(_) => None,
        }
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<ResponseError> for Error {
    fn from(error: ResponseError) -> Self {
        Self::Response(error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

/// A [`Refusal`] that outlives the buffer it came in.
#[derive(Clone, PartialEq, Eq)]
pub struct Refused {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Refused {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// All header lines: names as written, values as they came.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The value of the first header line with this name, in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body, up to [`Config::max_refusal_len`](crate::Config::max_refusal_len).
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl From<Refusal<'_>> for Refused {
    fn from(refusal: Refusal<'_>) -> Self {
        Self {
            status: refusal.status(),
            headers: refusal.headers().iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            body: refusal.body().to_owned(),
        }
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        f.debug_struct("Refused").field("status", &self.status).field("body", &body).finish()
    }
}
